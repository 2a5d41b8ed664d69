using System.Diagnostics;
using Litestream.Sqlite;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.Tests.Support;

namespace Litestream.Tests.Capture;

/// <summary>The WAL file and the wal-index disagree for a while, or for good. Only the index says what is committed (replication §8.7 rule 0).</summary>
public sealed class VisibilityTraps
{
    private const string Setup = "CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t(v) SELECT hex(randomblob(200)) FROM generate_series(1, 60);";

    private const string SpillAndRollBack = "PRAGMA cache_size=5; PRAGMA cache_spill=5; BEGIN; UPDATE t SET v = hex(randomblob(300)); ROLLBACK;";

    private static UnsyncedFileSystem Unsynced => new(LocalFileSystem.Instance);

    [Fact]
    public async Task Trap_C12_ACommitThatWasNeverPublishedIsNeverCaptured()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path, pageSize: 1024);
        app.Run(Setup);
        await using ManualStore store = await test.OpenAsync(fileSystem: Unsynced);
        ulong first = await store.SyncAsync();
        WalFile.AppendPhantom(test.Path + "-wal", pageNumber: 3, fill: 0xEE);
        Assert.Equal(first, await store.SyncAsync());
        using var other = new SqliteShell(test.Path);
        other.Run("INSERT INTO t(v) VALUES ('over the phantom');");
        var expected = new Dictionary<ulong, byte[]> { [await store.SyncAsync()] = other.Image() };
        WalFile.AppendPhantom(test.Path + "-wal", pageNumber: 2, fill: 0xDD);
        other.Run("INSERT INTO t(v) SELECT hex(randomblob(100)) FROM generate_series(1, 50);");
        expected[await store.SyncAsync()] = other.Image();
        Assert.Equal([first + 1, first + 2], expected.Keys);
        CaptureTests.AssertStates(expected, test.RemoteLevelZero);
        Assert.False(test.Logs.HasWarnings, "the phantom broke nothing");
    }

    [Fact]
    public async Task Trap_C13_ACommitThatBecomesVisibleAfterItsEventIsShippedAtOnce()
    {
        // Every fdatasync takes 150 ms longer: the frames are in the file, and the event is out, long before the commit is visible.
        string[] slow = ["strace", "-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=150000"];
        if (!await CanRunAsync([.. slow, "true"]))
        {
            Assert.Skip("needs strace with the right to trace");
        }

        // No polling that could help: the next look without an event is a minute away.
        using var test = new TestDatabase { Configure = o => o with { MonitorInterval = TimeSpan.FromHours(1), SyncInterval = TimeSpan.FromMilliseconds(100) } };
        using var app = new SqliteShell(test.Path, under: slow);
        app.Run("PRAGMA synchronous=FULL; CREATE TABLE t(v); INSERT INTO t VALUES (0);");
        await using ManualStore store = await test.OpenAsync(fileSystem: Unsynced, monitor: true);
        await test.Logs.WaitForAsync("ltx file uploaded");
        long began = Stopwatch.GetTimestamp();
        for (int i = 1; i <= 6; i++)
        {
            int before = test.Logs.Count("ltx file uploaded");
            app.Run($"INSERT INTO t VALUES ({i});");
            await test.Logs.WaitForAsync("ltx file uploaded", before + 1);
        }

        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 40);
        CaptureTests.AssertStates(new() { [store.Database.GetStatus().Txid.Value] = app.Image() }, test.RemoteLevelZero);
    }

    /// <summary>The same behind an empty WAL, of which the index knows no position: nothing is visible, and a header in the file is more than that.</summary>
    [Fact]
    public async Task Trap_C13_TheFirstCommitInAnEmptyWalIsShippedAtOnce()
    {
        string[] slow = ["strace", "-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=150000"];
        if (!await CanRunAsync([.. slow, "true"]))
        {
            Assert.Skip("needs strace with the right to trace");
        }

        using var test = new TestDatabase { Configure = o => o with { MonitorInterval = TimeSpan.FromHours(1), SyncInterval = TimeSpan.FromMilliseconds(100) } };
        using var app = new SqliteShell(test.Path, under: slow);
        app.Run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t(v); INSERT INTO t VALUES (0); PRAGMA wal_checkpoint(TRUNCATE);");
        await using ManualStore store = await test.OpenAsync(fileSystem: Unsynced, monitor: true);
        await test.Logs.WaitForAsync("ltx file uploaded");
        await Task.Delay(TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);
        int before = test.Logs.Count("ltx file uploaded");
        long began = Stopwatch.GetTimestamp();
        app.Run("INSERT INTO t VALUES (1);");
        await test.Logs.WaitForAsync("ltx file uploaded", before + 1);
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 20);
        CaptureTests.AssertStates(new() { [store.Database.GetStatus().Txid.Value] = app.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_C14_AnEmptiedWalAndAStopLoseNothing()
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 1 } };
        using var app = new SqliteShell(test.Path, pageSize: 1024);
        app.Run(Setup);
        var expected = new Dictionary<ulong, byte[]>();
        await using (ManualStore store = await test.OpenAsync(fileSystem: Unsynced))
        {
            expected[await store.SyncAsync()] = app.Image();
            Assert.StartsWith("0|", app.Run("PRAGMA wal_checkpoint(TRUNCATE);")[0], StringComparison.Ordinal);
            await store.SyncAsync();
            app.Run("INSERT INTO t(v) VALUES ('after truncate');");
            expected[await store.SyncAsync()] = app.Image();
            Assert.False(test.Logs.HasWarnings, "the lock was held: nothing was missed");
            Assert.StartsWith("0|", app.Run("PRAGMA wal_checkpoint(TRUNCATE);")[0], StringComparison.Ordinal);
        }

        await using ManualStore again = await test.OpenAsync(fileSystem: Unsynced);
        expected[await again.SyncAsync()] = app.Image();
        app.Run("INSERT INTO t(v) VALUES ('after the stop');");
        expected[await again.SyncAsync()] = app.Image();
        CaptureTests.AssertStates(expected, test.RemoteLevelZero);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Trap_C14_TheIndexIsRestartedButTheHeaderWasNeverWritten(bool stop)
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 1 } };
        using var app = new SqliteShell(test.Path, pageSize: 1024);
        app.Run(Setup);
        ManualStore store = await test.OpenAsync(fileSystem: Unsynced);
        try
        {
            var expected = new Dictionary<ulong, byte[]> { [await store.SyncAsync()] = app.Image() };

            // A restarting writer whose header write failed: the index has new salts, the file the old header and valid, stale frames.
            byte[] old = WalFile.Read(test.Path + "-wal");
            using (var dying = new SqliteShell(test.Path))
            {
                dying.Run(SpillAndRollBack);
                Assert.NotEqual(WalFile.Header(test.Path + "-wal"), Header(old));
                WalFile.Write(test.Path + "-wal", old);
                dying.Kill();
            }

            Assert.Equal(1ul, await store.SyncAsync());
            if (stop)
            {
                await store.DisposeAsync();
                store = await test.OpenAsync(fileSystem: Unsynced);
                expected[await store.SyncAsync()] = app.Image();
            }

            for (int i = 0; i < 3; i++)
            {
                app.Run($"INSERT INTO t(v) VALUES ('goes on {i}');");
                expected[await store.SyncAsync()] = app.Image();
            }

            Assert.Equal(4, expected.Count);
            CaptureTests.AssertStates(expected, test.RemoteLevelZero);
        }
        finally
        {
            await store.DisposeAsync();
        }
    }

    [Fact]
    public async Task Trap_C14_ARecoveryBringsTheOldGenerationBack()
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 1 } };
        var expected = new Dictionary<ulong, byte[]>();
        using (var app = new SqliteShell(test.Path, pageSize: 1024))
        {
            app.Run(Setup);
            await using ManualStore store = await test.OpenAsync(fileSystem: Unsynced);
            expected[await store.SyncAsync()] = app.Image();
            byte[] old = WalFile.Read(test.Path + "-wal");
            app.Run(SpillAndRollBack);
            WalFile.Write(test.Path + "-wal", old);
            Assert.Equal(1ul, await store.SyncAsync());
            app.Kill();
        }

        File.Delete(test.Path + "-shm");
        using var next = new SqliteShell(test.Path);
        next.Run("INSERT INTO t(v) VALUES ('behind the old frames');");
        await using ManualStore again = await test.OpenAsync(fileSystem: Unsynced);
        expected[await again.SyncAsync()] = next.Image();
        next.Run("INSERT INTO t(v) VALUES ('and on');");
        expected[await again.SyncAsync()] = next.Image();
        Assert.Equal(3, expected.Count);
        CaptureTests.AssertStates(expected, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_C18_ARewrittenHeaderWithTheSameSaltsDoesNotStallCapture()
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 1 } };
        using var a = new SqliteShell(test.Path, pageSize: 1024);
        a.Run(Setup);
        using var b = new SqliteShell(test.Path);
        await using ManualStore store = await test.OpenAsync(fileSystem: Unsynced);
        var expected = new Dictionary<ulong, byte[]> { [await store.SyncAsync()] = a.Image() };

        // Every sync ends with a complete checkpoint, so every next commit restarts the WAL and B counts checkpoints that A does not.
        for (int i = 0; i < 3; i++)
        {
            b.Run($"INSERT INTO t(v) VALUES ('restart {i}');");
            expected[await store.SyncAsync()] = a.Image();
        }

        a.Run(SpillAndRollBack);
        WalHeader opened = WalFile.Header(test.Path + "-wal");
        ulong before = await store.SyncAsync();
        b.Run("INSERT INTO t(v) VALUES ('starts the generation again');");
        WalHeader rewritten = WalFile.Header(test.Path + "-wal");
        Assert.Equal((opened.Salt1, opened.Salt2), (rewritten.Salt1, rewritten.Salt2));
        Assert.NotEqual(opened.Sequence, rewritten.Sequence);
        expected[await store.SyncAsync()] = a.Image();
        b.Run("INSERT INTO t(v) VALUES ('and on');");
        expected[await store.SyncAsync()] = a.Image();
        Assert.Equal(before + 2, expected.Keys.Max());
        CaptureTests.AssertStates(expected, test.RemoteLevelZero);
        Assert.False(test.Logs.HasWarnings, "a full copy was taken");
    }

    [Fact]
    public async Task Trap_C9_TwoReplicatorsOnOneDatabaseLoseNothing()
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 1 } };
        string root = Path.GetDirectoryName(test.Path)!;
        string otherReplica = Path.Combine(root, "other-replica");
        using var app = new SqliteShell(test.Path, pageSize: 1024);
        app.Run(Setup);
        await using ManualStore one = await test.OpenAsync(fileSystem: Unsynced);
        test.Configure = o => o with { MinCheckpointPageCount = 1, MetaPath = Path.Combine(root, "other-state") };
        await using ManualStore two = await test.OpenAsync(new FileReplicaClient(Unsynced, otherReplica), Unsynced);
        var expectedOne = new Dictionary<ulong, byte[]>();
        var expectedTwo = new Dictionary<ulong, byte[]>();
        var random = new Random(9);
        for (int i = 0; i < 40; i++)
        {
            app.Run($"INSERT INTO t(v) VALUES ('{i}'); UPDATE t SET v = hex(randomblob(150)) WHERE id % 7 = {i % 7};");
            if (random.Next(4) == 0)
            {
                app.Run("PRAGMA wal_checkpoint(TRUNCATE);");
            }

            if (random.Next(3) > 0)
            {
                expectedOne[await one.SyncAsync()] = app.Image();
            }

            if (random.Next(3) > 0)
            {
                expectedTwo[await two.SyncAsync()] = app.Image();
            }
        }

        expectedOne[await one.SyncAsync()] = app.Image();
        expectedTwo[await two.SyncAsync()] = app.Image();
        CaptureTests.AssertStates(expectedOne, test.RemoteLevelZero);
        CaptureTests.AssertStates(expectedTwo, Path.Combine(otherReplica, "ltx", "0"));
    }

    private static WalHeader Header(byte[] bytes)
    {
        WalHeader.TryParse(bytes, out WalHeader header);
        return header;
    }

    private static async Task<bool> CanRunAsync(string[] command)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardError = true })!;
            await process.WaitForExitAsync();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
