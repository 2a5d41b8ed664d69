using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.State;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Levels;

/// <summary>
/// Keeps the levels of one database: merges, snapshots, deletes, audits. It knows the files of the replica and derives from them when it
/// has work, so that an idle database has no due time, no timer and no request. One call at a time runs; uploads are reported meanwhile.
/// </summary>
internal sealed partial class LevelKeeper : IDisposable
{
    private readonly DatabaseOptions options;
    private readonly IReplicaClient client;
    private readonly LocalLtxDirectory directory;
    private readonly Func<CancellationToken, Task<LtxFileInfo?>> snapshot;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly RetentionRules rules;
    private readonly LevelMerger keeping;
    private readonly LevelMerger streaming;
    private readonly double auditSpread;
    private readonly Backoff snapshotBackoff;
    private readonly Lock gate = new();
    private readonly SemaphoreSlim turn = new(1, 1);
    private readonly CancellationTokenSource stop = new();
    private readonly DateTimeOffset?[] attempted = new DateTimeOffset?[LtxFileInfo.LevelCount];
    private readonly bool[] isStale = new bool[LtxFileInfo.LevelCount];
    private readonly HashSet<LtxFileInfo> damaged = [];
    private TxidRange? reportedGap;
    private Txid snapshotNeededAt;
    private DateTimeOffset snapshotNotBefore;
    private bool isStarted;

    // Dues that the files do not tell.
    private DateTimeOffset? auditDue;
    private DateTimeOffset? validationDue;
    private bool isWorkKnown;

    /// <summary>Creates the keeper; nothing is due until <see cref="Start"/>.</summary>
    /// <param name="options">Settings of the database.</param>
    /// <param name="client">The replica.</param>
    /// <param name="directory">Local files.</param>
    /// <param name="snapshot">Writes a level-9 file of the current state; null result while there is nothing to copy.</param>
    /// <param name="services">Files and clock.</param>
    /// <param name="logger">Log of the database.</param>
    /// <param name="auditSpread">0.9 to 1.1: spreads the audits of many databases (decision D5).</param>
    public LevelKeeper(
        DatabaseOptions options,
        IReplicaClient client,
        LocalLtxDirectory directory,
        Func<CancellationToken, Task<LtxFileInfo?>> snapshot,
        EngineServices services,
        ILogger logger,
        double auditSpread)
    {
        this.options = options;
        this.client = client;
        this.directory = directory;
        this.snapshot = snapshot;
        this.logger = logger;
        this.auditSpread = auditSpread;
        time = services.Time;
        rules = new RetentionRules(options.L0Retention, options.SnapshotRetention, [.. options.Levels.Select(level => level.Retention)]);
        keeping = new LevelMerger(client, directory, keepLocal: options.LocalLevels, services, logger);
        streaming = new LevelMerger(client, directory, keepLocal: false, services, logger);
        snapshotBackoff = new Backoff(TimeSpan.FromSeconds(10), time);
    }

    /// <summary>Raised when work has become possible, with no regard to when it is due.</summary>
    public Action? Changed { get; set; }

    /// <summary>The files of the replica.</summary>
    public ReplicaCatalog Catalog { get; } = new();

    /// <summary>Counters.</summary>
    public LevelStatistics Statistics { get; } = new();

    /// <summary>Cancelled when the database is closed.</summary>
    public CancellationToken Stopping => stop.Token;

    /// <summary>True once the files of the replica are known.</summary>
    public bool IsStarted
    {
        get
        {
            lock (gate)
            {
                return isStarted;
            }
        }
    }

    private DateTimeOffset Now => time.GetUtcNow();

    /// <summary>The catalogue has been filled: what is there counts as merged now, and the first attempts are due at once.</summary>
    public void Start()
    {
        lock (gate)
        {
            isStarted = true;
            settling.Clear();
            Settle(Now);
            levelsRetentionDue = Now;
        }

        Changed?.Invoke();
    }

    /// <summary>Nothing is due any more, and what runs is cancelled: a second writer must not be merged with, nor its files deleted.</summary>
    public void Halt()
    {
        lock (gate)
        {
            isStarted = false;
        }

        stop.Cancel();
    }

    /// <summary>Halts and waits until nothing runs.</summary>
    public async Task StopAsync()
    {
        Halt();
        await turn.WaitAsync().ConfigureAwait(false);
        turn.Release();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        turn.Dispose();
        stop.Dispose();
    }

    /// <summary>A level-0 file or a snapshot was written.</summary>
    public void RecordWritten(in LtxFileInfo file)
    {
        Catalog.Add(file);
        bool isNews;
        lock (gate)
        {
            if (file.Level == LtxFileInfo.SnapshotLevel)
            {
                Settle(Now);
                levelsRetentionDue = Now;
                isWorkKnown = false;
            }

            if (auditDue is null && options.AuditInterval > TimeSpan.Zero)
            {
                auditDue = Now + (options.AuditInterval * auditSpread);
                isWorkKnown = false;
            }

            if (validationDue is null && options.ValidationInterval is { } interval)
            {
                validationDue = Now + interval;
                isWorkKnown = false;
            }

            isNews = !isWorkKnown;
        }

        if (isNews)
        {
            Changed?.Invoke();
        }
    }

