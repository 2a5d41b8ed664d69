using Litestream.Storage;
using Litestream.Storage.S3;
using Litestream.TestKit;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>Where credentials come from. The chain of the SDK reads the environment of the process, so its cases run one after the other.</summary>
public sealed class AwsCredentialTests
{
    private const string Expiry = "2099-01-01T00:00:00Z";

    [Theory]
    [InlineData("id", "secret", "id")]
    [InlineData("id", "", "env")]
    [InlineData("", "", "env")]
    public async Task A_configured_pair_goes_before_the_environment(string id, string secret, string expected)
    {
        var environment = new Dictionary<string, string> { ["AWS_ACCESS_KEY_ID"] = "env", ["AWS_SECRET_ACCESS_KEY"] = "s", ["LITESTREAM_ACCESS_KEY_ID"] = "other", ["AWS_SESSION_TOKEN"] = "t" };
        AwsKeys keys = await new AwsCredentialSource(new S3Options { AccessKeyId = id, SecretAccessKey = secret }, environment.GetValueOrDefault).GetAsync(CancellationToken.None);
        Assert.Equal((expected, expected == "id" ? "" : "t"), (keys.AccessKeyId, keys.SessionToken));
        Assert.DoesNotContain("secret", keys.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_default_chain_finds_containers_web_identities_profiles_and_roles()
    {
        using var folder = new TempDirectory();
        await using var server = new RecordingHttpServer(Answer);
        string origin = $"http://127.0.0.1:{server.Port}";
        File.WriteAllText(folder["token"], "web-token");
        File.WriteAllText(folder["credentials"], "[plain]\naws_access_key_id = of-profile\naws_secret_access_key = s\n");
        File.WriteAllText(folder["config"], "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = plain\nregion = us-east-1\n");
        using var environment = new ProcessEnvironment();
        environment["AWS_EC2_METADATA_DISABLED"] = "true";
        environment["AWS_SHARED_CREDENTIALS_FILE"] = folder["credentials"];
        environment["AWS_CONFIG_FILE"] = folder["config"];
        environment["AWS_ENDPOINT_URL_STS"] = origin;
        environment["AWS_REGION"] = "us-east-1";
        foreach (string name in new[] { "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE" })
        {
            environment[name] = null;
        }

        ReplicaException none = await Assert.ThrowsAsync<ReplicaException>(async () => await FindAsync());
        Assert.Contains("access-key-id", none.Message, StringComparison.Ordinal);
        Assert.False(none.IsTransient);

        environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = origin + "/container";
        Assert.Equal(("of-container", "container-token"), await FindAsync());
        environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = null;

        environment["AWS_PROFILE"] = "plain";
        Assert.Equal(("of-profile", ""), await FindAsync());
        environment["AWS_PROFILE"] = "role";
        Assert.Equal(("of-role", "role-token"), await FindAsync());
        RecordedRequest assumed = server.Requests[^1];
        Assert.Contains("Action=AssumeRole", assumed.Text, StringComparison.Ordinal);
        Assert.Contains("Credential=of-profile/", assumed["Authorization"], StringComparison.Ordinal);
        environment["AWS_PROFILE"] = null;

        environment["AWS_WEB_IDENTITY_TOKEN_FILE"] = folder["token"];
        environment["AWS_ROLE_ARN"] = "arn:aws:iam::123456789012:role/web";
        Assert.Equal(("of-web", "web-session"), await FindAsync());
        Assert.Contains("WebIdentityToken=web-token", server.Requests[^1].Text, StringComparison.Ordinal);

        static async Task<(string, string)> FindAsync()
        {
            AwsKeys keys = await new AwsCredentialSource(new S3Options(), _ => null).GetAsync(CancellationToken.None);
            return (keys.AccessKeyId, keys.SessionToken);
        }
    }

    private static CannedAnswer Answer(RecordedRequest request)
    {
        if (request.Path == "/container")
        {
            return CannedAnswer.Text(
                200, $"{{\"AccessKeyId\":\"of-container\",\"SecretAccessKey\":\"s\",\"Token\":\"container-token\",\"Expiration\":\"{Expiry}\"}}", ("Content-Type", "application/json"));
        }

        (string action, string key, string token) = request.Text.Contains("AssumeRoleWithWebIdentity", StringComparison.Ordinal)
            ? ("AssumeRoleWithWebIdentity", "of-web", "web-session")
            : ("AssumeRole", "of-role", "role-token");
        return CannedAnswer.Text(
            200,
            $"<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            + $"<SessionToken>{token}</SessionToken><Expiration>{Expiry}</Expiration></Credentials></{action}Result></{action}Response>",
            ("Content-Type", "text/xml"));
    }

    /// <summary>Variables of the process, put back at the end.</summary>
    private sealed class ProcessEnvironment : IDisposable
    {
        private readonly Dictionary<string, string?> _before = [];

        public string? this[string name]
        {
            set
            {
                _before.TryAdd(name, Environment.GetEnvironmentVariable(name));
                Environment.SetEnvironmentVariable(name, value);
            }
        }

        public void Dispose()
        {
            foreach ((string name, string? value) in _before)
            {
                Environment.SetEnvironmentVariable(name, value);
            }
        }
    }
}
