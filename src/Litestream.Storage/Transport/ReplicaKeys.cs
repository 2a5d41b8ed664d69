using System.Globalization;
using Litestream.Ltx;

namespace Litestream.Storage.Transport;

/// <summary>Names of a replica's objects (backends §1.2): two layouts exist, and replicas are found only by their exact keys (trap T3).</summary>
public sealed class ReplicaKeys
{
    private readonly string _prefix;
    private readonly bool _flat;

    private ReplicaKeys(string root, string prefix, bool flat) => (Root, _prefix, _flat) = (root, prefix, flat);

    /// <summary>Prefix of everything that belongs to the replica, with its slash; empty for a whole bucket (traps T2, T34).</summary>
    public string Root { get; }

    /// <summary>Layout A of s3 and oss: path, slash, level as four hex digits; plain concatenation, an empty path gives a leading slash.</summary>
    /// <param name="path">Path as configured, not cleaned.</param>
    public static ReplicaKeys FlatHex(string path) => new(path + "/", path + "/", flat: true);

    /// <summary>Layout B of the others: path, <c>ltx</c>, level in decimal; joined with cleaning, so an empty path leaves nothing.</summary>
    /// <param name="path">Path as configured.</param>
    public static ReplicaKeys LtxDirectory(string path)
    {
        string clean = Clean(path);
        string root = clean.Length == 0 ? "" : clean == "/" ? "/" : clean + "/";
        return new ReplicaKeys(root, root + "ltx/", flat: false);
    }

    /// <summary>Prefix of the keys of one level, with its slash.</summary>
    public string Level(int level)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(level);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(level, LtxFileInfo.SnapshotLevel);
        return _prefix + level.ToString(_flat ? "x4" : "d", CultureInfo.InvariantCulture) + "/";
    }

    /// <summary>Key of one file.</summary>
    public string File(int level, Txid min, Txid max) => Level(level) + LtxFileName.Format(min, max);

    /// <summary>Key before which no file from a TXID on can lie, for stores that list from a key on; null for the first TXID.</summary>
    public string? StartAt(int level, Txid seek) => seek.IsNone ? null : Level(level) + seek;

    /// <summary>Reads a key of a listing of one level: the file name is the last segment; null for anything else (backends §1.2).</summary>
    public static (Txid Min, Txid Max)? Parse(ReadOnlySpan<char> key) =>
        LtxFileName.TryParse(key[(key.LastIndexOf('/') + 1)..], out Txid min, out Txid max) ? (min, max) : null;

    /// <summary>Slash-path cleaning: no empty segments, no <c>.</c>, <c>..</c> resolved; a leading slash stays.</summary>
    private static string Clean(string path)
    {
        bool rooted = path.StartsWith('/');
        var segments = new List<string>();
        foreach (string segment in path.Split('/'))
        {
            if (segment is "" or ".")
            {
                continue;
            }

            if (segment == ".." && segments.Count > 0 && segments[^1] != "..")
            {
                segments.RemoveAt(segments.Count - 1);
            }
            else if (segment != ".." || !rooted)
            {
                segments.Add(segment);
            }
        }

        return (rooted ? "/" : "") + string.Join('/', segments);
    }
}
