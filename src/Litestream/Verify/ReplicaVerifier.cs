using Litestream.Levels;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.State;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Verify;

/// <summary>How far a verification is.</summary>
/// <param name="BytesDone">Bytes of files that were read.</param>
/// <param name="BytesTotal">Bytes that this run is going to read.</param>
public readonly record struct VerifyProgress(long BytesDone, long BytesTotal);

/// <summary>
/// Proves that a replica can be restored: reads its files, all or a rolling share, checks every checksum and the chain of files over
/// all levels, and says which points damage costs (decision D16). Nothing is changed unless repair is asked for.
/// </summary>
/// <param name="client">The replica.</param>
/// <param name="services">Files of state directory and scratch copies, clock of results and of retry waits.</param>
/// <param name="logger">Where repairs are reported.</param>
public sealed class ReplicaVerifier(IReplicaClient client, EngineServices services, ILogger logger)
{
    /// <summary>Listings and second readings before a finding is believed: a running daemon merges and deletes meanwhile.</summary>
    private const int MaxRounds = 4;

    private const int MaxParallelism = 32;

    private readonly IFileSystem files = services.FileSystem;
    private readonly TimeProvider time = services.Time;
    private int filesRead;
    private long bytesRead;
    private long bytesPlanned;

    /// <summary>Verifies.</summary>
    /// <param name="options">What and how much.</param>
    /// <param name="progress">Told after each file, from several threads; null = nobody.</param>
    /// <param name="cancellationToken">Stops; what was found so far is forgotten.</param>
    /// <exception cref="RestoreUnavailableException">There is no backup.</exception>
    /// <exception cref="IOException">The replica cannot be listed, or a scratch copy cannot be written.</exception>
    public Task<VerifyReport> VerifyAsync(VerifyOptions options, IProgress<VerifyProgress>? progress, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        return VerifyAsync(options, null, progress, cancellationToken);
    }

    internal async Task<VerifyReport> VerifyAsync(
        VerifyOptions options, LiveDatabase? live, IProgress<VerifyProgress>? progress, CancellationToken cancellationToken)
    {
        filesRead = 0;
        bytesRead = bytesPlanned = 0;
        VerifyMemory memory = options.Database is { } database ? VerifyMemory.Load(files, database.StateDirectory) : new VerifyMemory();
        memory.Run++;

        // The state directory first: what is uploaded between the two can only make the replica newer.
        var expectations = new Expectations(files, options, memory, time.GetUtcNow());
        var state = new ReplicaFiles(memory) { Listing = await ReplicaListing.ReadAsync(client, accurateTimes: false, cancellationToken) };
        if (state.Listing.IsEmpty && !expectations.Any)
        {
            throw new RestoreUnavailableException(RestoreUnavailableReason.EmptyReplica);
        }

        int share = options.Database is null ? 1 : Math.Clamp(options.Share, 1, VerifyOptions.MaxShare);
        ReplicaAnalysis analysis = await ReadAsync(options, share, memory, state, expectations, progress, cancellationToken);
        IReadOnlyList<VerifyFinding> repaired = [];
        if (options.Repair && analysis.Damaged.Count > 0)
        {
            var local = options.Database is { } known ? new LocalLtxDirectory(files, known.StateDirectory) : null;
            repaired = await new ReplicaRepair(client, local, services, logger, state, memory.Run).RunAsync(analysis.Damaged, cancellationToken);
            state.Listing = await ReplicaListing.ReadAsync(client, accurateTimes: false, cancellationToken);
            analysis = ReplicaAnalysis.Of(state.Listing, state.Known, expectations.For(state.Listing));
        }

        VerifyReport report = Report(state, analysis) with { Repaired = repaired };
        if (options.ScratchDirectory is { } scratch)
        {
            report = await new DeepVerification(client, files, time, logger).RunAsync(report, scratch, live, cancellationToken);
        }

        report = report with { FinishedAt = time.GetUtcNow() };
        if (options.Database is { } remembered)
        {
            memory.Newest = state.Listing.Newest > expectations.Newest ? state.Listing.Newest : expectations.Newest;
            memory.LastResult = VerificationStatus.Of(report);
            memory.Replace(state);
            memory.Save(files, remembered.StateDirectory);
        }

        return report;
    }

