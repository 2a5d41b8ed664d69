using Litestream.Levels;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Microsoft.Extensions.Logging.Abstractions;

namespace Litestream.Tests.Levels;

/// <summary>The traps of merging: store-and-restore §15, C5 to C9, C13 and C21.</summary>
public sealed class MergeTraps
{
    // Without it an encoder whose upload has failed waits for a reader for ever, with all its sources open.
    [Theory]
    [InlineData(true, 0)]
    [InlineData(true, 1)]
    [InlineData(true, 150)]
    [InlineData(false, 0)]
    [InlineData(false, 1)]
    [InlineData(false, 150)]
    [InlineData(false, 100_000)]
    public async Task Store_C5_UploadFailsInTheMiddle_NothingRemains(bool keepLocal, int bytes)
    {
        var scene = new MergeScene(keepLocal);
        List<LtxFileInfo> sources = Large(scene);
        scene.Client.CutNextUpload(bytes);
        Assert.Contains("connection reset", (await Assert.ThrowsAsync<ReplicaException>(() => scene.MergeAsync(sources))).Message, StringComparison.Ordinal);
        scene.AssertNothingHappened();

        // And the next attempt is not hindered by the failed one.
        Assert.Equal(2UL, scene.Read(await scene.MergeAsync(sources)).Header.MaxTxid.Value);
        scene.AssertNothingLeft();
    }

    // Without it a dropped connection fails the merge, or worse: passes as the end of the file.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Store_C6_SourceStreamEndsEarly_IsResumedAtItsOffset(bool withError)
    {
        var scene = new MergeScene();
        List<LtxFileInfo> sources = scene.AddHistory(2, local: false);
        scene.Client.CutNextStream(16, withError ? new IOException("connection reset by peer") : null);
        LtxFileInfo merged = await scene.MergeAsync(sources);
        Assert.Equal("1@1 2@1 3@2 4@1", scene.Read(merged).Pages);
        Assert.Equal([0, 16, 0], scene.Client.OpenOffsets);
        scene.AssertNothingLeft();
    }

    // A store that is not read-after-write consistent may serve half of what was just uploaded: what is local is never downloaded.
    [Fact]
    public async Task Store_C7_TruncatedObjectOnTheStore_LocalCopyIsMerged()
    {
        var scene = new MergeScene();
        List<LtxFileInfo> sources = scene.AddHistory(5);
        foreach (LtxFileInfo file in sources)
        {
            scene.Store.Put(0, file.MinTxid, file.MaxTxid, scene.Store.Content(0, file.MinTxid, file.MaxTxid)[..120], file.CreatedAt);
        }

        LtxFileInfo merged = await scene.MergeAsync(sources);
        Assert.Equal("1@4 2@5 3@2 4@3", scene.Read(merged).Pages);
        Assert.Equal(0, scene.Client.Count(ReplicaOperation.Open));

        foreach (LtxFileInfo file in sources)
        {
            scene.Store.Remove(0, file.MinTxid, file.MaxTxid);
        }

        scene.Files.CreateDirectory("/out");
        var restorer = new Restorer(scene.Client, scene.Files, scene.Time, NullLogger.Instance);
        await restorer.RestoreAsync(new RestoreOptions { OutputPath = "/out/db", CheckTimestampBounds = false }, null, CancellationToken.None);
        Assert.Equal(4L * MergeScene.PageSize, scene.Files.Stat("/out/db")!.Value.Size);
    }

    // Restore by time takes the newest file before a time: a merged file with the time of its upload would hide its points.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Store_C8_TimeOfTheNewestSource_InHeaderListingAndFile(bool keepLocal)
    {
        var scene = new MergeScene(keepLocal);
        List<LtxFileInfo> sources = scene.AddHistory(7);
        var replica = new FileReplicaClient(scene.Files, "/replica");
        var merger = new LevelMerger(replica, scene.Local, keepLocal, new EngineServices(scene.Files, scene.Time, scene.Logs), scene.Logs);
        LtxFileInfo merged = await merger.MergeAsync(sources, 1, CancellationToken.None);
        Assert.Equal(MergeScene.TimeOf(7), merged.CreatedAt);

        string path = replica.FilePath(1, new Txid(1), new Txid(7));
        Assert.Equal(MergeScene.TimeOf(7), scene.Files.Stat(path)!.Value.ModifiedAt);
        using IFile file = scene.Files.OpenRead(path);
        byte[] header = new byte[LtxFormat.HeaderSize];
        file.Read(header, 0);
        Assert.Equal(MergeScene.TimeOf(7).ToUnixTimeMilliseconds(), LtxHeader.Parse(header).Timestamp);
    }

    // Two writers, or an upload that was repeated, leave files inside others: they are neither a gap nor an error.
    [Fact]
    public async Task Store_C9_ContainedFileAfterASnapshot_RestoreUsesTwoFiles()
    {
        var scene = new MergeScene();
        scene.Add(9, 1, 5, MergeScene.Bytes(1, 5, 4, 1, 2, 3, 4), local: false);
        scene.Add(1, 1, 100, MergeScene.Bytes(1, 100, 4, 1, 2, 3, 4), local: false);
        scene.Add(1, 50, 60, MergeScene.Bytes(50, 60, 4, 2), local: false);
        scene.Files.CreateDirectory("/out");
        var restorer = new Restorer(scene.Client, scene.Files, scene.Time, NullLogger.Instance);
        var options = new RestoreOptions { OutputPath = "/out/db", TargetTxid = new Txid(100), CheckTimestampBounds = false };
        RestorePlan plan = await restorer.PlanAsync(options, CancellationToken.None);
        Assert.Equal([(9, 5UL), (1, 100UL)], plan.Files.Select(file => (file.Level, file.MaxTxid.Value)));
        await restorer.RestoreAsync(options, null, CancellationToken.None);
        scene.AssertNothingLeft();
    }

