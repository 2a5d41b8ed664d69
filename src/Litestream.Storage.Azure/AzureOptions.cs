using System.Text;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Azure;

/// <summary>Settings of an Azure Blob Storage replica (backends §3.3, §4.4).</summary>
/// <param name="Container">Name of the container (<c>bucket</c> in the configuration). It is never created.</param>
/// <param name="Path">Path of the replica in the container, as configured; cleaned by the rules of layout B (backends §1.2).</param>
public sealed record AzureOptions(string Container, string Path)
{
    /// <summary>Environment variable of a shared access signature, used where <see cref="SasToken"/> is empty.</summary>
    public const string SasTokenVariable = "LITESTREAM_AZURE_SAS_TOKEN";

    /// <summary>Environment variable of an account key, used where <see cref="AccountKey"/> is empty.</summary>
    public const string AccountKeyVariable = "LITESTREAM_AZURE_ACCOUNT_KEY";

    /// <summary>Size of a block where nothing else is set: 4 MiB.</summary>
    public const long DefaultBlockSize = 4L << 20;

    /// <summary>Storage account; needed for <see cref="AccountKey"/>, and for the endpoint where that is not set.</summary>
    public string AccountName { get; init; } = "";

    /// <summary>Secret. Key of the account in base64; empty = the environment's.</summary>
    public string AccountKey { get; init; } = "";

    /// <summary>Secret. Shared access signature, with or without its <c>?</c>; empty = the environment's. It wins over a key.</summary>
    public string SasToken { get; init; } = "";

    /// <summary>
    /// URL of the service. Empty = <c>https://&lt;account&gt;.blob.core.windows.net</c>. Emulators have the account in the path:
    /// <c>http://127.0.0.1:10000/devstoreaccount1</c>.
    /// </summary>
    public string Endpoint { get; init; } = "";

    /// <summary>
    /// Bytes of a block, 1 KiB to 1 GiB; null = <see cref="DefaultBlockSize"/>. A file below it is sent in one request. Grows by itself
    /// where a file would need more blocks than the service allows (50,000).
    /// </summary>
    public long? BlockSize { get; init; }

    /// <summary>Blocks of one upload in flight at a time, at least 1; fewer where they would exceed 64 MiB. Default 5.</summary>
    public int Concurrency { get; init; } = 5;

    /// <summary>Where blocks wait that are too large for memory: the state directory of the database.</summary>
    public UploadSpool Spool { get; init; } = UploadSpool.Temporary;

    // Called by ToString: the two secrets are left out.
    private bool PrintMembers(StringBuilder builder)
    {
        builder.Append("Container = ").Append(Container).Append(", Path = ").Append(Path)
            .Append(", AccountName = ").Append(AccountName).Append(", Endpoint = ").Append(Endpoint);
        return true;
    }
}
