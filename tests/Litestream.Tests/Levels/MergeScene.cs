using Litestream.Levels;
using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;

namespace Litestream.Tests.Levels;

/// <summary>A state directory and a replica in memory, both counting and able to fail, and a merger between them.</summary>
internal sealed class MergeScene(bool keepLocal = true)
{
    internal const int PageSize = 512;
    private const string StateDirectory = "/state";
    private readonly MemoryFileSystem _memory = new();

    internal FaultyFileSystem Files => field ??= new FaultyFileSystem(_memory);

    internal MemoryReplicaClient Store { get; } = new();

    internal FaultyReplicaClient Client => field ??= new FaultyReplicaClient(Store);

    internal RecordingLogs Logs { get; } = new();

    internal InstantTimeProvider Time { get; } = new();

    internal LocalLtxDirectory Local => field ??= new LocalLtxDirectory(Files, StateDirectory);

    internal LevelMerger Merger => field ??= new LevelMerger(Client, Local, keepLocal, new EngineServices(Files, Time, Logs), Logs);

    internal bool KeepsLocal => keepLocal;

    /// <summary>Header time of the file that ends with a transaction: milliseconds that are no whole seconds.</summary>
    internal static DateTimeOffset TimeOf(ulong max) => DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123 + ((long)max * 1_001));

    internal static byte[] Bytes(ulong min, ulong max, uint commit, params uint[] pages) =>
        LtxBuilder.File(min, max, commit, pages, PageSize, TimeOf(max).ToUnixTimeMilliseconds());

    /// <summary>Puts a file where it belongs.</summary>
    internal LtxFileInfo Add(int level, ulong min, ulong max, byte[] bytes, bool local = true, bool remote = true)
    {
        var file = new LtxFileInfo(level, new Txid(min), new Txid(max), bytes.Length, TimeOf(max));
        if (local)
        {
            // Without syncs: the file system in memory copies a directory for each.
            _memory.CreateDirectory(Local.DirectoryOf(level));
            using IFile copy = _memory.Create(Local.PathOf(file));
            copy.Write(bytes, 0);
        }

        if (remote)
        {
            Store.Put(level, file.MinTxid, file.MaxTxid, bytes, file.CreatedAt);
        }

        return file;
    }

    /// <summary>Level-0 files 1 to n: a complete database of four pages, then one page each.</summary>
    internal List<LtxFileInfo> AddHistory(int count, bool local = true, bool remote = true)
    {
        var files = new List<LtxFileInfo> { Add(0, 1, 1, Bytes(1, 1, 4, 1, 2, 3, 4), local, remote) };
        for (ulong txid = 2; txid <= (ulong)count; txid++)
        {
            files.Add(Add(0, txid, txid, Bytes(txid, txid, 4, 1 + (uint)(txid % 4)), local, remote));
        }

        return files;
    }

    internal Task<LtxFileInfo> MergeAsync(IReadOnlyList<LtxFileInfo> sources, int level = 1, CancellationToken cancellationToken = default) =>
        Merger.MergeAsync(sources, level, cancellationToken);

    /// <summary>Header and pages of a stored file, verified to its end: page number and the transaction that wrote it.</summary>
    internal static (LtxHeader Header, string Pages) Read(byte[] content)
    {
        using var reader = new LtxReader(new MemoryStream(content));
        LtxHeader header = reader.ReadHeader();
        var pages = new List<string>();
        while (reader.ReadPage())
        {
            ulong writer = 1;
            while (!LtxBuilder.Page(reader.PageNumber, writer, PageSize).AsSpan().SequenceEqual(reader.Page))
            {
                writer = writer > 30_000 ? throw new InvalidDataException($"page {reader.PageNumber} is of no transaction") : writer + 1;
            }

            pages.Add($"{reader.PageNumber}@{writer}");
        }

        reader.Finish();
        return (header, string.Join(' ', pages));
    }

    internal (LtxHeader Header, string Pages) Read(in LtxFileInfo file) => Read(Store.Content(file.Level, file.MinTxid, file.MaxTxid));

    /// <summary>A local file as bytes.</summary>
    internal byte[] ReadLocal(in LtxFileInfo file)
    {
        using Stream stream = Local.Open(file);
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }

    /// <summary>What must hold after every failure (traps C5, C23): nothing visible, nothing open, no temp file.</summary>
    internal void AssertNothingHappened(int level = 1)
    {
        Assert.DoesNotContain(Store.Files, file => file.Level == level);
        Assert.Empty(Local.List(level));
        AssertNothingLeft();
    }

    internal void AssertNothingLeft()
    {
        Assert.Equal((0, 0, 0), (_memory.OpenFiles, Files.OpenFiles, Client.OpenStreams));
        for (int level = 0; level < LtxFileInfo.LevelCount; level++)
        {
            Assert.DoesNotContain(_memory.List(Local.DirectoryOf(level)), entry => !LtxFileName.TryParse(entry.Name, out _, out _));
        }
    }
}
