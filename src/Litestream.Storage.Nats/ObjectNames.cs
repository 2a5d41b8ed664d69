using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Litestream.Storage.Nats;

/// <summary>Stream and subjects of a bucket (backends §4.8).</summary>
internal sealed partial class ObjectNames
{
    private const string NuidAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private const int NuidLength = 22;

    public ObjectNames(string bucket)
    {
        if (bucket.Length == 0)
        {
            throw new ReplicaException("bucket required for NATS replica", isTransient: false);
        }

        if (!BucketName().IsMatch(bucket))
        {
            throw new ReplicaException(
                $"nats: \"{bucket}\" is no name of an object store: only A-Z, a-z, 0-9, _ and - are allowed, and every database needs a bucket of its own", isTransient: false);
        }

        Bucket = bucket;
        Stream = "OBJ_" + bucket;
        AllMetadata = $"$O.{bucket}.M.>";
    }

    public string Bucket { get; }

    /// <summary>Name of the stream.</summary>
    public string Stream { get; }

    /// <summary>Subjects of all metadata messages.</summary>
    public string AllMetadata { get; }

    /// <summary>A random identifier of an object's chunks.</summary>
    public static string NewNuid() => RandomNumberGenerator.GetString(NuidAlphabet, NuidLength);

    /// <summary>Subject of an object's chunks.</summary>
    public string Chunks(string nuid) => $"$O.{Bucket}.C.{nuid}";

    /// <summary>Subject of an object's metadata: its name in base64url with padding.</summary>
    public string Metadata(string name)
    {
        string encoded = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(name));
        return $"$O.{Bucket}.M.{encoded}{"=="[..((4 - (encoded.Length % 4)) % 4)]}";
    }

    [GeneratedRegex("^[a-zA-Z0-9_-]+\\z")]
    private static partial Regex BucketName();
}