    // Upstream fails here at every window for ever; the level stops and level 0 is never deleted.
    [Fact]
    public async Task Store_C13_ContainedSource_IsLeftOut()
    {
        var scene = new MergeScene();
        LtxFileInfo[] sources =
        [
            scene.Add(1, 6, 20, MergeScene.Bytes(6, 20, 4, 1, 2)), scene.Add(1, 7, 10, MergeScene.Bytes(7, 10, 4, 2, 3)),
        ];
        LtxFileInfo merged = await scene.MergeAsync(sources, 2);
        Assert.Equal((6UL, 20UL, "1@20 2@20"), (merged.MinTxid.Value, merged.MaxTxid.Value, scene.Read(merged).Pages));
        Assert.True(scene.Logs.Contains("adds nothing to the merge"));
    }

    // A level with a hole looks restorable and is not. The size before the merge is that of the local file before it.
    [Theory]
    [InlineData(false, 10, new uint[] { 1, 9 }, 10)] // The tail is missing: upstream does not notice this one.
    [InlineData(false, 10, new uint[] { 2, 10 }, 9)]
    [InlineData(false, 9, new uint[] { 1 }, 9)]
    [InlineData(true, 10, new uint[] { 1, 9 }, 10)]
    [InlineData(true, 10, new uint[] { 10 }, 9)]
    public async Task Store_C21_GrowthWithoutItsPages_IsReported(bool first, uint commit, uint[] pages, uint missing)
    {
        var scene = new MergeScene();
        LtxFileInfo before = scene.Add(0, 5, 5, MergeScene.Bytes(5, 5, 8, 2));
        LtxFileInfo grown = scene.Add(0, 6, 6, MergeScene.Bytes(6, 6, commit, pages));
        LtxException failure = await Assert.ThrowsAsync<LtxException>(() => scene.MergeAsync(first ? [grown] : [before, grown]));
        Assert.Equal((LtxErrorKind.GrowthIncomplete, missing), (failure.Kind, failure.PageNumber));
        scene.AssertNothingHappened();
    }

    [Fact]
    public async Task Store_C21_LevelBehindAMergedFile_KnowsTheSizeBeforeIt()
    {
        var scene = new MergeScene();
        scene.Add(1, 2, 5, MergeScene.Bytes(2, 5, 8, 2));
        LtxFileInfo grown = scene.Add(0, 6, 6, MergeScene.Bytes(6, 6, 10, 1, 10));
        LtxException failure = await Assert.ThrowsAsync<LtxException>(() => scene.MergeAsync([grown]));
        Assert.Equal((LtxErrorKind.GrowthIncomplete, 9u), (failure.Kind, failure.PageNumber));
    }

    [Fact]
    public async Task Store_C21_SnapshotWithAHole_IsReported()
    {
        var scene = new MergeScene();
        LtxFileInfo[] sources = [scene.Add(0, 1, 1, MergeScene.Bytes(1, 1, 2, 1, 2)), scene.Add(0, 2, 2, MergeScene.Bytes(2, 2, 4, 1, 4))];
        LtxException failure = await Assert.ThrowsAsync<LtxException>(() => scene.MergeAsync(sources));
        Assert.Equal(LtxErrorKind.SnapshotIncomplete, failure.Kind);
        scene.AssertNothingHappened();
    }

    // Complete growth, also across the lock page and after shrinking, is none of that.
    [Fact]
    public async Task Store_C21_CompleteGrowth_Passes()
    {
        var scene = new MergeScene();
        uint lockPage = LtxFormat.LockPage(MergeScene.PageSize);
        LtxFileInfo[] sources =
        [
            scene.Add(0, 5, 5, MergeScene.Bytes(5, 5, lockPage - 1, 2)), scene.Add(0, 6, 6, MergeScene.Bytes(6, 6, lockPage, 1)),
            scene.Add(0, 7, 7, MergeScene.Bytes(7, 7, lockPage + 1, 1, lockPage + 1)), scene.Add(0, 8, 8, MergeScene.Bytes(8, 8, lockPage - 2, 3)),
            scene.Add(0, 9, 9, MergeScene.Bytes(9, 9, lockPage - 1, 4, lockPage - 1)),
        ];
        Assert.Equal($"1@7 2@5 3@8 4@9 {lockPage - 1}@9", scene.Read(await scene.MergeAsync(sources)).Pages);
    }

    private static List<LtxFileInfo> Large(MergeScene scene)
    {
        // More than the pipe of a streamed upload holds, so that the encoder is in the middle when the upload fails.
        uint[] pages = [.. Enumerable.Range(1, 12_000).Select(page => (uint)page)];
        return [scene.Add(0, 1, 1, MergeScene.Bytes(1, 1, 12_000, pages)), scene.Add(0, 2, 2, MergeScene.Bytes(2, 2, 12_000, pages))];
    }
}