    /// <summary>Reads the selected files. What looks wrong is believed when a second listing and a second reading say the same.</summary>
    private async Task<ReplicaAnalysis> ReadAsync(
        VerifyOptions options, int share, VerifyMemory memory, ReplicaFiles state, Expectations expectations,
        IProgress<VerifyProgress>? progress, CancellationToken cancellationToken)
    {
        List<LtxFileInfo> selected = ShareSelection.Select(state.Listing, memory, share);
        for (int round = 1; ; round++)
        {
            bool vanished = await ReadAsync(selected, options.Parallelism, state, memory.Run, progress, cancellationToken);
            ReplicaAnalysis analysis = ReplicaAnalysis.Of(state.Listing, state.Known, expectations.For(state.Listing));
            bool suspicious = analysis.Damaged.Count > 0 || analysis.Unreadable.Count > 0 || analysis.Lost.Count > 0;
            if (round == MaxRounds || (!vanished && (!suspicious || round > 1)))
            {
                return analysis;
            }

            HashSet<LtxFileInfo> suspects = [.. selected.Where(file => state.OfThisRun(file)?.Finding is not null)];
            state.Listing = await ReplicaListing.ReadAsync(client, accurateTimes: false, cancellationToken);
            selected = [.. state.Listing.All.Where(file => suspects.Contains(file) || (share == 1 && state.OfThisRun(file) is null))];
        }
    }

    private async Task<bool> ReadAsync(
        List<LtxFileInfo> selected, int parallelism, ReplicaFiles state, long run, IProgress<VerifyProgress>? progress, CancellationToken cancellationToken)
    {
        var checker = new FileChecker(client, time);
        bytesPlanned += selected.Sum(static file => file.Size);
        int vanished = 0;
        await Parallel.ForEachAsync(
            selected,
            new ParallelOptions { MaxDegreeOfParallelism = Math.Clamp(parallelism, 1, MaxParallelism), CancellationToken = cancellationToken },
            async (file, token) =>
            {
                CheckedFile? check = await checker.CheckAsync(file, run, token);
                if (check is null)
                {
                    Interlocked.Exchange(ref vanished, 1);
                    return;
                }

                state.Add(check);
                Interlocked.Increment(ref filesRead);
                long done = Interlocked.Add(ref bytesRead, file.Size);
                progress?.Report(new VerifyProgress(done, bytesPlanned));
            });
        return vanished != 0;
    }

    private VerifyReport Report(ReplicaFiles state, ReplicaAnalysis analysis) => new()
    {
        Proven = analysis.Chain is [.., var last] ? last.MaxTxid : Txid.None,
        ProvenTime = analysis.Chain is [.., var newest] ? newest.CreatedAt : null,
        ProvenAt = analysis.Chain.Count == 0 ? time.GetUtcNow() : analysis.Chain.Min(file => state.Known(file)!.ReadAt),
        Newest = state.Listing.Newest,
        FilesRead = filesRead,
        BytesRead = bytesRead,
        FilesTotal = state.Listing.All.Count(),
        BytesTotal = state.Listing.All.Sum(static file => file.Size),
        Damaged = analysis.Damaged,
        Unreadable = analysis.Unreadable,
        Lost = analysis.Lost,
        NeedsSnapshot = analysis.Lost.Any(range => range.Last >= state.Listing.Newest)
            || (LevelFiles.Newest(state.Listing[LtxFileInfo.SnapshotLevel]) is { } snapshot && state.Known(snapshot)?.Content is null
                && state.Known(snapshot)?.Finding is not null),
    };
}
