using System.Diagnostics;
using Litestream.Capture;
using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.Tests.Support;

namespace Litestream.Tests.Capture;

/// <summary>The WAL stays small, nobody waits for us, and no frame is lost on the way (replication §8.7, §19).</summary>
public sealed class CheckpointTraps
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    private static UnsyncedFileSystem Unsynced => new(LocalFileSystem.Instance);

    [Fact]
    public async Task Trap_A5_TheWalReturnsToASmallSizeAndAReaderBlocksNoWriter()
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 100 } };
        using var app = new SqliteShell(test.Path);
        app.Run("PRAGMA wal_autocheckpoint=0; CREATE TABLE t(v);");
        await using ManualStore store = await test.OpenAsync(fileSystem: Unsynced);
        for (int i = 0; i < 25; i++)
        {
            app.Run("INSERT INTO t SELECT randomblob(3000) FROM generate_series(1, 60);");
            await store.SyncAsync();
        }

        Assert.InRange(new FileInfo(test.Path + "-wal").Length, 1, 1_500_000);
        using var reader = new SqliteShell(test.Path);
        reader.Run("BEGIN; SELECT count(*) FROM t;");
        app.Run("PRAGMA busy_timeout=0;");
        for (int i = 0; i < 10; i++)
        {
            app.Run("INSERT INTO t SELECT randomblob(3000) FROM generate_series(1, 60);");
            await store.SyncAsync();
        }

        Assert.Empty(app.Errors);
        Assert.Equal(0, store.Database.GetStatus().WriteLockCount);
    }

    [Fact]
    public async Task Trap_A29_C15_BehindALongReaderTheWriteLockIsNeverTaken()
    {
        using var test = new TestDatabase { Configure = o => o with { TruncatePageCount = 100 } };
        using var app = new SqliteShell(test.Path);
        app.Run("PRAGMA wal_autocheckpoint=0; PRAGMA busy_timeout=0; CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        await using ManualStore store = await test.OpenAsync(fileSystem: Unsynced);
        await store.SyncAsync();
        using var reader = new SqliteShell(test.Path);
        reader.Run("BEGIN; SELECT count(*) FROM t;");
        for (int i = 0; i < 6; i++)
        {
            app.Run("INSERT INTO t SELECT randomblob(3000) FROM generate_series(1, 1000);");
            await store.SyncAsync();
        }

        DatabaseStatus status = store.Database.GetStatus();
        Assert.True(status.BackfillBlocked > 0, "a blocked backfill must show");
        Assert.Equal(0, status.WriteLockCount);
        Assert.InRange(new FileInfo(test.Path + "-wal").Length, 15_000_000, long.MaxValue);
        reader.Run("COMMIT;");
        await store.SyncAsync();
        app.Run("INSERT INTO t VALUES ('restarts the wal');");
        ulong txid = await store.SyncAsync();
        Assert.InRange(new FileInfo(test.Path + "-wal").Length, 1, 1_000_000);
        CaptureTests.AssertStates(new() { [txid] = app.Image() }, test.RemoteLevelZero);
        Assert.Empty(app.Errors);
        Assert.False(test.Logs.HasWarnings, "nothing was missed, so nothing had to be copied anew");
    }

    /// <summary>
    /// The commit behind a complete checkpoint restarts the WAL. Until a PASSIVE of ours has come back since then (§8.7 rule 5), an application's
    /// TRUNCATE waits for the old lock and the lock for the TRUNCATE, until that gives up. So the lock moves at the first look, before anything
    /// is captured.
    /// </summary>
    [Fact]
    public async Task ATruncateBehindARestartOfTheWalDoesNotWaitUntilItsTimeout()
    {
        using var scene = new SessionScene();
        using CaptureSession session = scene.Open();
        scene.Capture(publish: true);
        Assert.True(session.Checkpoint(CancellationToken.None), "the next commit restarts the WAL");
        scene.Commit("INSERT INTO t(v) VALUES (1);");
        Assert.True(session.PendingFrames() > 0);
        using var other = new SqliteShell(scene.Test.Path);
        Task<List<string>> truncate = Task.Run(() => other.Run("PRAGMA busy_timeout=60000; PRAGMA wal_checkpoint(TRUNCATE);"));
        long began = Stopwatch.GetTimestamp();
        while (!truncate.IsCompleted && Stopwatch.GetElapsedTime(began) < Patience)
        {
            session.Pass(publish: true, CancellationToken.None);
            await Task.Delay(1);
        }

        Assert.True(truncate.IsCompleted, "it waits for us, and we wait for it");
        Assert.StartsWith("0|", (await truncate)[^1], StringComparison.Ordinal);
        scene.Commit("INSERT INTO t(v) VALUES (2);");
        scene.Capture(publish: true);
        scene.AssertChain();
    }

    /// <summary>
    /// Writers that never pause run a checkpoint with every commit, so that ours is often refused. One that came back since the new generation
    /// was seen is enough for rule 5: asking for another one at the hand-over, again and again, kept the lock on slot 0 and the WAL growing.
    /// </summary>
    [Fact]
    public void OnePassiveBehindARestartIsEnoughToMoveTheLock()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("PRAGMA journal_mode=WAL; CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        using var checkpoint = new CheckpointLock(test.Path);
        using ReadLock readLock = ReadLock.Acquire(test.Path, TimeSpan.Zero);
        Restart(app, readLock);
        readLock.BeginNext(out WalPosition? second);
        checkpoint.Take();
        Assert.False(readLock.TryHandOver(second), "an old checkpointer may be at work from before the restart");
        checkpoint.Release();
        Assert.True(readLock.Checkpoint(CheckpointMode.Passive) is { Busy: false, HasRun: true });
        checkpoint.Take();
        app.Run("INSERT INTO t VALUES (3);");
        readLock.BeginNext(out second);
        Assert.True(readLock.TryHandOver(second), "none can be at work any more");
        checkpoint.Release();

        // It counts for this restart, not for the next.
        Restart(app, readLock);
        readLock.BeginNext(out WalPosition? third);
        Assert.NotEqual(second!.Value.Salt1, third!.Value.Salt1);
        checkpoint.Take();
        Assert.False(readLock.TryHandOver(third), "a PASSIVE from before the restart proves nothing");
        checkpoint.Release();
        readLock.BeginNext(out third);
        Assert.True(readLock.TryHandOver(third));
    }

    /// <summary>A complete checkpoint, the lock behind it, and a commit that restarts the WAL.</summary>
    private static void Restart(SqliteShell app, ReadLock readLock)
    {
        readLock.BeginNext(out WalPosition? end);
        Assert.True(readLock.TryHandOver(end));
        Assert.True(readLock.Checkpoint(CheckpointMode.Passive).IsComplete);
        readLock.BeginNext(out end);
        Assert.True(readLock.TryHandOver(end));
        app.Run("INSERT INTO t VALUES (2);");
    }

    /// <summary>
    /// A snapshot brings the file of its interval forward. Written by its first pass already, the file would be followed by another one as soon
    /// as somebody commits before the copy's transaction begins.
    /// </summary>
    [Fact]
    public void ASnapshotCutsOneFile()
    {
        using var scene = new SessionScene();
        bool armed = false;
        using CaptureSession session = scene.Open(new HookFileSystem(scene.Files, (operation, path) =>
        {
            if (armed && operation == FileOperation.Rename)
            {
                armed = false;
                scene.Commit("INSERT INTO t(v) VALUES (2);");
            }
        }));
        scene.Capture(publish: true);
        ulong before = scene.Published.Value.Value;
        scene.Commit("INSERT INTO t(v) VALUES (1);");
        armed = true;
        using SnapshotSource? source = session.BeginSnapshot(CancellationToken.None);
        Assert.False(armed, "a file was written");
        Assert.Equal(before + 1, source!.Txid.Value);
        Assert.Equal(before + 1, scene.Published.Value.Value);
        Assert.False(session.HasPending);
    }

    [Fact]
    public void FramesBetweenALookThatMovedTheLockAndThePassAreAllCaptured()
    {
        using var scene = new SessionScene();
        using CaptureSession session = scene.Open();
        for (int i = 0; i < 20; i++)
        {
            scene.Capture(publish: true);
            session.Checkpoint(CancellationToken.None);
            for (int commit = 0; commit < 3; commit++)
            {
                scene.Commit("INSERT INTO t(v) SELECT hex(randomblob(200)) FROM generate_series(1, 5);");
                Assert.True(session.PendingFrames() > 0);
                scene.App.Run("PRAGMA wal_checkpoint(PASSIVE);");
            }
        }

        scene.Capture(publish: true);
        scene.AssertChain();
        Assert.False(scene.Test.Logs.HasWarnings, "nothing had to be copied anew");
    }

    [Fact]
    public async Task Trap_A30_TruncatePagesZeroIsTheDefaultAndNegativeIsNever()
    {
        // 512-byte pages: the default threshold of 121,359 pages is a file of 65 MB.
        const string Fill = "INSERT INTO t SELECT randomblob(65000) FROM generate_series(1, 1000);";
        foreach ((long pages, bool truncated) in new[] { (0L, true), (-1L, false) })
        {
            using var test = new TestDatabase { Configure = o => o with { TruncatePageCount = pages } };
            using var app = new SqliteShell(test.Path, pageSize: 512);
            app.Run("PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF; CREATE TABLE t(v);");
            await using ManualStore store = await test.OpenAsync(new TestKit.Replicas.MemoryReplicaClient(), Unsynced);
            await store.SyncAsync();
            app.Run(Fill);
            Assert.InRange(new FileInfo(test.Path + "-wal").Length, (121359L * 536) + 32, long.MaxValue);
            await store.SyncAsync();
            await store.SyncAsync();
            Assert.Equal(truncated, new FileInfo(test.Path + "-wal").Length == 0);
        }
    }

    [Fact]
    public async Task Trap_A24_ASnapshotHoldsExactlyItsTransactionWhateverHappensMeanwhile()
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 50 } };
        using var app = new SqliteShell(test.Path);
        app.Run("PRAGMA busy_timeout=5000; CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t(v) SELECT randomblob(500) FROM generate_series(1, 300);");
        await using ManualStore store = await test.OpenAsync(fileSystem: Unsynced);
        await store.SyncAsync();
        using var checkpointer = new SqliteShell(test.Path);
        checkpointer.Run("PRAGMA busy_timeout=5000;");
        bool stop = false;

        // Writes and checkpoints take turns, on two connections: both side by side would starve each other in SQLite's unfair lock, us or
        // no us, and measure only that.
        Task writing = Task.Run(() =>
        {
            for (int i = 0; !Volatile.Read(ref stop); i++)
            {
                app.Run($"UPDATE t SET v = randomblob(500) WHERE id % 37 = {i % 37}; INSERT INTO t(v) VALUES (randomblob(900));");
                checkpointer.Run($"PRAGMA wal_checkpoint({(i % 3 == 0 ? "RESTART" : "TRUNCATE")});");
            }
        });
        var taken = new HashSet<ulong>();
        long began = Stopwatch.GetTimestamp();
        while (taken.Count < 8 && Stopwatch.GetElapsedTime(began) < Patience)
        {
            taken.Add((await store.Database.SnapshotAsync(CancellationToken.None))!.Value.MaxTxid.Value);
        }

        Volatile.Write(ref stop, true);
        await writing;
        ulong last = await store.SyncAsync();
        SortedDictionary<ulong, byte[]> increments = Chain.States(test.RemoteLevelZero);
        string[] snapshots = Directory.GetFiles(Path.Combine(test.Replica, "ltx", "9"));
        Assert.True(snapshots.Length >= 8, "snapshots at several transactions");
        foreach (string snapshot in snapshots)
        {
            Assert.True(LtxFileName.TryParse(Path.GetFileName(snapshot), out Txid min, out Txid max));
            Assert.Equal(1ul, min.Value);
            Assert.True(increments[max.Value].AsSpan().SequenceEqual(Chain.StateOf(snapshot)), $"snapshot at {max} is not the state at {max}");
        }

        CaptureTests.AssertStates(new() { [last] = app.Image() }, test.RemoteLevelZero);
        Assert.False(test.Logs.HasWarnings, "continuity was never broken");
        Assert.Empty(app.Errors);
    }

    [Fact]
    public async Task ASyncEndsAlthoughWritersNeverPause()
    {
        using var test = new TestDatabase();
        using (var app = new SqliteShell(test.Path))
        {
            app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        }

        await using ManualStore store = await test.OpenAsync(fileSystem: Unsynced);
        await store.SyncAsync();
        using Process writer = Process.Start(new ProcessStartInfo(
            "sh", ["-c", $"(echo 'PRAGMA synchronous=OFF;'; yes 'INSERT INTO t VALUES (randomblob(60));') | sqlite3 -batch '{test.Path}'"]))!;
        try
        {
            ulong before = 1;
            for (int i = 0; i < 3; i++)
            {
                ulong txid = await store.SyncAsync().WaitAsync(Patience);
                Assert.True(txid >= before);
                before = txid;
            }

            await store.CloseAsync().WaitAsync(Patience);
        }
        finally
        {
            writer.Kill(entireProcessTree: true);
            await writer.WaitForExitAsync();
        }
    }

    [Fact]
    public async Task Trap_C16_AnApplicationWithoutPatienceMeetsNoLockWhileWeOpenAndClose()
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 1 } };
        await RunOnceAsync(test.Path, "PRAGMA journal_mode=wal; CREATE TABLE t(v);");
        bool stop = false;
        var errors = new List<string>();
        int runs = 0;
        Task application = Task.Run(async () =>
        {
            while (!Volatile.Read(ref stop))
            {
                errors.AddRange(await RunOnceAsync(test.Path, "SELECT count(*) FROM t; INSERT INTO t VALUES (randomblob(2000)); SELECT max(rowid) FROM t;"));
                Interlocked.Increment(ref runs);
            }
        });
        int opened = 0;
        long writeLocks = 0;
        while (opened < 12 || Volatile.Read(ref runs) < 40)
        {
            await using ManualStore store = await test.OpenAsync(fileSystem: Unsynced);
            await store.SyncAsync();
            writeLocks += store.Database.GetStatus().WriteLockCount;
            await store.CloseAsync();
            opened++;
        }

        Volatile.Write(ref stop, true);
        await application;

        // The one lock that we could take ourselves.
        Assert.Equal(0, writeLocks);

        // 261 = SQLITE_BUSY_RECOVERY: SQLite itself rebuilds the wal-index, whoever opens first. And where two processes map the
        // wal-index at the same moment and nobody had it before, SQLite gives the second one a plain BUSY: at its first statement while
        // the first one holds the file's opening lock, at its write while the first one looks at the header under the write lock. That
        // needs an application that opens in the same microseconds as we do (on a loaded machine: while we are off the processor in
        // between), so it stays an exception even in this loop; a lock of ours would meet every opening.
        Assert.InRange(errors.Count(e => !e.Contains("(261)", StringComparison.Ordinal)), 0, opened / 3);
        Assert.All(errors, e => Assert.Contains("database is locked", e, StringComparison.Ordinal));
    }

    private static async Task<List<string>> RunOnceAsync(string path, string sql)
    {
        using Process process = Process.Start(new ProcessStartInfo("sqlite3", ["-batch", path, sql])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string errors = await process.StandardError.ReadToEndAsync();
        await output;
        await process.WaitForExitAsync();
        return [.. errors.Split('\n', StringSplitOptions.RemoveEmptyEntries)];
    }
}
