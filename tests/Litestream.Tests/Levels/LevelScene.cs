using Litestream.Levels;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.State;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;
using Litestream.Upload;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Litestream.Tests.Levels;

/// <summary>
/// One database's life without SQLite: commits make level-0 files, everything behind them is the real thing (uploader, start listing,
/// keeper, merger) over a replica double. A model keeps the state of every transaction.
/// </summary>
internal sealed class LevelScene : IDisposable
{
    private int pageSize = 512;
    private readonly Func<LevelScene, IReplicaClient> decorate;
    private PublishedPosition published = new();
    private ReplicaUploader? uploader;
    private bool needsFullCopy;
    private bool needsBase;

    public LevelScene(DatabaseOptions options, Func<LevelScene, IReplicaClient>? decorate = null)
    {
        Options = options;
        Services = new EngineServices(Files, Clock, NullLoggerFactory.Instance);
        this.decorate = decorate ?? (scene => scene.Replica);
        Client = this.decorate(this);
        Directory = new LocalLtxDirectory(Files, options.StateDirectory);
        Keeper = null!;
    }

    public static DatabaseOptions Defaults { get; } = new() { Path = "/data/db" };

    public DatabaseOptions Options { get; }

    public StepClock Clock { get; } = new();

    public MemoryFileSystem Files { get; } = new();

    public MemoryReplicaClient Replica { get; } = new();

    public IReplicaClient Client { get; }

    public EngineServices Services { get; }

    /// <summary>Keeps what the engine says; null for the long histories.</summary>
    public RecordingLogs? Logs { get; init; }

    private ILogger Logger => Logs ?? (ILogger)NullLogger.Instance;

    public LocalLtxDirectory Directory { get; }

    public LevelKeeper Keeper { get; private set; }

    public int Snapshots { get; private set; }

    /// <summary>State after each transaction: content version by page.</summary>
    public Dictionary<ulong, Dictionary<uint, ulong>> States { get; } = new() { [0] = [] };

    public ulong Position => published.Value.Value;

    /// <summary>Starts the process: nothing is known but the files.</summary>
    public async Task StartAsync()
    {
        uploader?.Dispose();
        Keeper = new LevelKeeper(Options, Client, Directory, SnapshotAsync, Services, Logger, auditSpread: 1);
        published = new PublishedPosition();
        uploader = new ReplicaUploader(Client, Directory, published, Services, Logger, file => Keeper.RecordWritten(file));
        Directory.Create();
        Directory.DeleteTemporaryFiles();
        Baseline found = await new ReplicaBaseline(Client, Directory, Logger, Keeper.Catalog).EstablishAsync(CancellationToken.None);
        published.Reset(found.Position);
        uploader.Reset(found.Remote);
        needsBase = found.NeedsBase;
        needsFullCopy |= found.Local is null;
        Keeper.Start();
    }

    /// <summary>The state directory is gone, and the process with it.</summary>
    public void LoseState()
    {
        Files.DeleteTree(Options.StateDirectory);
        needsFullCopy = true;
    }

    /// <summary>VACUUM in another journal mode: the next transaction is a full copy with other pages.</summary>
    public void ChangePageSize(int bytes)
    {
        pageSize = bytes;
        needsFullCopy = needsBase = true;
    }

    /// <summary>Captures one transaction that changes pages.</summary>
    public void Commit(Random random)
    {
        var txid = published.Value.Next;
        Dictionary<uint, ulong> state = new(States[txid.Value - 1]);
        uint count = (uint)Math.Clamp(state.Count + random.Next(-1, 3), 1, 8);
        foreach (uint page in state.Keys.Where(page => page > count).ToList())
        {
            state.Remove(page);
        }

        ulong version = (ulong)random.NextInt64(1, long.MaxValue);
        var written = new SortedSet<uint>();
        for (uint page = 1; page <= count; page++)
        {
            if (!state.ContainsKey(page) || random.Next(3) == 0)
            {
                state[page] = version;
                written.Add(page);
            }

            if (needsFullCopy)
            {
                written.Add(page);
            }
        }

        States[txid.Value] = state;
        Directory.Write(txid, stream => Write(stream, txid, txid, state, written));
        if (needsFullCopy && needsBase)
        {
            uploader!.RequireBase(txid);
            needsBase = false;
        }

        needsFullCopy = false;
        published.Advance(txid);
    }

