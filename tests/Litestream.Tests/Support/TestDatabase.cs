using Litestream.Ltx;
using Litestream.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Litestream.Tests.Support;

/// <summary>A folder with a database and a directory replica, and stores that replicate the one to the other.</summary>
internal sealed class TestDatabase : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("ls-").FullName;

    public string Path => System.IO.Path.Combine(root, "app.db");

    public string Replica => System.IO.Path.Combine(root, "replica");

    public string LocalLevelZero => System.IO.Path.Combine(root, ".app.db-litestream", "ltx", "0");

    public string RemoteLevelZero => System.IO.Path.Combine(Replica, "ltx", "0");

    public RecordingLogs Logs { get; } = new();

    public TimeProvider Time { get; init; } = TimeProvider.System;

    public Func<DatabaseOptions, DatabaseOptions> Configure { get; set; } = static options => options;

    /// <summary>Opens a store without loops: passes run when the test asks.</summary>
    public async Task<ManualStore> OpenAsync(IReplicaClient? client = null, IFileSystem? fileSystem = null, bool monitor = false)
    {
        IFileSystem files = fileSystem ?? LocalFileSystem.Instance;
        var store = new ReplicationStore(new EngineServices(files, Time, Logs));
        ReplicatedDatabase database = store.Add(
            Configure(new DatabaseOptions { Path = Path }), client ?? new FileReplicaClient(files, Replica));
        await store.OpenAsync(monitor, CancellationToken.None);
        return new ManualStore(store, database);
    }

    public void Dispose() => Directory.Delete(root, recursive: true);
}

/// <summary>A store with one database; disposing kills it: no final sync.</summary>
internal sealed class ManualStore(ReplicationStore store, ReplicatedDatabase database) : IAsyncDisposable
{
    public ReplicationStore Store => store;

    public ReplicatedDatabase Database => database;

    public async Task<ulong> SyncAsync() => (await database.SyncAsync(CancellationToken.None)).Value;

    public async Task CloseAsync() => Assert.Empty(await store.CloseAsync(CancellationToken.None));

    public Task<IReadOnlyList<(ReplicatedDatabase Database, Exception Error)>> TryCloseAsync(CancellationToken interrupt = default) =>
        store.CloseAsync(interrupt);

    public ValueTask DisposeAsync() => store.DisposeAsync();
}
