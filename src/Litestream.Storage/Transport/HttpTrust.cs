namespace Litestream.Storage.Transport;

/// <summary>Which servers are believed to be who they say (backends §4.2 TLS).</summary>
/// <param name="SkipVerify">True: certificates are not checked at all.</param>
/// <param name="BundlePath">File of root certificates in PEM form to trust besides the system's; empty = none.</param>
/// <param name="BundleVariable">Where that path comes from, for messages.</param>
public sealed record HttpTrust(bool SkipVerify = false, string BundlePath = "", string BundleVariable = "")
{
    /// <summary>The system's roots.</summary>
    public static HttpTrust System { get; } = new();
}
