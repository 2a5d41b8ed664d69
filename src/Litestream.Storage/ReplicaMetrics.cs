using System.Diagnostics.Metrics;

namespace Litestream.Storage;

/// <summary>
/// Instruments of all backends (backends §1.9, trap T35), for whoever listens to the meter <c>Litestream</c>. Every backend counts every
/// request it makes; nothing is computed while nobody listens.
/// </summary>
public static class ReplicaMetrics
{
    private static readonly Meter Instruments = new("Litestream");

    private static readonly Counter<long> Operations = Instruments.CreateCounter<long>(
        "litestream_replica_operation_total", description: "The number of replica operations performed");

    private static readonly Counter<long> Bytes = Instruments.CreateCounter<long>(
        "litestream_replica_operation_bytes", description: "The number of bytes used by replica operations");

    private static readonly Histogram<double> Durations = Instruments.CreateHistogram(
        "litestream_replica_operation_duration_seconds",
        description: "The duration of replica operations",
        advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60] });

    private static readonly Counter<long> Errors = Instruments.CreateCounter<long>(
        "litestream_replica_operation_errors_total", description: "The number of failed replica operations by code");

    /// <summary>Counts an operation.</summary>
    /// <param name="type">Backend.</param>
    /// <param name="operation"><c>PUT GET LIST DELETE HEAD</c>.</param>
    /// <param name="bytes">Payload, 0 if it has none.</param>
    /// <param name="count">Number of operations.</param>
    public static void Count(string type, string operation, long bytes = 0, long count = 1)
    {
        Operations.Add(count, Type(type), Operation(operation));
        if (bytes > 0)
        {
            Bytes.Add(bytes, Type(type), Operation(operation));
        }
    }

    /// <summary>Records how long an operation took.</summary>
    public static void Took(string type, string operation, TimeSpan duration) => Durations.Record(duration.TotalSeconds, Type(type), Operation(operation));

    /// <summary>Counts a failure by the store's code.</summary>
    public static void Failed(string type, string operation, string code) =>
        Errors.Add(1, Type(type), Operation(operation), new KeyValuePair<string, object?>("code", code));

    private static KeyValuePair<string, object?> Type(string type) => new("replica_type", type);

    private static KeyValuePair<string, object?> Operation(string operation) => new("operation", operation);
}
