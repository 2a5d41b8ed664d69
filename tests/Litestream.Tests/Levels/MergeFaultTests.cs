using Litestream.Ltx;
using Litestream.Restore;
using Litestream.State;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;

namespace Litestream.Tests.Levels;

/// <summary>Merges that fail or have to go around damage: nothing wrong becomes visible and nothing is left behind.</summary>
public sealed class MergeFaultTests
{
    // Each error path of a write leaves no temp file, and what a crash has left is no file of the level (store-and-restore §3).
    [Theory]
    [InlineData(FileOperation.Create)]
    [InlineData(FileOperation.Write)]
    [InlineData(FileOperation.Sync)]
    [InlineData(FileOperation.Stat)]
    [InlineData(FileOperation.CreateDirectory)]
    [InlineData(FileOperation.OpenRead)]
    [InlineData(FileOperation.Read)]
    public async Task Store_C23_AnyCallFails_NothingIsLeft(FileOperation operation)
    {
        int failures = 0;
        for (int number = 1; ; number++)
        {
            var scene = new MergeScene();
            List<LtxFileInfo> sources = scene.AddHistory(3);
            scene.Files.Fail(operation, number, path => new DiskFullException(path));
            try
            {
                await scene.MergeAsync(sources);
                scene.AssertNothingLeft();
                break; // The merge makes fewer calls of this kind.
            }
            catch (Exception e) when (e is IOException)
            {
                failures++;
                Assert.Contains("no space left", e.Message, StringComparison.Ordinal);
                scene.AssertNothingHappened();
            }
        }

        Assert.InRange(failures, 1, 20);
    }

    // The upload is done: the merge has succeeded, only the local copy is missing.
    [Theory]
    [InlineData(FileOperation.Rename)]
    [InlineData(FileOperation.SyncDirectory)]
    public async Task Store_C23_PublishingLocallyFails_TheMergeCounts(FileOperation operation)
    {
        var scene = new MergeScene();
        List<LtxFileInfo> sources = scene.AddHistory(3);
        scene.Files.Fail(operation, failure: path => new DiskFullException(path));
        LtxFileInfo merged = await scene.MergeAsync(sources);
        Assert.Contains(merged, scene.Store.Files);
        Assert.True(scene.Logs.Contains("is not kept locally"));
        scene.AssertNothingLeft();
    }

    [Fact]
    public async Task Store_C23_LeftoverOfACrash_IsIgnoredAndReplaced()
    {
        var scene = new MergeScene();
        List<LtxFileInfo> sources = scene.AddHistory(3);
        scene.Files.CreateDirectory(scene.Local.DirectoryOf(1));
        string leftover = scene.Local.PathOf(1, new Txid(1), new Txid(3)) + ".tmp";
        using (IFile file = scene.Files.Create(leftover))
        {
            file.Write(new byte[5000], 0);
        }

        Assert.Empty(scene.Local.List(1));
        LtxFileInfo merged = await scene.MergeAsync(sources);
        Assert.Equal(scene.Store.Content(1, new Txid(1), new Txid(3)), scene.ReadLocal(merged));
        scene.AssertNothingLeft();
    }

    [Fact]
    public async Task LocalResult_IsWhatWasUploaded_AndFeedsTheNextLevel()
    {
        var scene = new MergeScene();
        List<LtxFileInfo> sources = scene.AddHistory(6);
        LtxFileInfo left = await scene.MergeAsync(sources[..3]);
        LtxFileInfo right = await scene.MergeAsync(sources[3..]);
        Assert.Equal(scene.Store.Content(1, right.MinTxid, right.MaxTxid), scene.ReadLocal(right));
        LtxFileInfo top = await scene.MergeAsync([left, right], 2);
        Assert.Equal("1@4 2@5 3@6 4@3", scene.Read(top).Pages);
        Assert.Equal(0, scene.Client.Count(ReplicaOperation.Open));
        Assert.Equal(0, scene.Client.Count(ReplicaOperation.List));
    }

    // With local-levels off nothing but the sources is in the state directory, and the result goes straight to the store.
    [Fact]
    public async Task WithoutLocalLevels_NothingIsKept()
    {
        var scene = new MergeScene(keepLocal: false);
        LtxFileInfo merged = await scene.MergeAsync(scene.AddHistory(3));
        Assert.Equal("1@1 2@1 3@2 4@3", scene.Read(merged).Pages);
        Assert.Empty(scene.Local.List(1));
        scene.AssertNothingLeft();
    }

    // A damaged local copy must not stop a level for ever while the replica has the file.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task DamagedLocalCopy_IsReadFromTheReplica(bool keepLocal)
    {
        var scene = new MergeScene(keepLocal);
        List<LtxFileInfo> sources = scene.AddHistory(4);
        byte[] damaged = scene.ReadLocal(sources[1]);
        damaged[150] ^= 1;
        scene.Add(0, 2, 2, damaged, remote: false);
        scene.Add(0, 3, 3, scene.ReadLocal(sources[2])[..200], remote: false);
        Assert.Equal("1@4 2@1 3@2 4@3", scene.Read(await scene.MergeAsync(sources)).Pages);
        Assert.Equal(3, scene.Client.Count(ReplicaOperation.Open)); // The second one is found when the first has been replaced.
        Assert.Equal(2, scene.Logs.Count("cannot be used, reading it from the replica"));
        scene.AssertNothingLeft();
    }

