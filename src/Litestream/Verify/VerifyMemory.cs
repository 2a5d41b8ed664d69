using System.Text.Json;
using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;

namespace Litestream.Verify;

/// <summary>
/// What verification remembers between runs, in <c>&lt;state&gt;/verify.json</c>: which file was read when, so that a rolling
/// verification goes on where it was; which points there were; and the last result.
/// </summary>
internal sealed class VerifyMemory
{
    private const int Version = 1;

    /// <summary>About half a million files. A larger or unreadable memory is forgotten: the next runs read everything again.</summary>
    private const int MaxBytes = 64 << 20;

    private readonly Dictionary<(int Level, Txid Min, Txid Max), SeenFile> seen = [];

    /// <summary>Runs so far.</summary>
    public long Run { get; set; }

    /// <summary>Bytes that the next run may read on top of its share; negative after a run that had to read more than its share.</summary>
    public long Credit { get; set; }

    /// <summary>Greatest transaction that was ever seen on the replica.</summary>
    public Txid Newest { get; set; }

    /// <summary>Result of the last run.</summary>
    public VerificationStatus? LastResult { get; set; }

    /// <summary>All files that the last run saw.</summary>
    public IEnumerable<SeenFile> Seen => seen.Values;

    /// <summary>What is known of exactly this file, or null.</summary>
    public SeenFile? Find(LtxFileInfo file) =>
        seen.TryGetValue((file.Level, file.MinTxid, file.MaxTxid), out SeenFile? found) && found.File == file ? found : null;

    /// <summary>Keeps what is known of the files of a listing, and forgets all others.</summary>
    public void Replace(ReplicaFiles files)
    {
        List<SeenFile> kept = [.. files.Listing.All.Select(file => new SeenFile(file, Find(file)?.FirstSeen ?? Run, files.Known(file)))];
        seen.Clear();
        foreach (SeenFile file in kept)
        {
            seen[(file.File.Level, file.File.MinTxid, file.File.MaxTxid)] = file;
        }
    }

    /// <summary>Forgets every file and point.</summary>
    public void Forget()
    {
        seen.Clear();
        Newest = Txid.None;
        Credit = 0;
    }

    /// <summary>Reads the memory of a database; an empty one if there is none.</summary>
    public static VerifyMemory Load(IFileSystem files, string stateDirectory)
    {
        string path = PathIn(stateDirectory);
        var memory = new VerifyMemory();
        try
        {
            if (files.Stat(path) is not { Kind: FileKind.Regular, Size: > 0 and <= MaxBytes } status)
            {
                return memory;
            }

            byte[] bytes = new byte[(int)status.Size];
            using (IFile file = files.OpenRead(path))
            {
                bytes = bytes[..file.Read(bytes, 0)];
            }

            using JsonDocument document = JsonDocument.Parse(bytes);
            return document.RootElement.GetProperty("version").GetInt32() == Version ? Parse(document.RootElement) : memory;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException or InvalidOperationException
            or KeyNotFoundException or FormatException or ArgumentException)
        {
            return new VerifyMemory();
        }
    }

    /// <summary>Writes the memory, complete or not at all.</summary>
    public void Save(IFileSystem files, string stateDirectory)
    {
        string path = PathIn(stateDirectory);
        string temporary = path + ".tmp";
        if (files.Stat(stateDirectory) is null)
        {
            return; // Nothing was ever replicated from here: there is nothing to continue either.
        }

        try
        {
            using (IFile file = files.Create(temporary))
            {
                file.Write(Format(), 0);
                file.Sync();
            }

            files.Rename(temporary, path);
        }
        catch
        {
            files.TryDelete(temporary);
            throw;
        }
    }

    private static string PathIn(string stateDirectory) => Path.Combine(stateDirectory, "verify.json");

    private byte[] Format()
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteNumber("version", Version);
            writer.WriteNumber("run", Run);
            writer.WriteNumber("credit", Credit);
            writer.WriteString("newest", Newest.ToString());
            if (LastResult is { } last)
            {
                WriteResult(writer, last);
            }

            writer.WriteStartArray("files");
            foreach (SeenFile file in seen.Values)
            {
                file.Write(writer);
            }

            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        return buffer.ToArray();
    }

    private static void WriteResult(Utf8JsonWriter writer, VerificationStatus last)
    {
        writer.WriteStartObject("last");
        writer.WriteString("result", last.Result);
        writer.WriteString("proven_txid", last.Proven.ToString());
        if (last.ProvenTime is { } time)
        {
            writer.WriteString("proven_time", time);
        }

        writer.WriteString("proven_at", last.ProvenAt);
        writer.WriteString("finished_at", last.FinishedAt);
        writer.WriteNumber("damaged_files", last.DamagedFiles);
        writer.WriteNumber("lost_ranges", last.LostRanges);
        writer.WriteEndObject();
    }

    private static VerifyMemory Parse(JsonElement root)
    {
        var memory = new VerifyMemory
        {
            Run = root.GetProperty("run").GetInt64(),
            Credit = root.GetProperty("credit").GetInt64(),
            Newest = ParseTxid(root.GetProperty("newest")),
            LastResult = root.TryGetProperty("last", out JsonElement last) ? ParseResult(last) : null,
        };
        foreach (JsonElement element in root.GetProperty("files").EnumerateArray())
        {
            var file = SeenFile.Parse(element);
            memory.seen[(file.File.Level, file.File.MinTxid, file.File.MaxTxid)] = file;
        }

        return memory;
    }

    private static VerificationStatus ParseResult(JsonElement last) => new(
        last.GetProperty("result").GetString()!,
        ParseTxid(last.GetProperty("proven_txid")),
        last.TryGetProperty("proven_time", out JsonElement time) ? time.GetDateTimeOffset() : null,
        last.GetProperty("proven_at").GetDateTimeOffset(),
        last.GetProperty("finished_at").GetDateTimeOffset(),
        last.GetProperty("damaged_files").GetInt32(),
        last.GetProperty("lost_ranges").GetInt32());

    internal static Txid ParseTxid(JsonElement element) =>
        Txid.TryParse(element.GetString(), out Txid txid) ? txid : throw new FormatException("not a transaction");
}
