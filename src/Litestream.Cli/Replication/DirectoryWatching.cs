using Litestream.Cli.Commands;
using Litestream.Configuration;
using Litestream.Directories;
using Litestream.Storage;

namespace Litestream.Cli.Replication;

/// <summary>The watchers of a run's directory entries, and what the databases they find are given.</summary>
internal sealed class DirectoryWatching(CliHost host, ReplicationStore store, CancellationToken interrupt) : IAsyncDisposable
{
    // Destination of a replica to the database that uses it: two databases must never share one (trap B20).
    private readonly Dictionary<string, string> destinations = [];
    private readonly List<DirectoryWatcher> watchers = [];
    private readonly Lock gate = new();

    /// <summary>Starts a watcher for each entry that asks for one.</summary>
    /// <param name="plan">What the start found.</param>
    public void Start(ReplicationPlan plan)
    {
        foreach (ConfiguredDatabase database in plan.Databases)
        {
            destinations[database.Target.Destination] = database.Options.Path;
        }

        ILookup<string, ReplicatedDatabase> byPath = store.Databases.ToLookup(database => database.Options.Path);
        foreach (WatchedEntry entry in plan.Watched)
        {
            HashSet<string> own = [.. entry.OwnDirectories];
            var watcher = new DirectoryWatcher(store, new WatchedDirectory
            {
                Path = entry.Directory,
                Recursive = entry.Recursive,
                Matches = entry.Matches,
                IsExcluded = own.Contains,
                Configure = path => Configure(entry, path),
                PollInterval = entry.MonitorInterval is { } interval && interval > TimeSpan.FromSeconds(1) ? interval : TimeSpan.FromSeconds(1),
            }, interrupt);
            watchers.Add(watcher);
            watcher.Start(plan.Databases.Where(database => database.EntryNumber == entry.EntryNumber).SelectMany(database => byPath[database.Options.Path]));
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (DirectoryWatcher watcher in watchers)
        {
            await watcher.DisposeAsync().ConfigureAwait(false);
        }

        watchers.Clear();
    }

    private (DatabaseOptions Options, IReplicaClient Client) Configure(WatchedEntry entry, string path)
    {
        try
        {
            ConfiguredDatabase database = entry.Resolve(path);
            string destination = database.Target.Destination;
            lock (gate)
            {
                if (destinations.TryGetValue(destination, out string? other) && other != path && store.Contains(other))
                {
                    throw new InvalidOperationException(
                        $"databases \"{other}\" and \"{path}\" have the same replica destination \"{destination}\"; each database needs its own");
                }

                destinations[destination] = path;
            }

            return (database.Options, host.Replicas.Create(database.Target, database.Options));
        }
        catch (Exception e) when (e is ConfigurationException or CliException)
        {
            throw new InvalidOperationException(e.Message, e);
        }
    }
}
