using Litestream.Diagnostics;
using Litestream.Ltx;
using Microsoft.Extensions.Logging;

namespace Litestream.Follow;

/// <summary>
/// What a follower says: each transaction to its owner at once, and to the log at most one line per interval, with the lag
/// (decision D18). Failures are counted until the next success.
/// </summary>
internal sealed class FollowReport(string replica, TimeProvider time, ILogger logger, IProgress<FollowProgress>? applied, TimeSpan interval)
{
    private FollowProgress _pending;
    private bool _hasPending;
    private long? _lastLine;
    private int _failures;

    /// <summary>A transaction was committed.</summary>
    internal void Applied(Txid from, IncomingFile newest, int count)
    {
        DateTimeOffset written = DateTimeOffset.UnixEpoch.AddMilliseconds(Math.Clamp(newest.Header.Timestamp, 0, MaxMilliseconds));
        TimeSpan age = time.GetUtcNow() - written;
        var progress = new FollowProgress(from, newest.Info.MaxTxid, count, age > TimeSpan.Zero ? age : TimeSpan.Zero);
        applied?.Report(progress);
        _pending = _hasPending ? progress with { From = _pending.From, Files = _pending.Files + count } : progress;
        _hasPending = true;
    }

    /// <summary>Writes what is new to the log, if a line is due.</summary>
    /// <param name="now">Whether due or not.</param>
    internal void Flush(bool now = false)
    {
        if (_hasPending && (now || _lastLine is not { } last || time.GetElapsedTime(last) >= interval))
        {
            _lastLine = time.GetTimestamp();
            _hasPending = false;
            logger.Write(LogLevel.Information, "follow: applied updates", ("replica", replica),
                ("from_txid", _pending.From), ("to_txid", _pending.To), ("files", _pending.Files), ("lag_ms", (long)_pending.Lag.TotalMilliseconds));
        }
    }

    /// <summary>A look at the replica went well.</summary>
    internal void Succeed()
    {
        if (_failures > 0)
        {
            logger.Write(LogLevel.Information, "follow: working again", ("replica", replica), ("consecutive_errors", _failures));
            _failures = 0;
        }
    }

    /// <summary>A look at the replica failed.</summary>
    internal void Fail(Exception failure) => logger.Write(LogLevel.Error, "follow: cannot apply updates, trying again",
        ("replica", replica), ("error", failure.Message), ("consecutive_errors", ++_failures));

    private static readonly long MaxMilliseconds = (long)(DateTimeOffset.MaxValue - DateTimeOffset.UnixEpoch).TotalMilliseconds - 1;
}
