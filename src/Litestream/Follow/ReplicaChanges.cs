using Litestream.Diagnostics;
using Litestream.Sqlite;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Follow;

/// <summary>
/// Waits for new files: until the operating system reports one in a replica that is a local directory, else for the interval. The
/// interval holds in any case: a directory that another machine writes to over the network reports nothing.
/// </summary>
internal sealed class ReplicaChanges : IDisposable
{
    private readonly Wakeup _wakeup;
    private readonly ChangeNotifier? _notifier;
    private readonly NotifierHandle? _watch;

    internal ReplicaChanges(IReplicaClient client, TimeProvider time, ILogger logger)
    {
        _wakeup = new Wakeup(time);
        if (client is not ILocalReplica local)
        {
            return;
        }

        _notifier = new ChangeNotifier();
        if (_notifier.IsSupported)
        {
            _watch = _notifier.RegisterDirectory(local.GetLevelDirectory(0), ".ltx", _wakeup.Signal);
        }
        else
        {
            logger.Write(LogLevel.Warning, "follow: no file notification, looking once per interval", ("error", _notifier.UnsupportedReason));
        }
    }

    /// <summary>Asks for the next change. To miss nothing: arm, then look, then wait.</summary>
    internal void Arm() => _watch?.Arm();

    /// <summary>Waits for a change, but not longer than the interval.</summary>
    internal Task WaitAsync(TimeSpan interval, CancellationToken cancellationToken) => _wakeup.WaitAsync(interval, cancellationToken);

    /// <inheritdoc/>
    public void Dispose()
    {
        _watch?.Dispose();
        _notifier?.Dispose();
        _wakeup.Dispose();
    }
}
