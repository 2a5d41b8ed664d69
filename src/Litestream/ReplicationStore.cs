using Litestream.Sqlite;
using Litestream.Storage;
using Litestream.Verify;

namespace Litestream;

/// <summary>
/// All databases of a process: one notification instance, one set of worker slots, fair turns. A slow or broken database or replica
/// does not delay another.
/// </summary>
public sealed class ReplicationStore : IAsyncDisposable
{
    /// <summary>Clients initialised, and databases closed, at the same time (store-and-restore §4).</summary>
    private const int Parallelism = 50;

    private readonly EngineServices services;
    private readonly SemaphoreSlim workerSlots = new(Math.Max(2, Environment.ProcessorCount));
    private readonly ChangeNotifier? notifier;
    private readonly List<ReplicatedDatabase> databases = [];
    private readonly Lock gate = new();
    private readonly VerifySchedule verification;
    private bool running;

    /// <summary>Creates an empty store.</summary>
    /// <param name="services">Files, time and logs.</param>
    /// <param name="useNotification">False to poll at the monitor interval instead of watching files.</param>
    public ReplicationStore(EngineServices services, bool useNotification = true)
    {
        this.services = services;
        notifier = useNotification ? new ChangeNotifier() : null;
        verification = new VerifySchedule(() => Databases, services.Time, services.Loggers.CreateLogger("verify"));
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

    /// <summary>Adds a database. If the store is running it starts at once.</summary>
    public ReplicatedDatabase Add(DatabaseOptions options, IReplicaClient client)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.MinCheckpointPageCount <= 0)
        {
            throw new ArgumentException("minimum checkpoint page count required", nameof(options));
        }

        var database = new ReplicatedDatabase(options, client, services, workerSlots, notifier);
        lock (gate)
        {
            databases.Add(database);
            if (running)
            {
                database.Start();
            }
        }

        verification.Signal();

        return database;
    }

    /// <summary>Initialises all replica clients, then starts all databases. If one client fails, no database is started.</summary>
    /// <param name="monitor">False for one-shot use: nothing runs by itself, <see cref="ReplicatedDatabase.SyncAsync"/> does the work.</param>
    /// <param name="cancellationToken">Stops the initialisation.</param>
    /// <exception cref="ReplicaException">A client cannot be used; the message names the database.</exception>
    public async Task OpenAsync(bool monitor, CancellationToken cancellationToken)
    {
        IReadOnlyList<ReplicatedDatabase> all = Databases;
        await Parallel.ForEachAsync(
            all,
            new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = cancellationToken },
            static async (database, token) =>
            {
                try
                {
                    await database.Client.InitializeAsync(token).ConfigureAwait(false);
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    throw new ReplicaException($"initialize replica client for \"{database.Options.Path}\": {e.Message}", isTransient: false, e);
                }
            }).ConfigureAwait(false);
        lock (gate)
        {
            running = monitor;
        }

        foreach (ReplicatedDatabase database in monitor ? all : [])
        {
            database.Start();
        }

        if (monitor)
        {
            verification.Start();
        }
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
        await verification.DisposeAsync().ConfigureAwait(false);
        foreach (ReplicatedDatabase database in Databases)
        {
            await database.DisposeAsync().ConfigureAwait(false);
        }

        notifier?.Dispose();
        workerSlots.Dispose();
    }
}
