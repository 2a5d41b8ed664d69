using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Litestream.Workload;

/// <summary>
/// Says when writers go on, hold still or stop: from standard input ("pause" is answered with "paused" once no transaction is open,
/// "resume", "stop"), SIGTERM, and the time limit.
/// </summary>
internal sealed class Control : IDisposable
{
    private readonly Lock _output = new();
    private readonly object _gate = new();
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly PosixSignalRegistration _terminate;
    private readonly double _seconds;
    private Timer? _limit;
    private readonly bool _progress;
    private int _running;
    private int _waiting;
    private bool _paused;
    private bool _announced;
    private volatile bool _stopped;

    internal Control(Options options)
    {
        _progress = options.Progress;
        _running = options.Mode is Mode.Hostile or Mode.Read ? 1 : options.Connections;
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            Stop();
        });
        _seconds = options.Seconds;
        new Thread(ReadCommands) { IsBackground = true }.Start();
    }

    internal bool IsStopped => _stopped;

    internal TimeSpan Elapsed => _clock.Elapsed;

    public void Dispose()
    {
        _terminate.Dispose();
        _limit?.Dispose();
    }

    /// <summary>Everything is set up: says so, and the time limit runs from now.</summary>
    internal void Begin()
    {
        Print("ready");
        _limit = _seconds > 0 ? new Timer(_ => Stop(), null, TimeSpan.FromSeconds(_seconds), Timeout.InfiniteTimeSpan) : null;
    }

    /// <summary>Called by a writer between transactions; blocks while paused. False = stop.</summary>
    internal bool Continue()
    {
        lock (_gate)
        {
            while (_paused && !_stopped)
            {
                _waiting++;
                AnnouncePause();
                Monitor.Wait(_gate);
                _waiting--;
            }
        }

        return !_stopped;
    }

    /// <summary>Holds still without blocking a pause, until the time has come or the program stops.</summary>
    internal void WaitUntil(TimeSpan moment)
    {
        while (!_stopped && moment - Elapsed is { Ticks: > 0 } rest)
        {
            lock (_gate)
            {
                _waiting++;
                AnnouncePause();
                Monitor.Wait(_gate, rest);
                _waiting--;
                if (_paused)
                {
                    return;
                }
            }
        }
    }

    /// <summary>A writer has ended for good.</summary>
    internal void Leave()
    {
        lock (_gate)
        {
            _running--;
            AnnouncePause();
        }
    }

    internal void Acknowledge(int writer, long n)
    {
        if (_progress)
        {
            Print($"ack {writer} {n}");
        }
    }

    internal void Print(string line)
    {
        lock (_output)
        {
            Console.Out.WriteLine(line);
            Console.Out.Flush();
        }
    }

    private void AnnouncePause()
    {
        if (_paused && !_announced && _waiting >= _running)
        {
            _announced = true;
            Print("paused");
        }
    }

    private void Stop()
    {
        _stopped = true;
        lock (_gate)
        {
            Monitor.PulseAll(_gate);
        }
    }

    private void ReadCommands()
    {
        while (Console.In.ReadLine() is { } line)
        {
            lock (_gate)
            {
                if (line == "pause")
                {
                    _paused = true;
                    _announced = false;
                    AnnouncePause();
                }
                else if (line == "resume")
                {
                    _paused = false;
                }
                else if (line == "stop")
                {
                    _stopped = true;
                }

                Monitor.PulseAll(_gate);
            }
        }
    }
}
