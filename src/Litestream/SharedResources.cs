using Litestream.Capture;
using Litestream.Sqlite;

namespace Litestream;

/// <summary>What all databases of a process share: change notification, and the limits on what runs at the same time.</summary>
internal sealed class SharedResources(ChangeNotifier? notifier, TimeProvider time) : IDisposable
{
    /// <summary>File notification; null = every database is polled.</summary>
    public ChangeNotifier? Notifier => notifier;

    /// <summary>Bounds the blocking work on databases, whatever their number.</summary>
    public SemaphoreSlim WorkerSlots { get; } = new(Math.Max(2, Environment.ProcessorCount));

    /// <summary>Bounds the databases that are being opened.</summary>
    public OpeningGate Openings { get; } = new(time);

    /// <summary>Which database files other processes have open.</summary>
    public OtherUsers OtherUsers { get; } = new(time);

    /// <inheritdoc/>
    public void Dispose()
    {
        notifier?.Dispose();
        WorkerSlots.Dispose();
        Openings.Dispose();
    }
}
