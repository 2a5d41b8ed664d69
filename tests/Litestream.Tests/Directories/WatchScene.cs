using System.Collections.Concurrent;
using Litestream.Directories;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;
using Microsoft.Extensions.Time.Testing;

namespace Litestream.Tests.Directories;

/// <summary>A directory, a store and a watcher between them, on a clock that the test drives.</summary>
internal sealed class WatchScene : IAsyncDisposable
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    private readonly TempDirectory folder = new();
    private readonly DirectoryWatcher watcher;

    public WatchScene(bool useNotification = true, Func<string, IReplicaClient>? client = null)
    {
        Directory.CreateDirectory(Root);
        Store = new ReplicationStore(new EngineServices(new TestKit.Files.UnsyncedFileSystem(LocalFileSystem.Instance), Time, Logs), useNotification);
        watcher = new DirectoryWatcher(
            Store,
            new WatchedDirectory
            {
                Path = Root,
                Recursive = true,
                Matches = static name => name.EndsWith(".db", StringComparison.Ordinal),
                IsExcluded = path => path == Root + "/own",
                Configure = path => (
                    new DatabaseOptions { Path = path, ShutdownSyncTimeout = TimeSpan.Zero },
                    client?.Invoke(path) ?? Replicas.GetOrAdd(path, _ => new MemoryReplicaClient())),
            },
            CancellationToken.None);
    }

    public string Root => folder["data"];

    public FakeTimeProvider Time { get; } = new(DateTimeOffset.UnixEpoch.AddYears(50));

    public RecordingLogs Logs { get; } = new();

    public ReplicationStore Store { get; }

    public ConcurrentDictionary<string, MemoryReplicaClient> Replicas { get; } = [];

    public async Task StartAsync()
    {
        await Store.OpenAsync(monitor: true, CancellationToken.None);
        watcher.Start([]);
    }

    /// <summary>Makes a database as a copy of one that SQLite has written: what is renamed or copied in.</summary>
    public string Put(string name)
    {
        string template = folder["template"];
        if (!File.Exists(template))
        {
            using var app = new SqliteShell(template);
            app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1); PRAGMA wal_checkpoint(TRUNCATE);");
        }

        string path = Path.Combine(Root, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.Copy(template, path);
        return path;
    }

    public Task UntilAsync(Func<bool> condition, string what, TimeSpan? limit = null) =>
        Time.AdvanceUntilAsync(condition, limit ?? Soon, what, TimeSpan.FromMilliseconds(10));

    public bool IsReplicating(string path) =>
        Store.Databases.Any(d => d.Options.Path == path && d.State == DatabaseState.Replicating && d.GetStatus().ReplicaTxid is { IsNone: false });

    public async ValueTask DisposeAsync()
    {
        await watcher.DisposeAsync();
        await Store.DisposeAsync();
        folder.Dispose();
    }
}
