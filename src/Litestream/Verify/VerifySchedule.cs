using System.Text;
using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Verify;

/// <summary>
/// Verifies the replicas of a process on their schedules (decision D17): one at a time over all databases, so that verification never
/// takes more than a share of one upload stream, and nothing at all where no database asks for it.
/// </summary>
internal sealed class VerifySchedule : IAsyncDisposable
{
    /// <summary>A database that cannot be verified now is looked at again after this time, or its interval if that is shorter.</summary>
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMinutes(1);

    /// <summary>So often a database that is being opened is looked at.</summary>
    private static readonly TimeSpan StartDelay = TimeSpan.FromSeconds(5);

    private readonly Func<IReadOnlyList<ReplicatedDatabase>> databases;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly Wakeup wake;
    private readonly CancellationTokenSource stop = new();
    private readonly Dictionary<ReplicatedDatabase, DateTimeOffset> due = [];
    private readonly HashSet<ReplicatedDatabase> announced = [];
    private Task? loop;

    /// <summary>Creates the schedule; nothing runs before <see cref="Start"/>.</summary>
    /// <param name="databases">The databases as they are now.</param>
    /// <param name="time">Clock.</param>
    /// <param name="logger">Where results are reported.</param>
    public VerifySchedule(Func<IReadOnlyList<ReplicatedDatabase>> databases, TimeProvider time, ILogger logger)
    {
        this.databases = databases;
        this.time = time;
        this.logger = logger;
        wake = new Wakeup(time);
    }

    /// <summary>Starts the loop.</summary>
    public void Start() => loop ??= Task.Run(() => RunAsync(stop.Token));

    /// <summary>The set of databases has changed.</summary>
    public void Signal() => wake.Signal();

    /// <summary>Stops a running verification and waits for its end.</summary>
    public async ValueTask StopAsync()
    {
        await stop.CancelAsync().ConfigureAwait(false);
        if (loop is not null)
        {
            await loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync().ConfigureAwait(false);
        wake.Dispose();
        stop.Dispose();
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            TimeSpan wait = Timeout.InfiniteTimeSpan;
            if (Next() is { } next)
            {
                wait = due[next] - time.GetUtcNow();
                if (wait <= TimeSpan.Zero)
                {
                    due[next] = await TakeTurnAsync(next, cancellationToken).ConfigureAwait(false);
                    continue;
                }
            }

            await wake.WaitAsync(wait, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The database whose turn is next; null if none asks for verification.</summary>
    private ReplicatedDatabase? Next()
    {
        IReadOnlyList<ReplicatedDatabase> all = databases();
        foreach (ReplicatedDatabase gone in due.Keys.Except(all).ToArray())
        {
            due.Remove(gone);
            announced.Remove(gone);
        }

        foreach (ReplicatedDatabase database in all)
        {
            if (database.Options.VerifyInterval > TimeSpan.Zero)
            {
                due.TryAdd(database, time.GetUtcNow());
            }
        }

        return due.Count == 0 ? null : due.MinBy(static entry => entry.Value).Key;
    }

    /// <summary>Does what is due for a database.</summary>
    /// <returns>When its next turn is.</returns>
    private async Task<DateTimeOffset> TakeTurnAsync(ReplicatedDatabase database, CancellationToken cancellationToken)
    {
        TimeSpan interval = database.Options.VerifyInterval;
        if (database.State != DatabaseState.Replicating)
        {
            TimeSpan delay = announced.Contains(database) ? RetryDelay : StartDelay;
            return time.GetUtcNow() + (delay < interval ? delay : interval);
        }

        if (announced.Contains(database))
        {
            bool done = await VerifyAsync(database, cancellationToken).ConfigureAwait(false);
            return time.GetUtcNow() + (done || interval < RetryDelay ? interval : RetryDelay);
        }

        announced.Add(database);
        long? bytes = await SizeAsync(database, cancellationToken).ConfigureAwait(false);
        logger.Write(
            LogLevel.Information, "verification of the replica scheduled",
            ("path", database.Options.Path), ("interval", interval), ("share", $"1/{database.Options.VerifyShare}"), ("deep", database.Options.VerifyDeep),
            ("bytes_per_run", (bytes + database.Options.VerifyShare - 1) / database.Options.VerifyShare));
        return FirstDue(database, interval);
    }

    private static async Task<long?> SizeAsync(ReplicatedDatabase database, CancellationToken cancellationToken)
    {
        try
        {
            return (await ReplicaListing.ReadAsync(database.Client, accurateTimes: false, cancellationToken).ConfigureAwait(false)).All.Sum(static file => file.Size);
        }
        catch (IOException)
        {
            return null; // Only for the message; the first run says what is wrong.
        }
    }

    /// <summary>Goes on from the last run, also that of an earlier process. The first ones are spread over an interval by name.</summary>
    private DateTimeOffset FirstDue(ReplicatedDatabase database, TimeSpan interval)
    {
        DateTimeOffset now = time.GetUtcNow();
        double fraction = Crc64.Append(0, Encoding.UTF8.GetBytes(database.Options.Path)) / (double)ulong.MaxValue;
        return database.Verification is { } last && last.FinishedAt <= now
            ? last.FinishedAt + interval
            : now + (interval * fraction);
    }

    private async Task<bool> VerifyAsync(ReplicatedDatabase database, CancellationToken cancellationToken)
    {
        string path = database.Options.Path;
        try
        {
            VerifyReport report = await database.VerifyAsync(database.Options.VerifyShare, database.Options.VerifyDeep, repair: true, cancellationToken).ConfigureAwait(false);
            EngineMetrics.CountVerification(path, report.Result);
            logger.Write(
                report.IsDamaged ? LogLevel.Error : LogLevel.Information, report.IsDamaged ? "replica is damaged" : "replica verified",
                ("path", path), ("proven_txid", report.Proven.ToString()), ("newest_txid", report.Newest.ToString()), ("files", report.FilesRead),
                ("bytes", report.BytesRead), ("damaged", report.Damaged.Count), ("repaired", report.Repaired.Count), ("lost", report.Lost.Count));
            foreach (VerifyFinding finding in report.Damaged)
            {
                logger.Write(
                    LogLevel.Error, "damaged replica file",
                    ("path", path), ("level", finding.Level), ("name", finding.Name), ("problem", finding.Problem.ToString()), ("error", finding.Detail));
            }

            if (report.DeepProblem is { } problem)
            {
                logger.Write(LogLevel.Error, "restored copy is wrong", ("path", path), ("error", problem));
            }

            return true;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (Exception failure)
        {
            EngineMetrics.CountVerification(path, "failed");
            logger.Write(LogLevel.Warning, "cannot verify replica", ("path", path), ("error", failure.Message));
            return failure is RestoreUnavailableException;
        }
    }
}
