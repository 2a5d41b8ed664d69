using Litestream.Capture;
using Litestream.Diagnostics;
using Litestream.Levels;
using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.State;
using Litestream.Storage;
using Litestream.Upload;
using Microsoft.Extensions.Logging;

namespace Litestream;

/// <summary>
/// One database under replication. One owner at a time works on it (the executor); a loop captures, a second one uploads, and
/// explicit calls take the same turn. Everything blocking runs inside a bounded number of worker slots shared by all databases.
/// </summary>
public sealed partial class ReplicatedDatabase : IAsyncDisposable
{
    /// <summary>While captured frames wait in the WAL the lock is handed over so often, so that an application's own RESTART or TRUNCATE gets through.</summary>
    private static readonly TimeSpan HandOverInterval = TimeSpan.FromMilliseconds(250);

    /// <summary>With working notification every database is looked at so often all the same (decision D12).</summary>
    private static readonly TimeSpan AuditInterval = TimeSpan.FromMinutes(1);

    /// <summary>After so long without a change the frames left in the WAL are checkpointed.</summary>
    private static readonly TimeSpan CheckpointInQuiet = TimeSpan.FromSeconds(3);

    private static readonly TimeSpan MaximumRetryLook = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan ShortestBusyPause = TimeSpan.FromMilliseconds(5);

    private static readonly TimeSpan LongestBusyPause = TimeSpan.FromMilliseconds(100);

    /// <summary>So long the start waits for a store; the opening of the database goes on asking, and the other databases need not wait.</summary>
    internal static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan TrimAfter = TimeSpan.FromSeconds(10);

    private readonly EngineServices services;
    private readonly IReplicaClient client;
    private readonly SharedResources shared;
    private readonly ILogger logger;
    private readonly SemaphoreSlim executor = new(1, 1);
    private readonly PublishedPosition published = new();
    private readonly LocalLtxDirectory directory;
    private readonly ReplicaUploader uploader;
    private readonly LevelKeeper levels;
    private readonly CaptureSchedule schedule;
    private readonly Wakeup captureWake;
    private readonly Wakeup uploadWake;
    private readonly Backoff captureBackoff;
    private readonly CancellationTokenSource stop = new();
    private readonly OperationGate operations;
    private readonly TaskCompletionSource firstAttempt = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task? captureLoop;
    private Task? uploadLoop;
    private NotifierHandle? watch;
    private bool disposed;

    // Written under the executor.
    private CaptureSession? session;
    private IDisposable? stateLock;
    private bool baselined;
    private bool clientReady;
    private bool warnedMissing;
    private bool nextCopyIsBase;
    private bool reopened;
    private string? distrust;
    private TimeSpan retryLook;
    private DateTimeOffset lastCheckpoint;
    private DateTimeOffset lastAdvance;
    private Txid lastPublished;

    // The newest file is alone: until the next one there is nothing to list and nothing to delete.

    internal ReplicatedDatabase(
        DatabaseOptions options, IReplicaClient client, EngineServices services, SharedResources shared)
    {
        Options = options;
        this.client = client;
        this.services = services;
        this.shared = shared;
        logger = new DatabaseLogger(services.Loggers.CreateLogger("store"), System.IO.Path.GetFileName(options.Path));
        directory = new LocalLtxDirectory(services.FileSystem, options.StateDirectory);
        levels = new LevelKeeper(options, client, directory, SnapshotAsync, services, logger, AuditSpread(options.Path));
        uploader = new ReplicaUploader(client, directory, published, services, logger, file => levels.RecordWritten(file));
        operations = new OperationGate(stop.Token);
        schedule = new CaptureSchedule(options.SyncInterval);
        captureWake = new Wakeup(services.Time);
        uploadWake = new Wakeup(services.Time);
        captureBackoff = new Backoff(options.MonitorInterval > TimeSpan.Zero ? options.MonitorInterval : TimeSpan.FromSeconds(1), services.Time);
    }

    /// <summary>Settings.</summary>
    public DatabaseOptions Options { get; }

    /// <summary>The replica.</summary>
    public IReplicaClient Client => client;

    /// <summary>Where the database stands. A second writer is final: nothing that a running pass does afterwards hides it.</summary>
    public DatabaseState State => conflict is not null ? DatabaseState.SecondWriter
        : state == DatabaseState.Replicating && uploadError is not null ? DatabaseState.Failing
        : state;

    /// <summary>Ends when the first attempt to open the database has ended, well or not, or the database is closed.</summary>
    internal Task FirstAttempt => firstAttempt.Task;

    /// <summary>
    /// Prepares the client. A failure that may pass is left to the opening of the database, which tries again with pauses (decision D10).
    /// </summary>
    /// <param name="patience">Ends the wait for a store that does not answer; that is no failure.</param>
    /// <param name="cancellationToken">Stops the start.</param>
    /// <exception cref="ReplicaException">The client can never be used as it is configured; the message names the database.</exception>
    internal async Task InitializeClientAsync(CancellationToken patience, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience);
        try
        {
            await client.InitializeAsync(either.Token).ConfigureAwait(false);
            clientReady = true;
            await ProbeAsync(either.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ReplicaException { IsTransient: true } or TimeoutException || (clientReady && e is not (ReplicaException or OperationCanceledException)))
        {
            logger.Write(LogLevel.Warning, "replica does not answer yet, trying again", ("path", Options.Path), ("error", e.Message));
        }
        catch (OperationCanceledException) when (patience.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            logger.Write(LogLevel.Warning, "replica does not answer yet, trying again", ("path", Options.Path), ("waited", AnswerTime));
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw new ReplicaException($"initialize replica client for \"{Options.Path}\": {e.Message}", isTransient: false, e);
        }
    }

