using Litestream.Diagnostics;
using Litestream.Levels;
using Litestream.Sqlite;
using Litestream.Storage;
using Litestream.Verify;
using Microsoft.Extensions.Logging;

namespace Litestream;

/// <summary>
/// All databases of a process: one notification instance, one set of worker slots, fair turns. A slow or broken database or replica
/// does not delay another.
/// </summary>
public sealed class ReplicationStore : IAsyncDisposable
{
    /// <summary>Clients initialised, and databases closed, at the same time (store-and-restore §4).</summary>
    private const int Parallelism = 50;

    // In the order they were added, and by path; the path of a database that is being closed is still taken.
    private readonly List<ReplicatedDatabase> databases = [];
    private readonly Dictionary<string, ReplicatedDatabase> paths = [];
    private readonly HashSet<string> stateDirectories = [];
    private readonly Dictionary<(ulong Device, ulong Inode), string> identities = [];
    private readonly Lock gate = new();
    private readonly VerifySchedule verification;
    private readonly LevelScheduler levels;
    private bool running;
    private bool disposed;

    /// <summary>Creates an empty store.</summary>
    /// <param name="services">Files, time and logs.</param>
    /// <param name="useNotification">False to poll at the monitor interval instead of watching files.</param>
    public ReplicationStore(EngineServices services, bool useNotification = true)
    {
        Services = services;
        Shared = new SharedResources(useNotification ? new ChangeNotifier() : null, services.Time);
        verification = new VerifySchedule(() => Databases, services.Time, services.Loggers.CreateLogger("verify"));
        levels = new LevelScheduler(services.Time);
    }

    /// <summary>The databases in the order they were added.</summary>
    public IReadOnlyList<ReplicatedDatabase> Databases
    {
        get
        {
            lock (gate)
            {
                return [.. databases];
            }
        }
    }

    internal EngineServices Services { get; }

    internal SharedResources Shared { get; }

