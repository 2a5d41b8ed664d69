using System.Text;

namespace Litestream.Storage.Sftp;

/// <summary>A public key of a server.</summary>
/// <param name="Type">Key type: <c>ssh-ed25519</c>, <c>ssh-rsa</c>, <c>ecdsa-sha2-nistp256</c>, …</param>
/// <param name="Blob">The key as it goes over the wire, in base64: two keys are equal if these are.</param>
internal sealed record HostKey(string Type, string Blob)
{
    /// <summary>Names of the signature algorithms that a server with such a key may offer.</summary>
    internal IEnumerable<string> Algorithms => Type == "ssh-rsa" ? ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"] : [Type];

    /// <summary>A key as a server presents it. Its type is the first string in it, whatever algorithm signed with it.</summary>
    internal static HostKey FromBlob(ReadOnlySpan<byte> blob)
    {
        int length = blob.Length < 4 ? 0 : (int)Math.Min(System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(blob), (uint)(blob.Length - 4));
        return new HostKey(length == 0 ? "" : Encoding.ASCII.GetString(blob.Slice(4, length)), Convert.ToBase64String(blob));
    }

    /// <summary>Reads <c>[options] type base64 [comment]</c>; null if there is no key in the line.</summary>
    internal static HostKey? Parse(ReadOnlySpan<char> line)
    {
        string[] fields = line.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i + 1 < fields.Length; i++)
        {
            // A key names its own type: what stands before it are options, what stands behind it is a comment.
            byte[] blob = new byte[fields[i + 1].Length];
            if (Convert.TryFromBase64String(fields[i + 1], blob, out int count)
                && FromBlob(blob.AsSpan(0, count)) is { } key && key.Type == fields[i])
            {
                return key;
            }
        }

        return null;
    }
}
