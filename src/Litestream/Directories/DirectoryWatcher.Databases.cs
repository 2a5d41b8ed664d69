using Litestream.Diagnostics;
using Litestream.Sqlite;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Directories;

/// <summary>Adding and removing the databases that the watcher has heard of.</summary>
public sealed partial class DirectoryWatcher
{
    /// <summary>Adds a file if it is a database; one that is not yet is looked at again when it changes.</summary>
    private async Task ConsiderAsync(string path, CancellationToken cancellationToken)
    {
        if (known.ContainsKey(path) || removals.ContainsKey(path) || IsReplicatedAlready(path))
        {
            // A removal under way still writes to the same state directory; its end brings the path back here (trap B39).
            return;
        }

        if (unready.Remove(path, out NotifierHandle? handle))
        {
            handle.Dispose();
        }

        try
        {
            if (IsDatabase(path))
            {
                await AddAsync(path, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException or ArgumentException)
        {
            Report(path, "cannot add database to replication", e.Message);
        }
    }

    private async Task AddAsync(string path, CancellationToken cancellationToken)
    {
        (DatabaseOptions options, IReplicaClient client) = watched.Configure(path);
        known.Add(path, await store.AddAsync(options, client, cancellationToken).ConfigureAwait(false));
        reported.Remove(path);
        logger.Write(LogLevel.Information, "added database to replication", ("path", path));
    }

    /// <summary>
    /// The header decides. A file without one is watched by itself: an application creates it empty, and what it writes later is no
    /// event of the directory. Armed before the second look, so that nothing falls in between.
    /// </summary>
    private bool IsDatabase(string path)
    {
        if (finder.IsDatabase(path))
        {
            return true;
        }

        if (notifier is null || store.Services.FileSystem.Stat(path) is not { Kind: FileKind.Regular })
        {
            return false;
        }

        NotifierHandle handle = notifier.Register(path, () =>
        {
            if (events.AddPath(path))
            {
                wake.Signal();
            }
        });
        handle.Arm();
        if (finder.IsDatabase(path))
        {
            handle.Dispose();
            return true;
        }

        unready.Add(path, handle);
        return false;
    }

    /// <summary>
    /// True for a database that an entry of its own replicates, also under another name: opening it to look at its header would drop
    /// the lock (replication trap C1).
    /// </summary>
    private bool IsReplicatedAlready(string path) =>
        store.Contains(path) || (store.Services.FileSystem.Stat(path) is { } status && store.Contains(status));

    /// <summary>Takes a database out, without waiting for its last upload: a store that does not answer must not stop the watching.</summary>
    private void Remove(string path)
    {
        if (unready.Remove(path, out NotifierHandle? handle))
        {
            handle.Dispose();
        }

        reported.Remove(path);
        if (known.Remove(path, out ReplicatedDatabase? database))
        {
            removals[path] = RemoveAsync(path, database);
        }
    }

    private async Task RemoveAsync(string path, ReplicatedDatabase database)
    {
        await Task.Yield();
        try
        {
            await store.RemoveAsync(database, interrupt).ConfigureAwait(false);
            logger.Write(LogLevel.Information, "removed database from replication", ("path", path));
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or InvalidOperationException or SqliteException)
        {
            logger.Write(LogLevel.Error, "removed database from replication, its last changes may not be in the replica", ("path", path), ("error", e.Message));
        }

        ended.Enqueue(path);
        wake.Signal();
    }

    /// <summary>Removals that ended make room for a new file of the same name.</summary>
    private void CollectRemovals()
    {
        while (ended.TryDequeue(out string? path))
        {
            removals.Remove(path);
            if (store.Services.FileSystem.Stat(path) is not null && events.AddPath(path))
            {
                wake.Signal();
            }
        }
    }
}
