using Litestream.Capture;
using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;

namespace Litestream.Tests.Capture;

/// <summary>The files of the state directory: how they are written, and what follows when a call fails or a file is gone (replication §7.7, §9, §19).</summary>
public sealed class LocalStateTraps
{
    private static readonly FileOperation[] Operations =
    [
        FileOperation.OpenRead, FileOperation.Create, FileOperation.Stat, FileOperation.List, FileOperation.CreateDirectory,
        FileOperation.Rename, FileOperation.Delete, FileOperation.SyncDirectory, FileOperation.Read, FileOperation.Write, FileOperation.Sync,
    ];

    [Fact]
    public async Task Trap_A31_AFileIsDurableBeforeItsNameAndItsNameBeforeAnythingElse()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        var files = new RecordingFileSystem(LocalFileSystem.Instance);
        await using ManualStore store = await test.OpenAsync(new MemoryReplicaClient(), files);
        await store.SyncAsync();
        files.Clear();
        app.Run("INSERT INTO t VALUES (2);");
        await store.SyncAsync();
        string final = Path.Combine(test.LocalLevelZero, LtxFileName.Format(new(2), new(2)));
        string[] steps = [.. files.Changes.Select(c => $"{c.Operation} {c.Path}").Distinct()];
        Assert.Equal(
            [$"Create {final}.tmp", $"Write {final}.tmp", $"Sync {final}.tmp", $"Rename {final}", $"SyncDirectory {test.LocalLevelZero}"],
            steps);
        Assert.Equal(FileOperation.Sync, files.Changes.Last(c => c.Path == final + ".tmp").Operation);
    }

    [Fact]
    public async Task Trap_C1_C2_DatabaseAndSharedMemoryAreNeverOpened()
    {
        using var test = new TestDatabase { Configure = o => o with { MinCheckpointPageCount = 1, TruncatePageCount = 2 } };
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        var files = new RecordingFileSystem(LocalFileSystem.Instance);
        for (int run = 0; run < 2; run++)
        {
            await using ManualStore store = await test.OpenAsync(fileSystem: files);
            await store.SyncAsync();
            app.Run("INSERT INTO t VALUES (2); PRAGMA wal_checkpoint(RESTART); INSERT INTO t SELECT randomblob(3000) FROM generate_series(1, 30);");
            await store.SyncAsync();
            await store.Database.SnapshotAsync(CancellationToken.None);
            await store.CloseAsync();
        }

        Assert.Contains(files.Calls, c => c.Operation == FileOperation.OpenRead && c.Path == test.Path + "-wal");
        Assert.DoesNotContain(
            files.Calls,
            c => c.Operation is FileOperation.OpenRead or FileOperation.Create or FileOperation.Read or FileOperation.Write
                && (c.Path == test.Path || c.Path == test.Path + "-shm"));
    }

    [Fact]
    public void Trap_C6_OffsetsAre64Bit()
    {
        Assert.Equal(7_956_296_072, WalOffsets.EndOfFrame(121359, 65536));
        Assert.Equal(499_999_112, WalOffsets.EndOfFrame(121359, 4096));
        Assert.Equal(32 + (65560L * uint.MaxValue), WalOffsets.EndOfFrame(uint.MaxValue, 65536));
        foreach (uint frame in new[] { 0u, 1u, 65_536u, 8_388_609u, uint.MaxValue })
        {
            Assert.True(WalOffsets.TryGetFrame(WalOffsets.EndOfFrame(frame, 65536), 65536, out uint back));
            Assert.Equal(frame, back);
            Assert.False(WalOffsets.TryGetFrame(WalOffsets.EndOfFrame(frame, 65536) + 1, 65536, out _));
        }

        Assert.False(WalOffsets.TryGetFrame(31, 4096, out _));
        Assert.False(WalOffsets.TryGetFrame(long.MaxValue, 512, out _));
    }

    [Fact]
    public void PagesThatWaitInMemoryAndFilesTogetherAreTheChain()
    {
        using var scene = new SessionScene(o => o with { MinCheckpointPageCount = 10 });
        var random = new Random(1);
        scene.Open();
        for (int i = 0; i < 120; i++)
        {
            string sql = random.Next(5) switch
            {
                0 => $"DELETE FROM t WHERE id % 5 = {i % 5};",
                1 => "VACUUM;",
                2 => $"INSERT INTO t(v) SELECT hex(randomblob({random.Next(1, 200)})) FROM generate_series(1, {random.Next(1, 30)});",
                _ => $"UPDATE t SET v = hex(randomblob({random.Next(1, 300)})) WHERE id % 3 = {i % 3};",
            };
            scene.Commit(sql);
            scene.Capture(publish: random.Next(4) == 0);
            switch (random.Next(7))
            {
                case 0:
                    // Restarts the generation without a commit in it: what waits belongs to the one before.
                    scene.App.Run("PRAGMA cache_size=5; PRAGMA cache_spill=5; BEGIN; UPDATE t SET v = hex(randomblob(400)); ROLLBACK; PRAGMA cache_spill=0;");
                    scene.Capture(publish: true);
                    break;
                case 1:
                    scene.Session!.Checkpoint(CancellationToken.None);
                    break;
                case 2:
                    scene.App.Run("PRAGMA wal_checkpoint(RESTART);");
                    break;
                case 3 when random.Next(3) == 0:
                    scene.Close();
                    scene.Open();
                    break;
            }
        }

        scene.Capture(publish: true);
        scene.AssertChain();
        Assert.InRange(scene.Session!.Position.Value, 10ul, 100ul);
    }

    /// <summary>
    /// Every call of every step fails once. Afterwards either the same session goes on, or the process is gone and another one starts.
    /// </summary>
    [Fact]
    public void Trap_C8_AFailingCallAtAnyStepLosesNothing()
    {
        using var scene = new SessionScene(o => o with { MinCheckpointPageCount = 10, MaxSyncWalBytes = 6000 });
        int tried = 0;
        foreach (FileOperation operation in Operations)
        {
            bool failed = true;
            for (int n = 1; failed && n < 200; n++)
            {
                failed = FailOnce(scene, operation, n);
                tried++;
            }

            Assert.False(failed, $"{operation} never ran out of calls");
        }

        scene.AssertChain();
        Assert.InRange(tried, 40, 1000);
    }

    [Fact]
    public async Task Trap_B5_AFailureAtAnyStepOfOpeningIsTriedAgain()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        int failures = 0;
        foreach (FileOperation operation in Operations)
        {
            bool failed = true;
            for (int n = 1; failed; n++)
            {
                // A state of its own each time: with more files there would be more calls.
                foreach (string directory in new[] { test.Replica, Path.GetDirectoryName(Path.GetDirectoryName(test.LocalLevelZero))! })
                {
                    if (Directory.Exists(directory))
                    {
                        Directory.Delete(directory, recursive: true);
                    }
                }

                var files = new FaultyFileSystem(new UnsyncedFileSystem(LocalFileSystem.Instance));
                await using (ManualStore before = await test.OpenAsync(fileSystem: files))
                {
                    Assert.Equal(1ul, await before.SyncAsync());
                }

                app.Run($"INSERT INTO t VALUES ({n});");
                await using ManualStore store = await test.OpenAsync(fileSystem: files);
                files.Fail(operation, n);
                failed = await Record.ExceptionAsync(store.SyncAsync) is not null;
                failures += failed ? 1 : 0;
                files.Repair();
                ulong txid = await store.SyncAsync();
                Assert.Equal(2ul, txid);
                CaptureTests.AssertStates(new() { [txid] = app.Image() }, test.RemoteLevelZero);
                Assert.True(n < 100, $"{operation} never ran out of calls");
            }
        }

        Assert.InRange(failures, 15, 1000);
    }

    [Theory]
    [InlineData(FileOperation.Create, "stage-open")]
    [InlineData(FileOperation.Write, "stage-write")]
    [InlineData(FileOperation.Sync, "stage-sync")]
    public async Task Trap_A26_AFullDiskHasItsOwnClassAndRecovers(FileOperation operation, string step)
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        var files = new FaultyFileSystem(LocalFileSystem.Instance);
        await using ManualStore store = await test.OpenAsync(fileSystem: files);
        await store.SyncAsync();
        app.Run("INSERT INTO t VALUES (2);");
        string temporary = Path.Combine(test.LocalLevelZero, LtxFileName.Format(new(2), new(2)) + ".tmp");
        files.Fail(operation, failure: path => new DiskFullException(path), pathSuffix: temporary);
        LocalLtxException full = await Assert.ThrowsAsync<LocalLtxException>(store.SyncAsync);
        Assert.Equal((LocalLtxProblem.DiskFull, step, temporary, 2ul), (full.Problem, full.Operation, full.Path, full.Txid.Value));
        Assert.False(File.Exists(temporary));
        files.Fail(operation, pathSuffix: temporary);
        LocalLtxException other = await Assert.ThrowsAsync<LocalLtxException>(store.SyncAsync);
        Assert.Equal(LocalLtxProblem.Transient, other.Problem);
        ulong txid = await store.SyncAsync();
        Assert.Equal(2ul, txid);
        CaptureTests.AssertStates(new() { [txid] = app.Image() }, test.RemoteLevelZero);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Trap_A16_B4_P27_ADamagedNewestFileStopsOrIsReplacedByACopyAboveTheReplica(bool autoRecover)
    {
        using var test = new TestDatabase { Configure = o => o with { AutoRecover = autoRecover } };
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        await using (ManualStore store = await test.OpenAsync())
        {
            await store.SyncAsync();
            app.Run("INSERT INTO t VALUES (2);");
            Assert.Equal(2ul, await store.SyncAsync());
        }

        Damage(Path.Combine(test.LocalLevelZero, LtxFileName.Format(new(2), new(2))));
        app.Run("INSERT INTO t VALUES (3);");
        await using ManualStore again = await test.OpenAsync();
        if (!autoRecover)
        {
            LocalLtxException e = await Assert.ThrowsAsync<LocalLtxException>(again.SyncAsync);
            Assert.Equal((LocalLtxProblem.Corrupt, true), (e.Problem, e.IsAutoRecoverable));
            Assert.Contains("litestream reset", e.Message, StringComparison.Ordinal);
            return;
        }

        ulong txid = await again.SyncAsync();
        Assert.Equal(3ul, txid);
        CaptureTests.AssertStates(new() { [txid] = app.Image() }, test.RemoteLevelZero);
        Assert.Equal(app.Image(), Chain.StateOf(Path.Combine(test.RemoteLevelZero, LtxFileName.Format(new(3), new(3)))));
        Assert.True(test.Logs.Contains("auto-recovering"));
    }

    [Fact]
    public async Task Trap_A16_P27_AnUnreadableNewestFileIsTriedAgainAndNothingIsReset()
    {
        using var test = new TestDatabase { Configure = o => o with { AutoRecover = true } };
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        await using (ManualStore store = await test.OpenAsync())
        {
            await store.SyncAsync();
        }

        string newest = Path.Combine(test.LocalLevelZero, LtxFileName.Format(new(1), new(1)));
        var files = new FaultyFileSystem(LocalFileSystem.Instance);
        files.Fail(FileOperation.OpenRead, failure: path => new UnauthorizedAccessException($"open {path}: permission denied"), pathSuffix: newest);
        await using ManualStore again = await test.OpenAsync(fileSystem: files);
        LocalLtxException e = await Assert.ThrowsAsync<LocalLtxException>(again.SyncAsync);
        Assert.Equal((LocalLtxProblem.Transient, false), (e.Problem, e.IsAutoRecoverable));
        Assert.True(File.Exists(newest));
        app.Run("INSERT INTO t VALUES (2);");
        Assert.Equal(2ul, await again.SyncAsync());
        Assert.True(Chain.PageCount(Path.Combine(test.LocalLevelZero, LtxFileName.Format(new(2), new(2)))) < 2, "an increment, not a copy");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Trap_A16_P27_AFileMissingOrDamagedBeforeItsUploadIsSaidAndNeverUploaded(bool missing)
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        var memory = new MemoryReplicaClient();
        var client = new FaultyReplicaClient(memory);
        await using ManualStore store = await test.OpenAsync(client);
        client.Fail(ReplicaOperation.Write);
        await Assert.ThrowsAsync<ReplicaException>(store.SyncAsync);
        string newest = Path.Combine(test.LocalLevelZero, LtxFileName.Format(new(1), new(1)));
        if (missing)
        {
            File.Delete(newest);
        }
        else
        {
            Damage(newest);
        }

        LocalLtxException e = await Assert.ThrowsAsync<LocalLtxException>(store.SyncAsync);
        Assert.Equal(missing ? LocalLtxProblem.Missing : LocalLtxProblem.Corrupt, e.Problem);
        Assert.Empty(memory.Files);
    }

    [Fact]
    public async Task Trap_A19_StateDeletedWhileRunningDoesNotTurnTxidsBack()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("CREATE TABLE t(v); INSERT INTO t VALUES (1);");
        await using ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        app.Run("INSERT INTO t VALUES (2);");
        await store.SyncAsync();
        Directory.Delete(Path.GetDirectoryName(Path.GetDirectoryName(test.LocalLevelZero))!, recursive: true);
        app.Run("INSERT INTO t VALUES (3);");
        ulong txid = await store.SyncAsync();
        Assert.Equal(3ul, txid);
        CaptureTests.AssertStates(new() { [txid] = app.Image() }, test.RemoteLevelZero);
    }

    [Fact]
    public async Task Trap_B12_ADatabaseReplacedUnderItsOldWalIsCopiedAnew()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("PRAGMA wal_autocheckpoint=0; CREATE TABLE t(v); INSERT INTO t SELECT randomblob(500) FROM generate_series(1, 100);");
        string other = test.Path + ".other";
        await using ManualStore store = await test.OpenAsync();
        await store.SyncAsync();
        app.Run("UPDATE t SET v = 'x' WHERE rowid = 1;");
        await store.SyncAsync();
        byte[] image = app.Image();
        app.Kill();

        // The same WAL, frame by frame, over a file that differs where the WAL has no frame: only the inode tells.
        Array.Resize(ref image, image.Length + 4096);
        await File.WriteAllBytesAsync(other, image);
        using (var maker = new SqliteShell(other, walMode: false))
        {
            maker.Run("PRAGMA user_version;");
        }

        File.Move(other, test.Path, overwrite: true);
        ulong txid = await store.SyncAsync();
        Assert.Equal(3ul, txid);
        Assert.Equal(CommittedImage.Of(test.Path), Chain.StateOf(Path.Combine(test.RemoteLevelZero, LtxFileName.Format(new(3), new(3)))));
    }

    /// <returns>True if the call was reached.</returns>
    private static bool FailOnce(SessionScene scene, FileOperation operation, int n)
    {
        var files = new FaultyFileSystem(scene.Files);
        CaptureSession session = scene.Open(files);
        bool failed = false;
        files.Fail(operation, n);
        for (int i = 0; i < 4; i++)
        {
            // The first commit waits in memory; the third is more than one limited pass.
            scene.Commit(i == 2
                ? "INSERT INTO t(v) SELECT hex(randomblob(300)) FROM generate_series(1, 20);"
                : $"UPDATE t SET v = hex(randomblob(90)) WHERE id = {1 + (n % 9)};");
            try
            {
                scene.Capture(publish: i != 0);
                session.Checkpoint(CancellationToken.None);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                failed = true;
                if (n % 2 == 0)
                {
                    break;
                }
            }
        }

        files.Repair();
        if (failed && n % 2 == 0)
        {
            // The process is gone: nothing of what it knew is left.
            scene.Close();
            scene.Open();
        }

        scene.Commit($"INSERT INTO t(v) VALUES ('{operation} {n}');");
        scene.Capture(publish: false);
        scene.Commit($"DELETE FROM t WHERE id > 60;");
        scene.Capture(publish: true);
        scene.Close();
        return failed;
    }

    private static void Damage(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        bytes[bytes.Length / 2] ^= 0x40;
        File.WriteAllBytes(path, bytes);
    }
}
