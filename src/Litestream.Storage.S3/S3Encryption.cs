using System.Security.Cryptography;
using System.Text;

namespace Litestream.Storage.S3;

/// <summary>Headers of server-side encryption (backends §4.2, trap T26).</summary>
internal sealed class S3Encryption
{
    private const string CustomerPrefix = "x-amz-server-side-encryption-customer-";
    private const int KeyBytes = 32;

    /// <summary>Longest key file that is read.</summary>
    private const int MaxKeyFileBytes = 4096;

    private S3Encryption(IReadOnlyList<(string Name, string Value)> customer, IReadOnlyList<(string Name, string Value)> write) =>
        (Customer, Write) = (customer, write);

    /// <summary>Headers with the customer's key: on every request that touches content.</summary>
    public IReadOnlyList<(string Name, string Value)> Customer { get; }

    /// <summary>Headers of requests that create an object.</summary>
    public IReadOnlyList<(string Name, string Value)> Write { get; }

    /// <summary>Checks the settings.</summary>
    /// <param name="options">The settings.</param>
    /// <param name="endpoint">Where keys would travel to; null = AWS.</param>
    /// <param name="files">Where a key file is read.</param>
    /// <param name="home">Home directory for a leading <c>~/</c>.</param>
    /// <exception cref="ReplicaException">They cannot be used; the message holds no key.</exception>
    public static S3Encryption Resolve(S3Options options, Uri? endpoint, IFileSystem files, string? home)
    {
        string key = options.SseCustomerKeyPath.Length > 0 ? ReadKey(options.SseCustomerKeyPath, files, home) : options.SseCustomerKey;
        bool kms = options.SseKmsKeyId.Length > 0;
        if (key.Length == 0)
        {
            Require(
                options.SseCustomerAlgorithm.Length == 0 || options.SseCustomerAlgorithm == "AES256", "sse-customer-algorithm must be AES256");
            Require(options.SseCustomerKeyMd5.Length == 0, "sse-customer-key-md5 is set without sse-customer-key");
            return new S3Encryption(
                [], kms ? [("x-amz-server-side-encryption", "aws:kms"), ("x-amz-server-side-encryption-aws-kms-key-id", options.SseKmsKeyId)] : []);
        }

        Require(!kms, "sse-customer-key and sse-kms-key-id cannot both be set: choose one kind of encryption");
        Require(options.SseCustomerAlgorithm is "" or "AES256", "sse-customer-algorithm must be AES256");
        byte[] raw = new byte[KeyBytes + 1];
        Require(Convert.TryFromBase64String(key, raw, out int count) || IsLongBase64(key), "sse-customer-key is no base64");
        Require(count == KeyBytes, "sse-customer-key must be exactly 32 bytes in base64");
        Require(
            endpoint is null || endpoint.Scheme == Uri.UriSchemeHttps || IsNear(endpoint.Host),
            "sse-customer-key would travel in clear text: use an https endpoint");
#pragma warning disable CA5351 // The protocol says MD5; it only guards against mistyped keys.
        string md5 = Convert.ToBase64String(MD5.HashData(raw.AsSpan(0, KeyBytes)));
#pragma warning restore CA5351
        Require(options.SseCustomerKeyMd5.Length == 0 || options.SseCustomerKeyMd5 == md5, "sse-customer-key-md5 is not the MD5 of sse-customer-key");
        (string, string)[] headers = [(CustomerPrefix + "algorithm", "AES256"), (CustomerPrefix + "key", key), (CustomerPrefix + "key-md5", md5)];
        return new S3Encryption(headers, headers);
    }

    /// <summary>Loopback and private networks (RFC 1918): there clear text is the user's own matter.</summary>
    private static bool IsNear(string host)
    {
        if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        if (!System.Net.IPAddress.TryParse(host.Trim('[', ']'), out System.Net.IPAddress? address))
        {
            return false;
        }

        byte[] bytes = address.GetAddressBytes();
        return System.Net.IPAddress.IsLoopback(address)
            || (bytes.Length == 4 && (bytes[0] == 10 || (bytes[0] == 172 && bytes[1] is >= 16 and < 32) || (bytes[0] == 192 && bytes[1] == 168)));
    }

    private static bool IsLongBase64(string key) =>
        key.Length <= MaxKeyFileBytes && Convert.TryFromBase64String(key, new byte[MaxKeyFileBytes], out _);

    private static string ReadKey(string path, IFileSystem files, string? home)
    {
        string full = path.StartsWith("~/", StringComparison.Ordinal) && !string.IsNullOrEmpty(home) ? Path.Combine(home, path[2..]) : Path.GetFullPath(path);
        try
        {
            using IFile file = files.OpenRead(full);
            Require(file.Length <= MaxKeyFileBytes, $"sse-customer-key-path: {full} is longer than {MaxKeyFileBytes} bytes, which no key is");
            byte[] bytes = new byte[MaxKeyFileBytes];
            int count = 0;
            for (int read = file.Read(bytes, 0); read > 0; read = file.Read(bytes.AsSpan(count), count))
            {
                count += read;
            }

            string key = Encoding.UTF8.GetString(bytes, 0, count).Trim();
            Require(key.Length > 0, $"sse-customer-key-path: {full} is empty");
            return key;
        }
        catch (Exception e) when (e is not ReplicaException && e is IOException or UnauthorizedAccessException)
        {
            throw new ReplicaException($"sse-customer-key-path: cannot read {full}: {e.Message}", isTransient: false, e);
        }
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new ReplicaException("s3: " + message, isTransient: false);
        }
    }
}