    /// <summary>When something is due next, from the files as they are; null for an idle database.</summary>
    public DateTimeOffset? NextDue()
    {
        lock (gate)
        {
            if (!isStarted)
            {
                return null;
            }

            ReplicaListing replica = Catalog.ToListing();
            DateTimeOffset? first = options.Levels.Count > 0 ? DueOfMerge(replica, 1) : null;
            DateTimeOffset? next = first;
            for (int level = 2; level <= options.Levels.Count; level++)
            {
                next = Earliest(next, DueOfMerge(replica, level));
            }

            DateTimeOffset? ofSnapshot = DueOfSnapshot(replica);

            // With both known, a further level-0 file changes nothing: no work per commit. Of the merges that of level 1 counts: a later
            // one being known says nothing about when the next commit is to be merged.
            isWorkKnown = (first is not null || options.Levels.Count == 0) && ofSnapshot is not null;
            next = Earliest(Earliest(next, ofSnapshot), Earliest(levelZeroRetentionDue, levelsRetentionDue));
            return Earliest(next, Earliest(auditDue, validationDue));
        }
    }

    /// <summary>True if a snapshot should be written now: heavy work, for which the caller has slots of its own.</summary>
    public bool IsSnapshotDue()
    {
        lock (gate)
        {
            return isStarted && DueOfSnapshot(Catalog.ToListing()) is { } due && due <= Now;
        }
    }

    /// <summary>Does what is due, but for a snapshot. Failures are logged and tried again; only cancellation is thrown.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => InTurnAsync(RunDueAsync, cancellationToken);

    /// <summary>Writes a snapshot if one is due, and lets what it replaces expire. Failures are logged and tried again.</summary>
    public Task SnapshotAsync(CancellationToken cancellationToken) => InTurnAsync(WriteSnapshotAsync, cancellationToken);

    private async Task InTurnAsync(Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        await turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await work(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (cancellationToken.IsCancellationRequested && e is not OperationCanceledException)
        {
            // What fails while it is being stopped was stopped: nobody waits for another answer (trap C20).
            throw new OperationCanceledException("stopped", e, cancellationToken);
        }
        finally
        {
            turn.Release();
        }
    }

    private async Task RunDueAsync(CancellationToken cancellationToken)
    {
        // Upward, so that a boundary of several levels carries a file through all of them.
        for (int level = 1; level <= options.Levels.Count; level++)
        {
            if (DueOfMerge(Catalog.ToListing(), level) is { } due && due <= Now)
            {
                await CompactAsync(level, cancellationToken).ConfigureAwait(false);
            }
        }

        await RetainAsync(cancellationToken).ConfigureAwait(false);
        await AuditIfDueAsync(cancellationToken).ConfigureAwait(false);
        ValidateIfDue();
    }

    private async Task WriteSnapshotAsync(CancellationToken cancellationToken)
    {
        try
        {
            await RefreshAsync(LtxFileInfo.SnapshotLevel, cancellationToken).ConfigureAwait(false);
            if (!IsSnapshotDue())
            {
                return;
            }

            if (await snapshot(cancellationToken).ConfigureAwait(false) is not { } written)
            {
                Postpone();
                return;
            }

            Statistics.Snapshots++;
            snapshotBackoff.Succeed();
            lock (gate)
            {
                snapshotNeededAt = Txid.None;
                snapshotNotBefore = default;

                // Levels that waited for it go on behind it now.
                Array.Clear(attempted);
                levelsRetentionDue = Now;
            }

            damaged.RemoveWhere(file => file.MaxTxid <= written.MaxTxid && !Catalog[file.Level].Contains(file));
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            isStale[LtxFileInfo.SnapshotLevel] = true;
            bool log = snapshotBackoff.Fail();
            Postpone();
            Fail(log ? LogLevel.Error : LogLevel.Debug, "snapshot failed", LtxFileInfo.SnapshotLevel, e);
        }
    }

    private void Postpone()
    {
        lock (gate)
        {
            TimeSpan delay = snapshotBackoff.Delay > TimeSpan.Zero ? snapshotBackoff.Delay : TimeSpan.FromSeconds(1);
            snapshotNotBefore = Now + delay;
        }
    }

    private DateTimeOffset? DueOfMerge(ReplicaListing replica, int level) =>
        LevelTiming.DueOfMerge(replica, level, options.Levels[level - 1].Interval, attempted[level], Now);

    private DateTimeOffset? DueOfSnapshot(ReplicaListing replica)
    {
        DateTimeOffset? due = snapshotNeededAt > LevelFiles.Reach(replica[LtxFileInfo.SnapshotLevel])
            ? Now
            : LevelTiming.DueOfSnapshot(replica, options.SnapshotInterval, options.SnapshotAt ?? TimeSpan.Zero, Now);
        return due < snapshotNotBefore && snapshotNotBefore - Now < options.SnapshotInterval ? snapshotNotBefore : due;
    }

    /// <summary>After a failed write nobody knows what the replica holds: asking once is cheaper than an overlapping file (trap C14).</summary>
    private async Task RefreshAsync(int level, CancellationToken cancellationToken)
    {
        if (isStale[level])
        {
            IReadOnlyList<LtxFileInfo> before = Catalog[level];
            Catalog.Replace(level, await ListAsync(level, cancellationToken).ConfigureAwait(false), before);
            isStale[level] = false;
        }
    }

    private async Task<List<LtxFileInfo>> ListAsync(int level, CancellationToken cancellationToken)
    {
        List<LtxFileInfo> files = [];
        await foreach (LtxFileInfo file in client.ListAsync(level, Txid.None, accurateTimes: false, cancellationToken).ConfigureAwait(false))
        {
            files.Add(file);
        }

        return files;
    }

    private void Fail(LogLevel severity, string message, int level, Exception e)
    {
        Statistics.Failures++;
        logger.Write(severity, message, ("level", level), ("error", e.Message));
    }

    private static DateTimeOffset? Earliest(DateTimeOffset? a, DateTimeOffset? b) => a is not { } x ? b : b is { } y && y < x ? b : a;
}
