using System.Runtime.InteropServices;
using Litestream.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Replication;

/// <summary>
/// The signals of the daemon (§2.1): the first SIGINT or SIGTERM asks for an orderly end, the second one for a quick end, more
/// are ignored. It listens from before the start on, so that a start that hangs can be ended, too (trap B4).
/// </summary>
internal sealed class SignalMonitor : IDisposable
{
    /// <summary>Numbers of signals that must not end the daemon: USR1, USR2, ALRM (§2.1).</summary>
    private static readonly PosixSignal[] Ignored = [(PosixSignal)10, (PosixSignal)12, (PosixSignal)14];

    private readonly TaskCompletionSource<PosixSignal> first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource stop = new();
    private readonly CancellationTokenSource interrupt = new();
    private readonly List<PosixSignalRegistration> registrations = [];
    private readonly ILogger logger;
    private int count;

    public SignalMonitor(ILogger logger)
    {
        this.logger = logger;
        foreach (PosixSignal signal in (ReadOnlySpan<PosixSignal>)[PosixSignal.SIGINT, PosixSignal.SIGTERM])
        {
            registrations.Add(PosixSignalRegistration.Create(signal, Handle));
        }

        foreach (PosixSignal signal in Ignored)
        {
            registrations.Add(PosixSignalRegistration.Create(signal, static context => context.Cancel = true));
        }
    }

    /// <summary>Completes with the first signal.</summary>
    public Task<PosixSignal> First => first.Task;

    /// <summary>Cancelled by the first signal.</summary>
    public CancellationToken Stop => stop.Token;

    /// <summary>Cancelled by the second signal.</summary>
    public CancellationToken Interrupt => interrupt.Token;

    public void Dispose()
    {
        registrations.ForEach(r => r.Dispose());
        stop.Dispose();
        interrupt.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        switch (Interlocked.Increment(ref count))
        {
            case 1:
                logger.Write(LogLevel.Information, "signal received, litestream shutting down", ("signal", context.Signal));
                first.TrySetResult(context.Signal);
                stop.Cancel();
                break;
            case 2:
                interrupt.Cancel();
                break;
        }
    }
}