    /// <summary>
    /// One listing that finds next to nothing. Several stores refuse a wrong key or a missing bucket only at the first request, and that
    /// must be said at the start, not again and again in a log while nothing is replicated.
    /// </summary>
    private async Task ProbeAsync(CancellationToken cancellationToken)
    {
        if (client is not IRefusesLate)
        {
            return;
        }

        await foreach (LtxFileInfo _ in client.ListAsync(0, new Txid(ulong.MaxValue), accurateTimes: false, cancellationToken).ConfigureAwait(false))
        {
            break;
        }
    }

    /// <summary>What merges, expires and audits the files of the replica; the store gives it its turns.</summary>
    internal LevelKeeper Levels => levels;

    /// <summary>The files of the replica; null until the start has asked.</summary>
    internal ReplicaCatalog? Catalog => levels.IsStarted ? levels.Catalog : null;

    /// <summary>Starts to watch and to upload. Opening is lazy: a database that does not exist yet is waited for.</summary>
    public void Start()
    {
        if (captureLoop is not null)
        {
            return;
        }

        uploadLoop = Task.Run(() => RunUploadsAsync(stop.Token));
        captureLoop = Options.MonitorInterval > TimeSpan.Zero ? Task.Run(() => RunCaptureAsync(stop.Token)) : Task.CompletedTask;
    }

    /// <summary>Captures everything committed so far and uploads it.</summary>
    /// <returns>The transaction that holds it; 0 while there is no database or nothing in it.</returns>
    /// <exception cref="OperationCanceledException">Cancelled, also while waiting for another pass.</exception>
    public async Task<Txid> SyncAsync(CancellationToken cancellationToken)
    {
        using Operation operation = operations.Begin(cancellationToken);
        cancellationToken = operation.Token;
        if (!await WithSessionAsync(_ => CatchUp(cancellationToken), cancellationToken).ConfigureAwait(false))
        {
            return Txid.None;
        }

        await UploadPublishedAsync(cancellationToken).ConfigureAwait(false);
        return published.Value;
    }

    /// <summary>Writes a level-9 snapshot of the current state, also if one exists at this transaction.</summary>
    /// <returns>The snapshot; null while there is nothing to copy.</returns>
    public async Task<LtxFileInfo?> SnapshotAsync(CancellationToken cancellationToken)
    {
        using Operation operation = operations.Begin(cancellationToken);
        cancellationToken = operation.Token;
        SnapshotSource? source = null;
        await WithSessionAsync(open => source = BeginSnapshot(open, cancellationToken), cancellationToken).ConfigureAwait(false);
        if (source is null)
        {
            return null;
        }

        using (source)
        {
            await UploadPublishedAsync(cancellationToken).ConfigureAwait(false);
            return await uploader.UploadSnapshotAsync(source.Txid, source.MaxLength, stream => source.WriteTo(stream, cancellationToken), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Deletes what the snapshot retention lets go, once. Level 0 is not touched (store-and-restore §5).</summary>
    /// <exception cref="ReplicaException">A deletion failed.</exception>
    public async Task EnforceRetentionAsync(CancellationToken cancellationToken)
    {
        if (Catalog is not null)
        {
            await levels.EnforceRetentionAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>What is known now. Never waits for a running pass.</summary>
    public DatabaseStatus GetStatus()
    {
        CheckpointStatistics? statistics = session?.Statistics;
        return new DatabaseStatus(
            Options.Path,
            State,
            published.Value,
            uploader.RemotePosition,
            uploader.LastSuccess,
            conflict ?? lastError ?? uploadError,
            captureBackoff.ConsecutiveErrors,
            syncCount,
            syncErrorCount,
            walBytesBefore + (statistics?.WalBytes ?? 0),
            statistics?.PassiveCount ?? 0,
            statistics?.WriteLockCount ?? 0,
            statistics?.LongestWriteLock ?? TimeSpan.Zero,
            statistics?.BackfillBlocked ?? 0,
            uploader.UploadedFiles,
            Verification);
    }

    /// <summary>Closes without a final sync, if <see cref="CloseAsync"/> was not called.</summary>
    public async ValueTask DisposeAsync()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        await StopLoopsAsync().ConfigureAwait(false);
        await operations.CloseAsync().ConfigureAwait(false);
        await executor.WaitAsync().ConfigureAwait(false);
        CloseSession();
        UnlockState();
        captureWake.Dispose();
        uploadWake.Dispose();
        uploader.Dispose();
        levels.Dispose();
        await client.DisposeAsync().ConfigureAwait(false);
        executor.Dispose();
        stop.Dispose();
        firstAttempt.TrySetResult();
    }

    /// <summary>0.9 to 1.1, the same at every start: the audits of many databases do not fall on one moment (decision D5).</summary>
    private static double AuditSpread(string path)
    {
        uint hash = 2166136261;
        foreach (char c in path)
        {
            hash = unchecked((hash ^ c) * 16777619);
        }

        return 0.9 + (hash % 1000 / 5000.0);
    }
}
