using Litestream.Storage;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;

namespace Litestream.Tests.Directories;

/// <summary>Databases that come and go in a watched directory (cli-config-control §5).</summary>
public sealed class DirectoryWatcherTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task DatabasesAreAddedAndRemovedByNotificationAndByPolling(bool notification)
    {
        await using var scene = new WatchScene(notification);
        string before = scene.Put("before.db");
        await scene.StartAsync();
        await scene.UntilAsync(() => scene.IsReplicating(before), "there already");
        string nested = scene.Put("x/y/nested.db");
        string text = Path.Combine(scene.Root, "text.db");
        File.WriteAllText(text, "no database, but long enough for a header");
        await scene.UntilAsync(() => scene.IsReplicating(nested), "nested");
        Assert.False(scene.Store.Contains(text));
        File.Delete(text);
        scene.Put("text.db");
        await scene.UntilAsync(() => scene.IsReplicating(text), "became a database");
        Directory.Move(Path.Combine(scene.Root, "x"), Path.Combine(scene.Root, "z"));
        string moved = Path.Combine(scene.Root, "z/y/nested.db");
        await scene.UntilAsync(() => scene.IsReplicating(moved) && !scene.Store.Contains(nested), "renamed directory");
        File.Delete(before);
        await scene.UntilAsync(() => !scene.Store.Contains(before), "deleted");
        Assert.False(scene.Logs.Contains("cannot add"));
    }

    [Fact]
    public async Task AnEmptyFileIsWatchedUntilItIsADatabaseWithoutAnyEventOfItsDirectory()
    {
        await using var scene = new WatchScene();
        string path = Path.Combine(scene.Root, "app.db");
        File.WriteAllBytes(path, []);
        await scene.StartAsync();
        scene.Time.Advance(TimeSpan.FromSeconds(1));
        byte[] content = File.ReadAllBytes(scene.Put("other.db"));
        await scene.UntilAsync(() => scene.IsReplicating(Path.Combine(scene.Root, "other.db")), "other");
        Assert.False(scene.Store.Contains(path));
        using (FileStream file = File.OpenWrite(path))
        {
            file.Write(content);
        }

        await scene.UntilAsync(() => scene.IsReplicating(path), "written");
    }

    [Fact]
    public async Task StateAndReplicasInsideTheTreeAreNotLookedInto()
    {
        await using var scene = new WatchScene();
        string state = scene.Put(".app.db-litestream/inside.db");
        string own = scene.Put("own/inside.db");
        string app = scene.Put("app.db");
        await scene.StartAsync();
        await scene.UntilAsync(() => scene.IsReplicating(app), "added");
        Assert.False(scene.Store.Contains(state));
        Assert.False(scene.Store.Contains(own));
        Assert.Single(scene.Store.Databases);
    }

    [Fact]
    public async Task Trap_B39_APathCanBeAddedAgainAlthoughTheLastSyncFailed()
    {
        var failing = new FaultyReplicaClient(new MemoryReplicaClient());
        bool first = true;
        await using var scene = new WatchScene(client: _ => Interlocked.Exchange(ref first, false) ? failing : new MemoryReplicaClient());
        string path = scene.Put("app.db");
        await scene.StartAsync();
        await scene.UntilAsync(() => scene.IsReplicating(path), "added");
        failing.Fail(ReplicaOperation.Write, count: int.MaxValue);
        using (var app = new SqliteShell(path))
        {
            app.Run("INSERT INTO t VALUES (2);");
            await scene.UntilAsync(() => scene.Store.Databases.Any(d => d.State == DatabaseState.Failing), "upload fails");
        }

        File.Delete(path);
        await scene.UntilAsync(() => scene.Logs.Contains("its last changes may not be in the replica"), "removed with an error");
        Assert.False(scene.Store.Contains(path));
        scene.Put("app.db");
        await scene.UntilAsync(() => scene.IsReplicating(path), "picked up again");
    }

    [Fact]
    public async Task AStoreThatDoesNotAnswerDoesNotStopTheWatching()
    {
        var hanging = new HangingClient(new MemoryReplicaClient());
        await using var scene = new WatchScene(client: path => path.EndsWith("slow.db", StringComparison.Ordinal) ? hanging : new MemoryReplicaClient());
        string slow = scene.Put("slow.db");
        await scene.StartAsync();
        await scene.UntilAsync(() => hanging.Writing.IsCompleted, "upload begins");
        File.Delete(slow);
        string other = scene.Put("other.db");
        await scene.UntilAsync(() => scene.IsReplicating(other), "added meanwhile");
        hanging.LetGo();
        await scene.UntilAsync(() => !scene.Store.Contains(slow), "removed");
    }

    [Fact]
    public async Task ADatabaseReplicatedByAnEntryOfItsOwnIsNeverOpenedByTheWatcher()
    {
        await using var scene = new WatchScene();
        string path = scene.Put("app.db");
        File.CreateSymbolicLink(Path.Combine(scene.Root, "link.db"), path);
        ReplicatedDatabase own = scene.Store.Add(new DatabaseOptions { Path = path }, new MemoryReplicaClient());
        await scene.StartAsync();
        await scene.UntilAsync(() => scene.IsReplicating(path), "by its own entry");
        string other = scene.Put("other.db");
        await scene.UntilAsync(() => scene.IsReplicating(other), "added");
        Assert.Equal(2, scene.Store.Databases.Count);
        Assert.Equal(DatabaseState.Replicating, own.State);
    }
}
