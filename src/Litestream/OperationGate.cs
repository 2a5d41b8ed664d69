namespace Litestream;

/// <summary>
/// Counts what works on a database beside its own loops: calls from outside, merges, snapshots. The end of the database cancels them
/// and waits for the last one, so that none ever meets a closed client (store-and-restore trap C18).
/// </summary>
/// <param name="stop">Cancelled when the database is closed.</param>
internal sealed class OperationGate(CancellationToken stop)
{
    private readonly Lock gate = new();
    private TaskCompletionSource? closing;
    private int running;

    /// <summary>Begins an operation; dispose it at its end.</summary>
    /// <param name="cancellationToken">Cancels it.</param>
    /// <exception cref="ObjectDisposedException">The database is being released.</exception>
    public Operation Begin(CancellationToken cancellationToken)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(closing is not null, typeof(ReplicatedDatabase));
            running++;
        }

        return new Operation(this, CancellationTokenSource.CreateLinkedTokenSource(stop, cancellationToken));
    }

    /// <summary>Lets nothing begin any more and waits for what runs.</summary>
    public Task CloseAsync()
    {
        lock (gate)
        {
            closing ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (running == 0)
            {
                closing.TrySetResult();
            }

            return closing.Task;
        }
    }

    internal void End()
    {
        lock (gate)
        {
            running--;
            if (running == 0)
            {
                closing?.TrySetResult();
            }
        }
    }
}

/// <summary>One operation that runs on a database.</summary>
internal sealed class Operation(OperationGate gate, CancellationTokenSource cancellation) : IDisposable
{
    /// <summary>Cancelled by the caller, or by the end of the database.</summary>
    public CancellationToken Token => cancellation.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        cancellation.Dispose();
        gate.End();
    }
}
