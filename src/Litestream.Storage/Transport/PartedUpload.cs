namespace Litestream.Storage.Transport;

/// <summary>Sends the parts of one upload, several at a time.</summary>
public static class PartedUpload
{
    /// <summary>
    /// Sends the first part and all that follow it. Returns when all have arrived; on a failure the others are stopped and awaited, so that
    /// nothing is sent behind an abort.
    /// </summary>
    /// <param name="parts">The parts behind <paramref name="first"/>.</param>
    /// <param name="first">The first part; disposed here.</param>
    /// <param name="concurrency">Parts in flight at a time.</param>
    /// <param name="send">Sends one part; may run for several parts at once.</param>
    /// <param name="cancellationToken">Stops everything.</param>
    public static async Task RunAsync(
        PartReader parts, UploadPart first, int concurrency, Func<UploadPart, CancellationToken, Task> send, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(send);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var places = new SemaphoreSlim(concurrency, concurrency);
        var running = new List<Task>();
        Exception? cause = null;
        UploadPart? part = first;
        try
        {
            while (part is not null)
            {
                await places.WaitAsync(stop.Token).ConfigureAwait(false);
                running.RemoveAll(task => task.IsCompletedSuccessfully);
                running.Add(SendOneAsync(part));
                part = null;
                part = await parts.NextAsync(stop.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            await StopAsync(e).ConfigureAwait(false);
        }

        part?.Dispose();
        await Task.WhenAll(running).ConfigureAwait(false);
        if (cause is not null)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(cause);
        }

        // What failed first is the cause: whatever is stopped for it fails as well, in ways of its own.
        Task StopAsync(Exception e)
        {
            Interlocked.CompareExchange(ref cause, e, null);
            return stop.CancelAsync();
        }

        async Task SendOneAsync(UploadPart one)
        {
            try
            {
                using (one)
                {
                    await send(one, stop.Token).ConfigureAwait(false);
                }
            }
            catch (Exception e)
            {
                await StopAsync(e).ConfigureAwait(false);
            }
            finally
            {
                places.Release();
            }
        }
    }
}
