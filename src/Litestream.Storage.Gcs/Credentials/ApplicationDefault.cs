using System.Runtime.CompilerServices;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Gcs.Credentials;

/// <summary>
/// Finds the Application Default Credentials (backends §4.3): the file that <c>GOOGLE_APPLICATION_CREDENTIALS</c> names, what gcloud left
/// behind, or the metadata server. All replicas of a process share one token.
/// </summary>
internal static class ApplicationDefault
{
    private static readonly RetryOptions Retries = new(10, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30));

    private static readonly ConditionalWeakTable<StorageTransport, TokenCache> Caches = [];

    /// <summary>The tokens of a process.</summary>
    /// <exception cref="ReplicaException">A file is named and cannot be used; the next call looks again.</exception>
    public static TokenCache Get(StorageTransport transport)
    {
        lock (Caches)
        {
            return Caches.GetValue(transport, static shared => new TokenCache(Find(shared), shared.Options.Time));
        }
    }

    private static ITokenSource Find(StorageTransport transport)
    {
        var service = new TokenService(transport.CreateHttp(Retries));
        string Variable(string name) => transport.Options.GetVariable(name) ?? "";
        if (Variable("GOOGLE_APPLICATION_CREDENTIALS") is { Length: > 0 } named)
        {
            return CredentialFiles.Load(service, named, "GOOGLE_APPLICATION_CREDENTIALS");
        }

        string folder = Variable("CLOUDSDK_CONFIG");
        if (folder.Length == 0 && Variable("HOME") is { Length: > 0 } home)
        {
            folder = Path.Combine(home, ".config", "gcloud");
        }

        string login = Path.Combine(folder, "application_default_credentials.json");
        return folder.Length > 0 && LocalFileSystem.Instance.Stat(Path.GetFullPath(login)) is { Kind: FileKind.Regular }
            ? CredentialFiles.Load(service, login, "gcloud's login")
            : new MetadataServerTokens(service, Variable("GCE_METADATA_HOST"));
    }
}