    public Task UploadAsync() => uploader!.UploadAsync(CancellationToken.None);

    /// <summary>Commits, uploads, and does what is due.</summary>
    public async Task SyncAsync(Random random)
    {
        Commit(random);
        await UploadAsync();
        await RunDueAsync();
    }

    /// <summary>What the scheduler does: everything that is due now.</summary>
    public async Task RunDueAsync()
    {
        for (int turns = 0; Keeper.NextDue() is { } due && due <= Clock.Now; turns++)
        {
            Assert.True(turns < 50, $"the keeper is due again and again at {Clock.Now:O}");
            await Keeper.RunAsync(CancellationToken.None);
            if (Keeper.IsSnapshotDue())
            {
                await Keeper.SnapshotAsync(CancellationToken.None);
            }
        }
    }

    /// <summary>Lets time pass, from due time to due time.</summary>
    public async Task AdvanceAsync(TimeSpan time)
    {
        DateTimeOffset end = Clock.Now + time;
        while (Keeper.NextDue() is { } due && due <= end)
        {
            Clock.Now = due > Clock.Now ? due : Clock.Now;
            await RunDueAsync();
        }

        Clock.Now = end;
    }

    /// <summary>Restores one transaction with the real restore and compares it with the model.</summary>
    public async Task AssertRestoresAsync(ulong txid)
    {
        var output = new MemoryFileSystem();
        await new Restorer(Replica, output, Clock, Logger).RestoreAsync(
            new RestoreOptions { OutputPath = "/out", TargetTxid = new Txid(txid), Parallelism = 1 }, null, CancellationToken.None);
        byte[] expected = ImageOf(txid);
        using IFile file = output.OpenRead("/out");
        byte[] found = new byte[file.Length];
        file.Read(found, 0);
        Assert.True(expected.AsSpan().SequenceEqual(found), $"transaction {txid} restores to something else");
    }

    /// <summary>The database as of a transaction.</summary>
    public byte[] ImageOf(ulong txid) => [.. States[txid].OrderBy(page => page.Key).SelectMany(page => Page(page.Key, page.Value))];

    /// <summary>The files of one level of the replica.</summary>
    public IReadOnlyList<LtxFileInfo> On(int level) => [.. Replica.Files.Where(file => file.Level == level)];

    public void Dispose() => uploader?.Dispose();

    private async Task<LtxFileInfo?> SnapshotAsync(CancellationToken cancellationToken)
    {
        if (published.Value.IsNone)
        {
            return null;
        }

        Txid txid = published.Value;
        await UploadAsync();
        Snapshots++;
        Dictionary<uint, ulong> state = States[txid.Value];
        return await uploader!.UploadSnapshotAsync(txid, 1 << 30, stream => Write(stream, new Txid(1), txid, state, new SortedSet<uint>(state.Keys)), cancellationToken);
    }

    private void Write(Stream stream, Txid min, Txid max, Dictionary<uint, ulong> state, SortedSet<uint> pages)
    {
        var header = new LtxHeader
        {
            Flags = LtxFormat.NoChecksum,
            PageSize = pageSize,
            Commit = (uint)state.Count,
            MinTxid = min,
            MaxTxid = max,
            Timestamp = Clock.Now.ToUnixTimeMilliseconds(),
        };
        using var writer = new LtxWriter(stream, header, leaveOpen: true);
        foreach (uint page in pages)
        {
            writer.WritePage(page, Page(page, state[page]));
        }

        writer.Finish();
    }

    private byte[] Page(uint page, ulong version)
    {
        byte[] bytes = new byte[pageSize];
        BitConverter.TryWriteBytes(bytes, version);
        BitConverter.TryWriteBytes(bytes.AsSpan(8), page);
        bytes.AsSpan(16).Fill((byte)(version + page));
        return bytes;
    }
}
