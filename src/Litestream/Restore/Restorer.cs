using System.Runtime.ExceptionServices;
using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Restore.Delta;
using Litestream.Restore.Generations;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Restore;

/// <summary>
/// Gives a database back from a replica, as it was at any point that the replica holds (store-and-restore §8 to §11, §13). A failed or
/// cancelled restore leaves no file behind and an old database untouched.
/// </summary>
/// <param name="client">The replica.</param>
/// <param name="files">File system of the output.</param>
/// <param name="time">Clock of retry waits.</param>
/// <param name="logger">Where damage and fallbacks are reported.</param>
public sealed partial class Restorer(IReplicaClient client, IFileSystem files, TimeProvider time, ILogger logger)
{
    /// <summary>Listings that may contradict each other, because a writer moves files meanwhile, before a gap is believed.</summary>
    private const int MaxPlans = 3;

    /// <summary>Where a database header says how to write and read it; 1 = rollback journal, 2 = WAL.</summary>
    private const int JournalModeOffset = 18;

    /// <summary>Decides which files to use; reads listings only.</summary>
    /// <param name="options">What to restore.</param>
    /// <param name="cancellationToken">Stops listing.</param>
    /// <exception cref="RestoreUnavailableException">There is no backup as asked.</exception>
    /// <exception cref="RestoreGapException">The newest state lies behind a gap.</exception>
    /// <exception cref="LtxFileException">A file that is needed is too small to be one.</exception>
    public async Task<RestorePlan> PlanAsync(RestoreOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        return await PlanAsync(options, Txid.None, [], cancellationToken);
    }

    /// <summary>What can be restored; reads listings only. Files that are too small to be LTX files do not count.</summary>
    /// <param name="cancellationToken">Stops listing.</param>
    public async Task<RestorePoints> ListPointsAsync(CancellationToken cancellationToken)
    {
        ReplicaListing listing = await ReplicaListing.ReadAsync(client, accurateTimes: true, cancellationToken);
        IReadOnlyList<GenerationFile> generations = Generations is { } source ? await source.ListGenerationFilesAsync(cancellationToken) : [];
        return RestorePoints.Of(listing.All.Where(file => file.Size >= LtxFormat.HeaderSize), generations);
    }

    /// <summary>Restores.</summary>
    /// <param name="options">What to restore, and where to.</param>
    /// <param name="progress">Told after each part, from several threads; null = nobody.</param>
    /// <param name="cancellationToken">Stops; nothing is left behind.</param>
    /// <exception cref="RestoreOutputException">The output path is taken.</exception>
    /// <exception cref="RestoreUnavailableException">There is no backup as asked.</exception>
    /// <exception cref="RestoreGapException">The newest state lies behind a gap.</exception>
    /// <exception cref="LtxFileException">A needed file is damaged and no other files lead to the same transaction.</exception>
    /// <exception cref="RestoreIntegrityException">SQLite's check failed.</exception>
    /// <exception cref="DiskFullException">No space is left.</exception>
    public async Task<RestoreResult> RestoreAsync(
        RestoreOptions options, IProgress<RestoreProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var output = new RestoreOutput(files, options, logger);
        var origin = new RestoreOrigin();
        output.Check();
        RestorePlan plan = await PlanAsync(options, cancellationToken);
        try
        {
            (plan, long size) = plan.Generation is { } generation
                ? (plan, await BuildAsync(output, file => new GenerationDatabaseBuilder(Generations!, time, generation, file, progress).BuildAsync(cancellationToken)))
                : await BuildFromLtxAsync(options, plan, output, origin, progress, cancellationToken);
            IntegrityChecker.Check(output.TempPath, options.IntegrityCheck, cancellationToken);
            output.RemoveTempSideFiles();
            cancellationToken.ThrowIfCancellationRequested();
            if (options.BeforePublish is null)
            {
                output.RemoveTxid();
            }

            options.BeforePublish?.Invoke(plan.MaxTxid);
            output.Publish();
            if (options.BasePath is not null && plan.Generation is null)
            {
                WriteSideFiles(options, plan.MaxTxid, origin);
            }

            return new RestoreResult(plan.MaxTxid, size, plan) { Delta = origin.Report };
        }
        catch
        {
            output.Discard();
            throw;
        }
    }

    /// <summary>
    /// Makes sure that a database exists before an application opens it: restores the latest state with a quick check if the file is
    /// absent and the replica has one.
    /// </summary>
    /// <param name="path">Absolute path of the database.</param>
    /// <param name="cancellationToken">Stops; nothing is left behind.</param>
    /// <returns>What was restored, or null: the database exists already, or the replica is empty and the application starts fresh.</returns>
    public async Task<RestoreResult?> EnsureExistsAsync(string path, CancellationToken cancellationToken)
    {
        if (files.Stat(path) is not null)
        {
            return null;
        }

        files.CreateDirectory(Path.GetDirectoryName(path)!, new FileOwnership(0x1E8, -1, -1)); // 0750
        var options = new RestoreOptions { OutputPath = path, IntegrityCheck = IntegrityCheckMode.Quick };
        try
        {
            return await RestoreAsync(options, null, cancellationToken);
        }
        catch (RestoreUnavailableException none) when (none.Reason is RestoreUnavailableReason.EmptyReplica or RestoreUnavailableReason.NoSnapshots)
        {
            return null;
        }
    }

    private static ReadOnlySpan<byte> RollbackJournal => [1, 1];

    private IGenerationSource? Generations => client as IGenerationSource;

