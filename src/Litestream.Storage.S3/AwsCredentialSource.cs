using System.Diagnostics.CodeAnalysis;
using Amazon.Runtime;
using Amazon.Runtime.Credentials;
using Amazon.RuntimeDependencies;
using Amazon.SecurityToken;

namespace Litestream.Storage.S3;

/// <summary>
/// Credentials in the order of backends §4.2: the configured pair, the environment, then the default chain of the AWS SDK (profiles, SSO,
/// web identity, containers, EC2). The SDK renews temporary ones and is used for nothing else.
/// </summary>
internal sealed class AwsCredentialSource
{
    // Once per process. The chain caches what it found for all: ten thousand databases must not each ask the metadata server.
    private static readonly Lazy<bool> Registration = new(Register);

    private readonly AwsKeys? _fixed;

    /// <summary>Looks at settings and environment; asks nobody.</summary>
    public AwsCredentialSource(S3Options options, Func<string, string?> variable)
    {
        if (options.AccessKeyId.Length > 0 && options.SecretAccessKey.Length > 0)
        {
            _fixed = new AwsKeys(options.AccessKeyId, options.SecretAccessKey);
            return;
        }

        // A profile that is named explicitly goes before keys in the environment.
        string? id = Value("AWS_ACCESS_KEY_ID") ?? Value("LITESTREAM_ACCESS_KEY_ID");
        string? secret = Value("AWS_SECRET_ACCESS_KEY") ?? Value("LITESTREAM_SECRET_ACCESS_KEY");
        if (Value("AWS_PROFILE") is null && id is not null && secret is not null)
        {
            _fixed = new AwsKeys(id, secret, Value("AWS_SESSION_TOKEN") ?? "");
        }

        string? Value(string name) => variable(name) is { Length: > 0 } value ? value : null;
    }

    /// <summary>Whether another attempt may get other credentials.</summary>
    public bool CanChange => _fixed is null;

    /// <summary>Credentials for a request that is sent now.</summary>
    /// <exception cref="ReplicaException">There are none.</exception>
    public async ValueTask<AwsKeys> GetAsync(CancellationToken cancellationToken)
    {
        if (_fixed is not null)
        {
            return _fixed;
        }

        try
        {
            _ = Registration.Value;
            AWSCredentials found = await DefaultAWSCredentialsIdentityResolver.GetCredentialsAsync(null).WaitAsync(cancellationToken).ConfigureAwait(false);
            ImmutableCredentials keys = await found.GetCredentialsAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
            return new AwsKeys(keys.AccessKey, keys.SecretKey, keys.Token ?? "");
        }
        catch (Exception e) when (e is AmazonClientException or AmazonServiceException)
        {
            throw new ReplicaException(
                "s3: no AWS credentials: set access-key-id and secret-access-key, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile or "
                + $"role that the AWS default chain finds ({e.Message})",
                isTransient: false,
                e);
        }
    }

    /// <summary>
    /// A trimmed program finds the client of the token service only if somebody names it. Web identities need no credentials for it; a role that
    /// is assumed does, and those the registration is not told: for it the SDK finds the client by name, so that name must survive.
    /// </summary>
    [DynamicDependency(DynamicallyAccessedMemberTypes.All, typeof(AmazonSecurityTokenServiceClient))]
    [DynamicDependency(DynamicallyAccessedMemberTypes.All, typeof(AmazonSecurityTokenServiceConfig))]
    private static bool Register()
    {
        GlobalRuntimeDependencyRegistry.Instance.RegisterSecurityTokenServiceClient(context =>
            context.SecurityTokenServiceClientContextData.Action == SecurityTokenServiceClientContext.ActionContext.AssumeRoleAWSCredentials
                ? null
                : new AmazonSecurityTokenServiceClient(new AnonymousAWSCredentials(), context.SecurityTokenServiceClientContextData.Region));
        return true;
    }
}
