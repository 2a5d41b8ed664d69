namespace Litestream.TestKit.Processes;

/// <summary>Waits for a condition on files without polling a clock: it is asked again whenever something in a directory changes.</summary>
public static class FileWait
{
    /// <summary>Waits until the condition holds.</summary>
    /// <param name="directory">Watched with everything below it; must exist.</param>
    /// <param name="condition">May be called at any time, also on half-written files.</param>
    /// <param name="what">For the message.</param>
    /// <param name="patience">How long at most; default <see cref="ChildProcess.Patience"/>.</param>
    /// <exception cref="TimeoutException">The condition did not come to hold.</exception>
    public static async Task UntilAsync(string directory, Func<bool> condition, string what, TimeSpan? patience = null)
    {
        using var changed = new SemaphoreSlim(0);
        using var watcher = new FileSystemWatcher(directory) { IncludeSubdirectories = true };
        void Wake(object sender, EventArgs e) => changed.Release();
        watcher.Created += Wake;
        watcher.Changed += Wake;
        watcher.Deleted += Wake;
        watcher.Renamed += Wake;
        watcher.Error += Wake;
        watcher.EnableRaisingEvents = true;
        using var limit = new CancellationTokenSource(patience ?? ChildProcess.Patience);
        while (!condition())
        {
            try
            {
                // The watcher learns of a new subdirectory a moment after files may have appeared in it, hence the second look.
                await changed.WaitAsync(TimeSpan.FromMilliseconds(250), limit.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"did not happen in {directory}: {what}");
            }
        }
    }
}
