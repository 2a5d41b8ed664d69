using System.Runtime.InteropServices;
using Litestream.Cli.Logging;
using Litestream.Storage;

namespace Litestream.Cli.Commands;

/// <summary>
/// Ends work on SIGINT or SIGTERM in an orderly way, so that no temporary file is left, and then lets the signal do what it
/// would have done: the caller sees a process that was killed by it (§2.1).
/// </summary>
internal sealed class SignalCancellation : IDisposable
{
    private readonly CancellationTokenSource source = new();
    private readonly List<PosixSignalRegistration> registrations = [];
    private PosixSignal? received;

    public SignalCancellation()
    {
        registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle));
        registrations.Add(PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle));
    }

    public async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> work)
    {
        try
        {
            return await work(source.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (received is not null)
        {
            Dispose();
            ProcessSignal.Send(Environment.ProcessId, LogValue.SignalNumber(received.Value));
            await Task.Delay(Timeout.InfiniteTimeSpan).ConfigureAwait(false);
            throw;
        }
    }

    public void Dispose()
    {
        registrations.ForEach(r => r.Dispose());
        registrations.Clear();
        source.Dispose();
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;
        received ??= context.Signal;
        source.Cancel();
    }
}