    /// <summary>Adds a database. If the store is running it starts at once.</summary>
    /// <exception cref="ArgumentException">A setting is out of range, or the path or the state directory belongs to another database.</exception>
    public ReplicatedDatabase Add(DatabaseOptions options, IReplicaClient client)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.MinCheckpointPageCount <= 0)
        {
            throw new ArgumentException("minimum checkpoint page count required", nameof(options));
        }

        var database = new ReplicatedDatabase(options, client, Services, Shared);
        lock (gate)
        {
            Register(database);
        }

        verification.Signal();

        return database;
    }

    /// <summary>
    /// Adds a database to a running store with the checks of <see cref="OpenAsync"/>: its client is initialised first, and if that fails for
    /// good nothing was added.
    /// </summary>
    /// <exception cref="ReplicaException">The client cannot be used; the message names the database. The client is disposed.</exception>
    /// <exception cref="ArgumentException">As for <see cref="Add"/>; the client is disposed.</exception>
    public async Task<ReplicatedDatabase> AddAsync(DatabaseOptions options, IReplicaClient client, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(client);
        ReplicatedDatabase? database = null;
        try
        {
            database = new ReplicatedDatabase(options, client, Services, Shared);
            using var patience = new CancellationTokenSource(ReplicatedDatabase.AnswerTime, Services.Time);
            await database.InitializeClientAsync(patience.Token, cancellationToken).ConfigureAwait(false);
            lock (gate)
            {
                Register(database);
            }

            verification.Signal();
            return database;
        }
        catch
        {
            if (database is null)
            {
                await client.DisposeAsync().ConfigureAwait(false);
            }
            else
            {
                await database.DisposeAsync().ConfigureAwait(false);
            }

            throw;
        }
    }

    /// <summary>
    /// Ends the replication of one database: last sync if its file is still there, close, free everything. Files of the state directory
    /// and of the replica stay. Afterwards the path may be added again, also if the last sync failed (cli trap B39).
    /// </summary>
    /// <param name="database">A database of this store; one that was removed already is left alone.</param>
    /// <param name="interrupt">Ends the retries of the last sync.</param>
    /// <exception cref="IOException">The last sync failed.</exception>
    /// <exception cref="OperationCanceledException">The last sync was interrupted.</exception>
    public async Task RemoveAsync(ReplicatedDatabase database, CancellationToken interrupt)
    {
        ArgumentNullException.ThrowIfNull(database);
        lock (gate)
        {
            if (!databases.Remove(database))
            {
                return;
            }
        }

        levels.Detach(database.Levels);
        try
        {
            await database.CloseAsync(interrupt).ConfigureAwait(false);
        }
        finally
        {
            await database.DisposeAsync().ConfigureAwait(false);
            lock (gate)
            {
                paths.Remove(database.Options.Path);
                foreach ((ulong, ulong) identity in identities.Where(pair => pair.Value == database.Options.Path).Select(pair => pair.Key).ToArray())
                {
                    identities.Remove(identity);
                }

                stateDirectories.Remove(database.Options.StateDirectory);
            }
        }
    }

    /// <summary>Whether a database is in the store or is just being removed from it.</summary>
    /// <param name="path">Absolute path as configured.</param>
    public bool Contains(string path)
    {
        lock (gate)
        {
            return paths.ContainsKey(path);
        }
    }

    /// <summary>Whether a file is that of a database in the store, under whatever name.</summary>
    internal bool Contains(in FileStatus file)
    {
        (ulong, ulong) identity = (file.Device, file.Inode);
        string? path;
        lock (gate)
        {
            path = identities.GetValueOrDefault(identity);
        }

        // The number of a file that was replaced may have gone to another one.
        return path is not null && Services.FileSystem.Stat(path) is { } now && (now.Device, now.Inode) == identity;
    }

    private void Register(ReplicatedDatabase database)
    {
        string path = database.Options.Path;
        string state = database.Options.StateDirectory;
        if (paths.ContainsKey(path))
        {
            throw new ArgumentException($"database \"{path}\" is replicated already");
        }

        if (!stateDirectories.Add(state))
        {
            throw new ArgumentException($"meta-path collision: database \"{path}\" and another one would both keep their state in \"{state}\"");
        }

        paths.Add(path, database);
        databases.Add(database);
        if (Services.FileSystem.Stat(path) is { } file)
        {
            identities[(file.Device, file.Inode)] = path;
        }

        if (running)
        {
            levels.Attach(database.Levels);
            database.Start();
        }
    }

    /// <summary>
    /// Initialises all replica clients, then starts all databases. If one client cannot be used, no database is opened; one whose store
    /// only does not answer now is tried again by its database, and the others run (decision D10).
    /// </summary>
    /// <param name="monitor">False for one-shot use: nothing runs by itself, <see cref="ReplicatedDatabase.SyncAsync"/> does the work.</param>
    /// <param name="cancellationToken">Stops the initialisation.</param>
    /// <exception cref="ReplicaException">A client cannot be used; the message names the database.</exception>
    public async Task OpenAsync(bool monitor, CancellationToken cancellationToken)
    {
        IReadOnlyList<ReplicatedDatabase> all = Databases;
        WarnOfDescriptors(all.Count);

        // One patience for all: a store that is down must not hold up the others once for every fifty databases on it.
        using var patience = new CancellationTokenSource(ReplicatedDatabase.AnswerTime, Services.Time);
        await Parallel.ForEachAsync(
            all,
            new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = cancellationToken },
            (database, token) => new ValueTask(database.InitializeClientAsync(patience.Token, token))).ConfigureAwait(false);
        lock (gate)
        {
            running = monitor;
        }

        if (monitor)
        {
            long began = Services.Time.GetTimestamp();
            foreach (ReplicatedDatabase database in all)
            {
                levels.Attach(database.Levels);
                database.Start();
            }

            if (all.Count > OpeningGate.Places)
            {
                _ = ReportOpenedAsync(all, began);
            }

            verification.Start();
        }
    }

    /// <summary>
    /// Says at the start what would otherwise show as databases that cannot be opened, one by one and late. The runtime has raised the soft
    /// limit to the hard one already.
    /// </summary>
    private void WarnOfDescriptors(int count)
    {
        long needed = DescriptorLimit.Needed(count);
        if (DescriptorLimit.Read(Services.FileSystem) is { } limit && needed > limit)
        {
            Services.Loggers.CreateLogger("").Write(
                LogLevel.Error,
                "too many databases for the limit on open files (RLIMIT_NOFILE), some will not be replicated",
                ("databases", count),
                ("limit", limit),
                ("needed", needed),
                ("action", $"set LimitNOFILE={needed} in the systemd unit, or raise the hard limit (ulimit -Hn) before the start"));
        }
    }

    /// <summary>
    /// Says when a start in several waves is over: from here on every database is under replication, or has said why not. A few databases
    /// are open before anybody could ask, and the recorded logs of the reference have no such line.
    /// </summary>
    private async Task ReportOpenedAsync(IReadOnlyList<ReplicatedDatabase> all, long began)
    {
        foreach (ReplicatedDatabase database in all)
        {
            await database.FirstAttempt.ConfigureAwait(false);
        }

        Services.Loggers.CreateLogger("").Write(
            LogLevel.Information,
            "databases opened",
            ("count", all.Count),
            ("replicating", all.Count(d => d.State == DatabaseState.Replicating)),
            ("duration", Services.Time.GetElapsedTime(began)));
    }

    /// <summary>Stops, syncs and closes every database; each gets its own time for the final upload.</summary>
    /// <param name="interrupt">Ends the retries of final uploads.</param>
    /// <returns>The databases whose final sync failed, with the reason. Empty if all is safe.</returns>
    public async Task<IReadOnlyList<(ReplicatedDatabase Database, Exception Error)>> CloseAsync(CancellationToken interrupt)
    {
        var failures = new List<(ReplicatedDatabase, Exception)>();
        await verification.StopAsync().ConfigureAwait(false);
        await Parallel.ForEachAsync(
            Databases,
            new ParallelOptions { MaxDegreeOfParallelism = Parallelism },
            async (database, _) =>
            {
                try
                {
                    await database.CloseAsync(interrupt).ConfigureAwait(false);
                }
                catch (Exception e)
                {
                    lock (failures)
                    {
                        failures.Add((database, e));
                    }
                }
            }).ConfigureAwait(false);
        return failures;
    }

    /// <summary>Releases everything; call <see cref="CloseAsync"/> first, or the last commits are not synced.</summary>
    public async ValueTask DisposeAsync()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        await verification.DisposeAsync().ConfigureAwait(false);
        foreach (ReplicatedDatabase database in Databases)
        {
            await database.DisposeAsync().ConfigureAwait(false);
        }

        levels.Dispose();
        Shared.Dispose();
    }
}
