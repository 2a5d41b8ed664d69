using System.Globalization;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Tests.Verify;

/// <summary>One damage of one file of a replica (two for a swap); disposing puts everything back.</summary>
internal sealed class FileDamage : IDisposable
{
    private readonly Dictionary<string, (byte[] Content, DateTime Time)> originals = [];
    private readonly string description;

    public FileDamage(VerifyScene scene, string file, string kind, Random random)
    {
        BreaksLevel = IsInside(scene, file);
        Keep(file);
        byte[] content = originals[file].Content;
        description = $"{kind} {Path.GetRelativePath(scene.Replica, file)}";
        switch (kind)
        {
            case "flip":
                int at = random.Next(content.Length);
                byte[] flipped = [.. content];
                flipped[at] ^= (byte)(1 << random.Next(8));
                File.WriteAllBytes(file, flipped);
                description += $" at {at}";
                break;
            case "truncate":
                int length = random.Next(content.Length);
                File.WriteAllBytes(file, content[..length]);
                description += $" to {length}";
                break;
            case "remove":
                File.Delete(file);
                break;
            case "swap":
                string[] others = [.. scene.AllFiles.Where(other => other != file && !HasSameContent(scene, file, other))];
                string other = others[random.Next(others.Length)];
                Keep(other);
                File.WriteAllBytes(file, originals[other].Content);
                File.WriteAllBytes(other, content);
                File.SetLastWriteTimeUtc(file, originals[other].Time);
                File.SetLastWriteTimeUtc(other, originals[file].Time);
                description += $" with {Path.GetRelativePath(scene.Replica, other)}";
                break;
            default:
                throw new ArgumentException(kind);
        }
    }

    /// <summary>True if the level has files on both sides of the damaged one and none that holds its transactions besides.</summary>
    public bool BreaksLevel { get; }

    /// <summary>
    /// True if a flipped bit changes nothing that any reader sees: one page in a few dozen has an LZ4 match that could as well point
    /// elsewhere. The checksums of the format cover the pages, not their compressed form.
    /// </summary>
    public bool DecodesAsBefore =>
        originals.Count == 1 && originals.All(pair => File.Exists(pair.Key) && Decoded(pair.Value.Content).AsSpan().SequenceEqual(Decoded(File.ReadAllBytes(pair.Key))));

    /// <summary>The damaged files.</summary>
    public IEnumerable<(int Level, string Name)> Files => originals.Keys.Select(path => (LevelOf(path), Path.GetFileName(path)));

    public override string ToString() => description;

    public void Dispose()
    {
        foreach ((string path, (byte[] content, DateTime time)) in originals)
        {
            File.WriteAllBytes(path, content);
            File.SetLastWriteTimeUtc(path, time);
        }
    }

    /// <summary>All files of the replica by their names.</summary>
    public static IEnumerable<LtxFileInfo> List(VerifyScene scene) => scene.AllFiles.Select(Info);

    /// <summary>
    /// Two files of the same transactions whose exchange changes nothing: merged files are equal byte for byte; and a level-0 file of
    /// transaction 1 and the snapshot 1-1 hold the same pages under headers that both may have.
    /// </summary>
    private static bool HasSameContent(VerifyScene scene, string a, string b) =>
        Path.GetFileName(a) == Path.GetFileName(b)
        && (File.ReadAllBytes(a).AsSpan().SequenceEqual(File.ReadAllBytes(b)) || LevelOf(a) + LevelOf(b) == LtxFileInfo.SnapshotLevel);

    private static byte[] Decoded(byte[] file)
    {
        var decoded = new MemoryStream();
        using var reader = new LtxReader(new MemoryStream(file));
        decoded.Write(System.Text.Encoding.UTF8.GetBytes(reader.ReadHeader().ToString()));
        while (reader.ReadPage())
        {
            decoded.Write(System.Text.Encoding.UTF8.GetBytes($"{reader.PageNumber}:"));
            decoded.Write(reader.Page);
        }

        decoded.Write(System.Text.Encoding.UTF8.GetBytes(reader.Finish().ToString()!));
        return decoded.ToArray();
    }

    private static bool IsInside(VerifyScene scene, string file)
    {
        LtxFileInfo removed = Info(file);
        LtxFileInfo[] level = [.. List(scene).Where(other => other.Level == removed.Level && other != removed)];
        return removed.Level != LtxFileInfo.SnapshotLevel
            && level.Any(other => other.MaxTxid < removed.MinTxid)
            && level.Any(other => other.MinTxid > removed.MaxTxid)
            && !level.Any(other => other.MinTxid <= removed.MinTxid && other.MaxTxid >= removed.MaxTxid);
    }

    private static LtxFileInfo Info(string path)
    {
        Assert.True(LtxFileName.TryParse(Path.GetFileName(path), out Txid min, out Txid max));
        return new LtxFileInfo(LevelOf(path), min, max, 0, File.GetLastWriteTimeUtc(path));
    }

    private static int LevelOf(string path) => int.Parse(Path.GetFileName(Path.GetDirectoryName(path)!), CultureInfo.InvariantCulture);

    private void Keep(string path) => originals[path] = (File.ReadAllBytes(path), File.GetLastWriteTimeUtc(path));
}
