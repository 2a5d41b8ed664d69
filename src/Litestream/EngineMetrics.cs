using System.Diagnostics.Metrics;
using Litestream.Ltx;
using Litestream.Verify;

namespace Litestream;

/// <summary>
/// Instruments of the engine (decision D18), for whoever listens to the meter <c>Litestream</c>. Every measurement has the label
/// <c>db</c>, the full path of the database. Nothing is computed while nobody listens.
/// </summary>
public sealed class EngineMetrics : IDisposable
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Litestream";

    private static readonly Meter Counters = new(MeterName);

    private static readonly Counter<long> VerifyRuns = Counters.CreateCounter<long>(
        "litestream_verify_runs_total", description: "Verifications of a replica by result: proven, damaged, failed.");

    private readonly Meter meter = new(MeterName);

    /// <summary>Publishes the state of the databases of a store.</summary>
    /// <param name="store">The store; it must outlive this.</param>
    /// <param name="time">Clock of ages.</param>
    public EngineMetrics(ReplicationStore store, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(time);
        AddVerification(store, "litestream_verify_proven_txid", "Newest transaction proven restorable.", status => status.Proven.Value);
        AddVerification(
            store, "litestream_verify_proven_timestamp_seconds", "Time of that transaction, seconds since 1970.",
            status => status.ProvenTime is { } proven ? Seconds(proven) : double.NaN);
        AddVerification(
            store, "litestream_verify_last_run_timestamp_seconds", "End of the last verification, seconds since 1970.", status => Seconds(status.FinishedAt));
        AddVerification(
            store, "litestream_verify_damaged_files", "Damaged, misplaced and missing files on the replica.", status => status.DamagedFiles);
        meter.CreateObservableGauge(
            "litestream_replication_lag_seconds",
            () => store.Databases.Select(database => (Database: database, Lag: LagOf(database, time))).Where(pair => !double.IsNaN(pair.Lag))
                .Select(pair => new Measurement<double>(pair.Lag, Label(pair.Database.Options.Path))),
            description: "Age of the newest state that the replica holds, 0 while it holds everything captured.");
    }

    /// <inheritdoc/>
    public void Dispose() => meter.Dispose();

    internal static void CountVerification(string database, string result) =>
        VerifyRuns.Add(1, Label(database), new KeyValuePair<string, object?>("result", result));

    private void AddVerification(ReplicationStore store, string name, string description, Func<VerificationStatus, double> value) =>
        meter.CreateObservableGauge(
            name,
            () => store.Databases.Where(database => database.Verification is not null)
                .Select(database => new Measurement<double>(value(database.Verification!), Label(database.Options.Path))),
            description: description);

    private static double LagOf(ReplicatedDatabase database, TimeProvider time)
    {
        DatabaseStatus status = database.GetStatus();
        return status.ReplicaTxid is { } replica && replica >= status.Txid && status.Txid != Txid.None ? 0
            : status.LastSyncAt is { } synced ? (time.GetUtcNow() - synced).TotalSeconds
            : double.NaN;
    }

    private static double Seconds(DateTimeOffset moment) => moment.ToUnixTimeMilliseconds() / 1000.0;

    private static KeyValuePair<string, object?> Label(string database) => new("db", database);
}