    // What is merged is gone from the lower level one day: a flipped bit must never be carried upwards.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task DamagedSource_EveryByteFlippedOrCut_IsNeverMerged(bool keepLocal)
    {
        byte[] good = MergeScene.Bytes(2, 2, 4, 3);
        for (int i = 0; i < good.Length; i++)
        {
            foreach (bool cut in (bool[])[false, true])
            {
                var scene = new MergeScene(keepLocal);
                List<LtxFileInfo> sources = scene.AddHistory(3);
                byte[] bytes = cut ? good[..i] : [.. good];
                if (!cut)
                {
                    bytes[i] ^= 0x10;
                }

                sources[1] = scene.Add(0, 2, 2, bytes, local: false) with { Size = bytes.Length };
                scene.Local.Delete(sources[1]);
                LtxFileException failure = await Assert.ThrowsAsync<LtxFileException>(() => scene.MergeAsync(sources));
                Assert.Equal(2UL, failure.File.MaxTxid.Value);
                scene.AssertNothingHappened();
            }
        }
    }

    // A file under another file's name is whole by itself: only its header tells.
    [Fact]
    public async Task SwappedSource_IsRefused()
    {
        var scene = new MergeScene();
        List<LtxFileInfo> sources = scene.AddHistory(4, local: false);
        scene.Store.Put(0, new Txid(2), new Txid(2), scene.Store.Content(0, new Txid(3), new Txid(3)), sources[1].CreatedAt);
        LtxFileException failure = await Assert.ThrowsAsync<LtxFileException>(() => scene.MergeAsync(sources));
        Assert.Contains("its header says transactions", failure.Message, StringComparison.Ordinal);
        scene.AssertNothingHappened();
    }

    [Fact]
    public async Task VanishedSource_IsNamed_SoThatTheCallerPlansAgain()
    {
        var scene = new MergeScene();
        List<LtxFileInfo> sources = scene.AddHistory(4);
        scene.Local.Delete(sources[2]);
        scene.Store.Remove(0, new Txid(3), new Txid(3));
        await Assert.ThrowsAsync<LtxFileNotFoundException>(() => scene.MergeAsync(sources));
        scene.AssertNothingHappened();
    }

    // Permissions and I/O errors come back: they are reported, not worked around by a download each time.
    [Fact]
    public async Task UnreadableLocalCopy_Aborts()
    {
        var scene = new MergeScene();
        List<LtxFileInfo> sources = scene.AddHistory(3);
        scene.Files.Fail(FileOperation.OpenRead, 2, path => new UnauthorizedAccessException($"open {path}: permission denied"));
        LocalLtxException failure = await Assert.ThrowsAsync<LocalLtxException>(() => scene.MergeAsync(sources));
        Assert.Equal(LocalLtxProblem.Transient, failure.Problem);
        Assert.Equal(0, scene.Client.TotalRequests);
        scene.AssertNothingHappened();
    }

    [Theory]
    [InlineData("6 7 9", "begins at transaction 0000000000000009")]
    [InlineData("7 6", "")]
    public async Task GapOrDisorder_IsNeverMergedOver(string txids, string message)
    {
        var scene = new MergeScene();
        LtxFileInfo[] sources = [.. txids.Split(' ').Select(ulong.Parse).Select(txid => scene.Add(0, txid, txid, MergeScene.Bytes(txid, txid, 4, 1)))];
        if (message.Length == 0)
        {
            // The one that comes too late adds nothing behind its predecessor.
            Assert.Equal(7UL, (await scene.MergeAsync(sources)).MinTxid.Value);
            return;
        }

        LtxException failure = await Assert.ThrowsAsync<LtxException>(() => scene.MergeAsync(sources));
        Assert.Equal(LtxErrorKind.NotContiguous, failure.Kind);
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
        scene.AssertNothingHappened();
    }

    // At every point of the merge: before, while sources are opened, in the middle of the upload.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Cancelled_AtEveryRequest_NothingIsLeft(bool keepLocal)
    {
        bool finished = false;
        for (int at = 0; !finished; at++)
        {
            var scene = new MergeScene(keepLocal);
            List<LtxFileInfo> sources = scene.AddHistory(4, local: false);
            using var cancel = new CancellationTokenSource();
            int requests = 0;
            scene.Client.OnRequest = (_, _, _, _) =>
            {
                if (requests++ == at)
                {
                    cancel.Cancel();
                }
            };
            try
            {
                await scene.MergeAsync(sources, cancellationToken: cancel.Token);
                finished = true;
                Assert.False(cancel.IsCancellationRequested);
            }
            catch (OperationCanceledException)
            {
                scene.AssertNothingHappened();
            }
        }
    }

    // Disk full while the files in between of a merge in steps are written: none of them may stay.
    [Fact]
    public async Task DiskFull_InAnyStep_LeavesNoFileInBetween()
    {
        var scene = new MergeScene();
        List<LtxFileInfo> sources = scene.AddHistory(200, local: false);
        int before = scene.Files.Count(FileOperation.Write);
        await scene.MergeAsync(sources);
        int writes = scene.Files.Count(FileOperation.Write) - before;
        Assert.True(writes >= 4, $"{writes} writes: this merge was not done in steps");
        for (int left = 0; left < writes; left++)
        {
            scene = new MergeScene();
            sources = scene.AddHistory(200, local: false);
            scene.Files.FillDisk(left);
            LocalLtxException full = await Assert.ThrowsAsync<LocalLtxException>(() => scene.MergeAsync(sources));
            Assert.Equal(LocalLtxProblem.DiskFull, full.Problem);
            scene.Files.Repair();
            scene.AssertNothingHappened();
        }
    }
}
