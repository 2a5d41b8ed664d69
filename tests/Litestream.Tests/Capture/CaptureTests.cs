using Litestream.Ltx;
using Litestream.Tests.Support;

namespace Litestream.Tests.Capture;

/// <summary>
/// The first thing of all: what an application commits is in the level-0 files, page for page. Each test compares every TXID with a
/// copy of the source taken while nobody wrote.
/// </summary>
public sealed class CaptureTests
{
    [Fact]
    public async Task EveryCommitIsInTheChain()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t(v) VALUES ('a');");
        await using ManualStore store = await test.OpenAsync();
        var expected = new Dictionary<ulong, byte[]> { [await store.SyncAsync()] = app.Image() };
        for (int i = 0; i < 20; i++)
        {
            app.Run($"INSERT INTO t(v) VALUES (hex(randomblob({(i * 137) % 3000}))); UPDATE t SET v = v || 'x' WHERE id % 3 = {i % 3};");
            expected[await store.SyncAsync()] = app.Image();
        }

        Assert.Equal(21, expected.Count);
        AssertStates(expected, test.RemoteLevelZero);
        AssertStates(expected, test.LocalLevelZero);
        Assert.Equal(store.Database.GetStatus().ReplicaTxid, new Txid(21));
    }

    [Fact]
    public async Task NothingNewWritesNothing()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        await using ManualStore store = await test.OpenAsync();
        ulong first = await store.SyncAsync();
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(first, await store.SyncAsync());
        }

        Assert.Single(Directory.GetFiles(test.LocalLevelZero));
    }

    [Fact]
    public async Task RestartAfterCleanStopContinuesIncrementally()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t SELECT hex(randomblob(300)) FROM generate_series(1, 200);");
        await using (ManualStore store = await test.OpenAsync())
        {
            await store.SyncAsync();
            app.Run("INSERT INTO t VALUES ('second');");
            await store.SyncAsync();
            await store.CloseAsync();
        }

        app.Run("INSERT INTO t VALUES ('while stopped');");
        await using ManualStore again = await test.OpenAsync();
        ulong third = await again.SyncAsync();
        Assert.Equal(3ul, third);
        Assert.True(Chain.PageCount(Path.Combine(test.LocalLevelZero, LtxFileName.Format(new(3), new(3)))) < 10);
        AssertStates(new() { [third] = app.Image() }, test.RemoteLevelZero);
    }

    internal static void AssertStates(Dictionary<ulong, byte[]> expected, string levelZero)
    {
        SortedDictionary<ulong, byte[]> states = Chain.States(levelZero);
        foreach ((ulong txid, byte[] image) in expected)
        {
            Assert.True(states.TryGetValue(txid, out byte[]? state), $"transaction {txid} is missing");
            Assert.True(
                state.AsSpan().SequenceEqual(image),
                $"state at transaction {txid} differs from the source: {state.Length} and {image.Length} bytes, first at {state.AsSpan().CommonPrefixLength(image)}");
        }
    }
}