    /// <summary>
    /// Carries out a plan. A file that vanished was merged or expired: list and plan again for the same transaction. A damaged file is
    /// left out if other files lead to exactly the same transaction (decision D8), whatever their own time: the content is the same.
    /// </summary>
    private async Task<(RestorePlan Plan, long Size)> BuildFromLtxAsync(
        RestoreOptions options, RestorePlan plan, RestoreOutput output, RestoreOrigin origin, IProgress<RestoreProgress>? progress, CancellationToken cancellationToken)
    {
        Txid target = plan.MaxTxid;
        List<DamagedReplicaFile> damaged = [.. plan.Damaged];
        int missing = 0;
        while (true)
        {
            try
            {
                RestorePlan current = plan;
                long size = await BuildAsync(output, async file =>
                {
                    long built = await BuildLtxAsync(options, current, file, origin, progress, cancellationToken);
                    if (options.IsFollowed)
                    {
                        file.Write(RollbackJournal, JournalModeOffset);
                    }

                    return built;
                });
                return (plan with { Damaged = damaged }, size);
            }
            catch (LtxFileNotFoundException gone) when (++missing < MaxPlans)
            {
                logger.Write(LogLevel.Information, "ltx file is gone, planning again", ("error", gone.Message));
                plan = await PlanAsync(options, target, damaged, cancellationToken);
            }
            catch (LtxFileException damage)
            {
                if (damaged.Exists(known => known.File == damage.File))
                {
                    throw;
                }

                damaged.Add(new DamagedReplicaFile(damage.File, damage));
                logger.Write(LogLevel.Error, "damaged ltx file, looking for another way", ("level", damage.File.Level),
                    ("min_txid", damage.File.MinTxid), ("max_txid", damage.File.MaxTxid), ("error", damage.Message));
                plan = await PlanWithoutAsync(options, target, damaged, damage, cancellationToken);
            }
        }
    }

    private async Task<RestorePlan> PlanWithoutAsync(
        RestoreOptions options, Txid target, List<DamagedReplicaFile> damaged, LtxFileException damage, CancellationToken cancellationToken)
    {
        try
        {
            return await PlanAsync(options, target, damaged, cancellationToken);
        }
        catch (Exception none) when (none is RestoreUnavailableException or RestoreGapException)
        {
            ExceptionDispatchInfo.Throw(damage);
            throw;
        }
    }

    private async Task<RestorePlan> PlanAsync(
        RestoreOptions options, Txid target, List<DamagedReplicaFile> damaged, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return await PlanOnceAsync(options, target, damaged, cancellationToken);
            }
            catch (RestoreGapException) when (attempt < MaxPlans)
            {
                // A file may have moved up between two listings; list again (traps P17, P25).
            }
        }
    }

    private async Task<RestorePlan> PlanOnceAsync(
        RestoreOptions options, Txid target, List<DamagedReplicaFile> damaged, CancellationToken cancellationToken)
    {
        ReplicaListing listing = await ReplicaListing.ReadAsync(client, options.Timestamp is not null, cancellationToken);
        if (target.IsNone)
        {
            IReadOnlyList<GenerationFile> generations = Generations is { } source && options is { TargetTxid.IsNone: true, IsFollowed: false }
                ? await source.ListGenerationFilesAsync(cancellationToken)
                : [];
            TimestampBounds.Check(options, listing, generations);
            if (listing.IsEmpty && Generations is null)
            {
                throw new RestoreUnavailableException(
                    RestoreUnavailableReason.EmptyReplica, $"there are no LTX files, and backups of Litestream 0.3 cannot be read from {client.Type} replicas");
            }

            if (GenerationChooser.Prefers(listing, generations, options.Timestamp))
            {
                return new RestorePlan([], GenerationChooser.Plan(generations, options.Timestamp), []);
            }
        }

        // A fixed target replaces the time: every file up to it holds the same content, whenever it was written.
        Txid wanted = target.IsNone ? options.TargetTxid : target;
        DateTimeOffset? before = target.IsNone ? options.Timestamp : null;
        List<LtxFileInfo> excluded = [.. damaged.Select(known => known.File)];
        List<DamagedReplicaFile> tooSmall = [];
        LtxFileException? error = null;
        while (true)
        {
            List<LtxFileInfo> plan;
            try
            {
                plan = new RestorePlanner(listing, wanted, before, excluded).Plan();
            }
            catch (Exception) when (error is not null)
            {
                throw error;
            }

            // The time chose the transaction; from here on only that counts.
            (wanted, before) = (plan[^1].MaxTxid, null);
            int bad = plan.FindIndex(static file => file.Size < LtxFormat.HeaderSize);
            if (bad < 0)
            {
                return new RestorePlan(plan, null, [.. damaged, .. tooSmall]);
            }

            error ??= TooSmall(plan[bad]);
            excluded.Add(plan[bad]);
            tooSmall.Add(new DamagedReplicaFile(plan[bad], TooSmall(plan[bad])));
        }
    }

    private static LtxFileException TooSmall(LtxFileInfo file) => new(
        file,
        new InvalidDataException(
            $"invalid ltx file: level={file.Level} min={file.MinTxid} max={file.MaxTxid} has size {file.Size} bytes (minimum {LtxFormat.HeaderSize})"));

    private static async Task<long> BuildAsync(RestoreOutput output, Func<IFile, Task<long>> build)
    {
        using IFile file = output.CreateTemp();
        long size = await build(file);
        file.Sync();
        return size;
    }
}
