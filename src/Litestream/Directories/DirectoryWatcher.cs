using System.Collections.Concurrent;
using Litestream.Diagnostics;
using Litestream.Sqlite;
using Microsoft.Extensions.Logging;

namespace Litestream.Directories;

/// <summary>
/// Keeps a store's databases in step with a directory (cli-config-control §5): listens to every directory of the tree, adds databases
/// that appear, removes those that disappear. Reading the whole tree once in a minute finds what events missed; where notification
/// does not work it is read at the poll interval.
/// </summary>
public sealed partial class DirectoryWatcher : IAsyncDisposable
{
    private static readonly TimeSpan AuditInterval = TimeSpan.FromMinutes(1);

    /// <summary>Reading a large tree over and over must not cost more than a fiftieth of a core.</summary>
    private const int PauseFactor = 50;

    private readonly ReplicationStore store;
    private readonly WatchedDirectory watched;
    private readonly ChangeNotifier? notifier;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly DatabaseFinder finder;
    private readonly DirectoryEvents events;
    private readonly Wakeup wake;
    private readonly CancellationToken interrupt;
    private readonly CancellationTokenSource stop = new();

    // Owned by the loop, but for removals, which end on their own.
    private readonly Dictionary<string, DirectoryListener> listeners = [];
    private readonly Dictionary<string, NotifierHandle> unready = [];
    private readonly Dictionary<string, ReplicatedDatabase> known = [];
    private readonly HashSet<string> reported = [];
    private readonly Dictionary<string, Task> removals = [];
    private readonly ConcurrentQueue<string> ended = [];
    private string? problem;
    private DateTimeOffset nextReading;
    private Task? loop;

    /// <summary>Creates the watcher; <see cref="Start"/> begins.</summary>
    /// <param name="store">A store that is open.</param>
    /// <param name="watched">What to watch.</param>
    /// <param name="interrupt">Ends the retries of last syncs of databases that were removed.</param>
    public DirectoryWatcher(ReplicationStore store, WatchedDirectory watched, CancellationToken interrupt)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(watched);
        this.store = store;
        this.watched = watched;
        this.interrupt = interrupt;
        notifier = store.Shared.Notifier;
        time = store.Services.Time;
        logger = store.Services.Loggers.CreateLogger("");
        finder = new DatabaseFinder(store.Services.FileSystem, watched.Matches, watched.Recursive);
        events = new DirectoryEvents(finder, watched.Recursive, time);
        wake = new Wakeup(time);
    }

    /// <summary>
    /// Begins to watch. The tree is read once more behind the first listener, so that nothing falls between the start's own reading
    /// and the watching.
    /// </summary>
    /// <param name="found">Databases of the store that the start found in this directory.</param>
    public void Start(IEnumerable<ReplicatedDatabase> found)
    {
        foreach (ReplicatedDatabase database in found)
        {
            known.Add(database.Options.Path, database);
        }

        loop ??= Task.Run(() => RunAsync(stop.Token));
    }

    /// <summary>Stops watching and waits for removals under way. The databases stay in the store.</summary>
    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync().ConfigureAwait(false);
        if (loop is not null)
        {
            await loop.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await Task.WhenAll(removals.Values).ConfigureAwait(false);
        StopListening(static _ => true);
        foreach (NotifierHandle handle in unready.Values)
        {
            handle.Dispose();
        }

        wake.Dispose();
        stop.Dispose();
    }

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        ReadTree();
        while (true)
        {
            CollectRemovals();
            DirectoryEvents.Batch batch = events.Take();
            foreach (DirectoryListener listener in batch.Ended.Where(l => listeners.GetValueOrDefault(l.Path) == l))
            {
                ForgetDirectory(listener.Path);
            }

            foreach (string directory in batch.GoneDirectories)
            {
                ForgetDirectory(directory);
            }

            foreach (string path in batch.Gone)
            {
                Remove(path);
            }

            foreach (string directory in batch.NewDirectories)
            {
                Explore(directory);
            }

            foreach (string path in batch.Appeared)
            {
                await ConsiderAsync(path, cancellationToken).ConfigureAwait(false);
            }

            if (batch.Lost || time.GetUtcNow() >= nextReading)
            {
                ReadTree();
            }

            TimeSpan untilReading = nextReading - time.GetUtcNow();
            TimeSpan wait = batch.NextIn is { } next && next < untilReading ? next : untilReading;
            await wake.WaitAsync(wait > TimeSpan.Zero ? wait : TimeSpan.FromMilliseconds(1), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Listens to every directory anew, finds what is new, and drops what is not there any more.</summary>
    private void ReadTree()
    {
        long began = time.GetTimestamp();
        StopListening(static _ => true);
        problem = null;
        if (!Explore(watched.Path))
        {
            problem = $"{watched.Path} is not there";
        }

        foreach (string path in known.Keys.Where(path => store.Services.FileSystem.Stat(path) is null).ToArray())
        {
            Remove(path);
        }

        // A listener that lost its directory while it was read heard of it, or will be read again soon.
        TimeSpan interval = problem is null && notifier is { IsSupported: true } ? AuditInterval : watched.PollInterval;
        TimeSpan took = time.GetElapsedTime(began);
        nextReading = time.GetUtcNow() + (interval > took * PauseFactor ? interval : took * PauseFactor);
    }

    /// <summary>Listens to a directory and those below it, each before it is read, so that nothing falls in between.</summary>
    /// <returns>False if the directory does not exist.</returns>
    private bool Explore(string directory)
    {
        if (store.Services.FileSystem.Stat(directory) is not { Kind: Storage.FileKind.Directory })
        {
            return false;
        }

        try
        {
            finder.Walk(directory, Enter, path =>
            {
                if (!known.ContainsKey(path) && !unready.ContainsKey(path) && events.AddPath(path))
                {
                    wake.Signal();
                }
            });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Report(directory, "cannot read directory", e.Message);
        }

        return true;
    }

    private bool Enter(string directory)
    {
        if (watched.IsExcluded(directory) || (directory != watched.Path && DatabaseFinder.IsStateDirectory(Path.GetFileName(directory))))
        {
            return false;
        }

        if (notifier is null)
        {
            return true;
        }

        StopListening(path => path == directory);
        DirectoryListener listener = notifier.Listen(directory, Hear);
        listeners[directory] = listener;
        if (listener.Problem is { } reason && problem is null)
        {
            problem = reason;
            Report(watched.Path, "directory is polled, change notification is not available", reason);
        }

        return true;
    }

    private void Hear(DirectoryListener listener, DirectoryChange change)
    {
        if (events.Add(listener, change))
        {
            wake.Signal();
        }
    }

    private void ForgetDirectory(string directory)
    {
        string below = directory + "/";
        StopListening(path => path == directory || path.StartsWith(below, StringComparison.Ordinal));
        foreach (string path in known.Keys.Concat(unready.Keys).Where(path => path.StartsWith(below, StringComparison.Ordinal)).ToArray())
        {
            Remove(path);
        }

        if (directory == watched.Path)
        {
            // It may come back, and nobody tells.
            nextReading = time.GetUtcNow() + watched.PollInterval;
        }
    }

    private void StopListening(Func<string, bool> which)
    {
        foreach ((string path, DirectoryListener listener) in listeners.Where(pair => which(pair.Key)).ToArray())
        {
            listener.Dispose();
            listeners.Remove(path);
        }
    }

    /// <summary>Says what is wrong with a path once, not at every reading.</summary>
    private void Report(string path, string message, string error)
    {
        if (reported.Add(path))
        {
            logger.Write(LogLevel.Error, message, ("path", path), ("error", error));
        }
    }
}
