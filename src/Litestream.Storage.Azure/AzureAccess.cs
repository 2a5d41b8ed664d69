using Litestream.Diagnostics;
using Litestream.Storage.Transport;
using Microsoft.Extensions.Logging;

namespace Litestream.Storage.Azure;

/// <summary>How requests prove who sends them (backends §4.4), in the order in which they are looked for.</summary>
internal enum AzureAuthentication
{
    SharedAccessSignature,
    SharedKey,
    Identity,
}

/// <summary>
/// Where the service is and how to sign in. Equal values share one pipeline and so one token: ten thousand databases of one account
/// must not ask for ten thousand tokens.
/// </summary>
internal sealed record AzureAccess
{
    private const string DefaultDomain = ".blob.core.windows.net";

    private AzureAccess()
    {
    }

    public required AzureAuthentication Authentication { get; init; }

    /// <summary>URL of the service without a slash at its end.</summary>
    public required string Endpoint { get; init; }

    public required string AccountName { get; init; }

    /// <summary>The key or the signature; empty for an identity.</summary>
    public required string Secret { get; init; }

    /// <summary>Reads options and environment.</summary>
    /// <exception cref="ReplicaException">Permanent: something is missing or cannot work.</exception>
    public static AzureAccess Of(AzureOptions options, TransportOptions transport)
    {
        if (options.Container.Length == 0)
        {
            throw Invalid("bucket required for abs replica: set it to the name of the container");
        }

        if (options.BlockSize is < 1 << 10 or > 1 << 30)
        {
            throw Invalid("the block size of an abs replica must be 1 KiB to 1 GiB");
        }

        string endpoint = FindEndpoint(options);
        string sas = FirstOf(options.SasToken, transport.GetVariable(AzureOptions.SasTokenVariable)).TrimStart('?');
        string key = FirstOf(options.AccountKey, transport.GetVariable(AzureOptions.AccountKeyVariable));
        if (sas.Length > 0)
        {
            return new AzureAccess { Authentication = AzureAuthentication.SharedAccessSignature, Endpoint = endpoint, AccountName = options.AccountName, Secret = sas };
        }

        if (key.Length > 0 && options.AccountName.Length > 0)
        {
            return new AzureAccess { Authentication = AzureAuthentication.SharedKey, Endpoint = endpoint, AccountName = options.AccountName, Secret = key };
        }

        if (options.AccountKey.Length > 0)
        {
            throw Invalid("abs replica: an account key needs the account name; set account-name or use abs://ACCOUNT@CONTAINER/PATH");
        }

        if (endpoint.StartsWith("http:", StringComparison.Ordinal))
        {
            throw Invalid(
                $"abs replica: signing in with an identity needs https, and {endpoint} is not; "
                + $"set account-name with account-key ({AzureOptions.AccountKeyVariable}) or sas-token ({AzureOptions.SasTokenVariable})");
        }

        return new AzureAccess { Authentication = AzureAuthentication.Identity, Endpoint = endpoint, AccountName = options.AccountName, Secret = "" };
    }

    /// <summary>Says what is configured but not used.</summary>
    public void WarnOfUnused(AzureOptions options, TransportOptions transport)
    {
        bool hasKey = FirstOf(options.AccountKey, transport.GetVariable(AzureOptions.AccountKeyVariable)).Length > 0;
        if (hasKey && Authentication == AzureAuthentication.SharedAccessSignature)
        {
            transport.Logger.Write(LogLevel.Warning, "abs replica has a SAS token and an account key; the SAS token is used", ("endpoint", Endpoint));
        }
        else if (hasKey && Authentication == AzureAuthentication.Identity)
        {
            transport.Logger.Write(
                LogLevel.Warning, "abs replica has an account key but no account name; the key is not used, an Azure identity is", ("endpoint", Endpoint));
        }
    }

    /// <summary>No secret in it.</summary>
    public override string ToString() => $"{Authentication} at {Endpoint}";

    private static string FindEndpoint(AzureOptions options)
    {
        if (options.Endpoint.Length == 0)
        {
            return options.AccountName switch
            {
                "" => throw Invalid("abs replica: account name or endpoint required; set account-name or endpoint, or use abs://ACCOUNT@CONTAINER/PATH"),
                string name when name.All(c => char.IsAsciiLetterOrDigit(c) || c == '-') => "https://" + name.ToLowerInvariant() + DefaultDomain,
                string name => throw Invalid($"abs replica: account name \"{name}\" is none: it has letters and digits only"),
            };
        }

        if (!Uri.TryCreate(options.Endpoint, UriKind.Absolute, out Uri? uri) || (uri.Scheme != Uri.UriSchemeHttp && uri.Scheme != Uri.UriSchemeHttps))
        {
            throw Invalid("abs replica: the endpoint is no http or https URL; write it like https://ACCOUNT.blob.core.windows.net");
        }

        // Not echoed: a signature may be in it.
        return uri.Query.Length == 0 && uri.UserInfo.Length == 0 && uri.Fragment.Length == 0
            ? uri.GetLeftPart(UriPartial.Path).TrimEnd('/')
            : throw Invalid("abs replica: the endpoint has a query or user name; set sas-token, account-name and account-key instead");
    }

    private static string FirstOf(string configured, string? environment) => configured.Length > 0 ? configured : environment ?? "";

    private static ReplicaException Invalid(string message) => new(message, isTransient: false);
}
