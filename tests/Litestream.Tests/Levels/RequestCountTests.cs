using Litestream.Levels;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.TestKit.Replicas;

namespace Litestream.Tests.Levels;

/// <summary>What a merge costs at the store, and that the counting itself is right.</summary>
public sealed class RequestCountTests
{
    // Decision D6: steady operation needs no GET and no LIST.
    [Fact]
    public async Task MergeOfLocalFiles_CostsOnePut()
    {
        var scene = new MergeScene();
        List<LtxFileInfo> sources = scene.AddHistory(30);
        var counting = new CountingReplicaClient(scene.Client);
        var merger = new LevelMerger(counting, scene.Local, keepLocal: true, new EngineServices(scene.Files, scene.Time, scene.Logs), scene.Logs);
        LtxFileInfo merged = await merger.MergeAsync(sources, 1, CancellationToken.None);
        Assert.Equal(new RequestCounts { Put = 1, UploadedBytes = merged.Size }, counting.Counts);
        Assert.Equal(new RequestCounts { Put = 1, UploadedBytes = merged.Size }, counting.OfLevel(1));
    }

    [Fact]
    public async Task MergeOfFilesOfTheReplica_CostsOneGetEach()
    {
        var scene = new MergeScene();
        List<LtxFileInfo> sources = scene.AddHistory(30, local: false);
        var counting = new CountingReplicaClient(scene.Client);
        var merger = new LevelMerger(counting, scene.Local, keepLocal: true, new EngineServices(scene.Files, scene.Time, scene.Logs), scene.Logs);
        LtxFileInfo merged = await merger.MergeAsync(sources, 1, CancellationToken.None);
        var expected = new RequestCounts
        {
            Put = 1, Get = 30, UploadedBytes = merged.Size, DownloadedBytes = sources.Sum(file => file.Size),
        };
        Assert.Equal(expected, counting.Counts);
    }

    [Fact]
    public async Task PagesOfListings_AndBatchesOfDeletions_AreCalls()
    {
        var scene = new MergeScene();
        byte[] file = MergeScene.Bytes(2, 2, 4, 1);
        for (ulong txid = 1; txid <= 2_001; txid++)
        {
            scene.Store.Put(0, new Txid(txid), new Txid(txid), file, default);
        }

        var counting = new CountingReplicaClient(scene.Client);
        List<LtxFileInfo> files = [];
        for (int level = 0; level < 2; level++)
        {
            await foreach (LtxFileInfo info in counting.ListAsync(level, Txid.None, accurateTimes: false, CancellationToken.None))
            {
                files.Add(info);
            }
        }

        Assert.Equal(new RequestCounts { List = 3 + 1 }, counting.Counts);
        RequestCounts before = counting.Counts;
        await counting.DeleteAsync(files, CancellationToken.None);
        await counting.DeleteAsync([], CancellationToken.None);
        Assert.Equal(new RequestCounts { Delete = 3, DeletedFiles = 2_001 }, counting.Counts - before);
    }
}
