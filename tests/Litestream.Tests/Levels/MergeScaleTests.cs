using Litestream.Levels;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;

namespace Litestream.Tests.Levels;

/// <summary>Any number of sources: what does not fit at once is merged in steps, and the result is the same.</summary>
public sealed class MergeScaleTests
{
    [Fact]
    public async Task ThreeThousandLocalFiles_OneDescriptorAtATime_NoDownload()
    {
        var scene = new MergeScene();
        List<LtxFileInfo> sources = scene.AddHistory(3_000);
        int opened = scene.Files.Count(FileOperation.Create);
        LtxFileInfo merged = await scene.MergeAsync(sources);
        Assert.Equal("1@3000 2@2997 3@2998 4@2999", scene.Read(merged).Pages);
        Assert.InRange(scene.Files.MostOpenFiles, 1, 3);
        Assert.Equal(1, scene.Files.Count(FileOperation.Create) - opened); // All fit into memory: no file in between.
        Assert.Equal(0, scene.Client.Count(ReplicaOperation.Open));
        scene.AssertNothingLeft();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ThreeThousandFilesOfTheReplica_AtMost64Open_OneRequestEach(bool keepLocal)
    {
        var scene = new MergeScene(keepLocal);
        List<LtxFileInfo> sources = scene.AddHistory(3_000, local: false);
        LtxFileInfo merged = await scene.MergeAsync(sources);
        Assert.Equal("1@3000 2@2997 3@2998 4@2999", scene.Read(merged).Pages);
        Assert.InRange(scene.Client.MostOpenStreams + scene.Files.MostOpenFiles, LevelMerge.MostRemoteInputs, 64);
        Assert.Equal(3_000, scene.Client.Count(ReplicaOperation.Open));
        scene.AssertNothingLeft();
    }

    // More than the memory budget: 20,000 files are merged in steps, large ones among them without being copied.
    [Fact]
    public async Task TwentyThousandLocalFiles_AreMergedInSteps()
    {
        var scene = new MergeScene();
        uint[] pages = [.. Enumerable.Range(1, 9_000).Select(page => (uint)page)];
        byte[] large = MergeScene.Bytes(1, 1, 9_000, pages);
        Assert.True(large.Length > MergeInput.LargeSize);
        var sources = new List<LtxFileInfo> { scene.Add(0, 1, 1, large) };
        byte[] template = MergeScene.Bytes(2, 2, 9_000, 5);
        for (ulong txid = 2; txid <= 20_000; txid++)
        {
            sources.Add(scene.Add(0, txid, txid, txid < 20_000 ? WithTxid(template, txid) : MergeScene.Bytes(txid, txid, 9_000, 7), remote: false));
        }

        int written = scene.Files.Count(FileOperation.Write);
        LtxFileInfo merged = await scene.MergeAsync(sources);
        (LtxHeader header, string text) = MergeScene.Read(Cut(scene, merged));
        Assert.Equal((1UL, 20_000UL, 9_000u), (header.MinTxid.Value, header.MaxTxid.Value, header.Commit));
        Assert.StartsWith("1@1 2@1 3@1 4@1 5@2 6@1 7@20000", text, StringComparison.Ordinal);
        Assert.InRange(scene.Files.MostOpenFiles, 1, 4);
        scene.AssertNothingLeft();

        // Two files in between of a few hundred bytes, and the result: the large source was written once.
        Assert.InRange(scene.Files.Count(FileOperation.Write) - written, 3, 3 + (large.Length / 60_000) + 4);
    }

    // The steps must not lose what one merge would keep: pages cut away by a shrink that a later file does not carry again.
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public async Task RandomHistories_InSteps_GiveTheFileOfOneMerge(int seed)
    {
        var random = new Random(seed);
        var scene = new MergeScene();
        int count = random.Next(60, 260);
        bool snapshot = random.Next(2) == 0;
        uint commit = 20;
        var sources = new List<LtxFileInfo>();
        ulong reached = snapshot ? 0UL : 40;
        for (int i = 0; i < count; i++)
        {
            ulong min = i == 0 ? reached + 1 : Math.Max(Math.Max(2, sources[^1].MinTxid.Value), reached + 1 - (ulong)random.Next(3));
            ulong max = reached + 1 + (ulong)random.Next(3);
            uint before = commit;
            commit = (uint)random.Next(5, 40);
            var pages = new SortedSet<uint>(Enumerable.Range(0, random.Next(1, 6)).Select(_ => (uint)random.Next(1, (int)commit + 1)));
            if (i == 0 && snapshot)
            {
                pages.UnionWith(LtxBuilder.AllPages(commit));
            }
            else if (random.Next(8) > 0 || snapshot)
            {
                // Most files carry what grew, as the growth rule wants; those of other writers may not.
                pages.UnionWith(LtxBuilder.AllPages(commit).Where(page => page > before));
            }

            sources.Add(scene.Add(0, min, max, MergeScene.Bytes(min, max, commit, [.. pages]), local: false));
            reached = max;
        }

        (byte[]? expected, LtxErrorKind? error) = await MergeAtOnceAsync(scene, sources);
        if (error is { } kind)
        {
            Assert.Equal(kind, (await Assert.ThrowsAsync<LtxException>(() => scene.MergeAsync(sources))).Kind);
            scene.AssertNothingHappened();
            return;
        }

        LtxFileInfo merged = await scene.MergeAsync(sources);
        Assert.Equal(expected, scene.Store.Content(1, merged.MinTxid, merged.MaxTxid));
        Assert.True(scene.Client.MostOpenStreams <= LevelMerge.MostRemoteInputs);
        scene.AssertNothingLeft();
    }

    private static async Task<(byte[]? Bytes, LtxErrorKind? Error)> MergeAtOnceAsync(MergeScene scene, List<LtxFileInfo> sources)
    {
        var output = new MemoryStream();
        LtxReader[] readers = [.. sources.Select(file => new LtxReader(new MemoryStream(scene.Store.Content(0, file.MinTxid, file.MaxTxid))))];
        try
        {
            await LtxMerger.MergeAsync(readers, output);
            return (output.ToArray(), null);
        }
        catch (LtxException e)
        {
            return (null, e.Kind);
        }
        finally
        {
            Array.ForEach(readers, reader => reader.Dispose());
        }
    }

    /// <summary>The same pages under another transaction: made by the format's own writer, without compressing again.</summary>
    private static byte[] WithTxid(byte[] file, ulong txid)
    {
        using var reader = new LtxReader(new MemoryStream(file));
        LtxHeader header = reader.ReadHeader() with { MinTxid = new Txid(txid), MaxTxid = new Txid(txid) };
        var output = new MemoryStream();
        using var writer = new LtxWriter(output, header);
        while (reader.ReadPage())
        {
            writer.WriteBlock(reader.PageNumber, reader.Block, reader.PageCrc);
        }

        writer.Finish();
        return output.ToArray();
    }

    private static byte[] Cut(MergeScene scene, in LtxFileInfo file) => scene.Store.Content(file.Level, file.MinTxid, file.MaxTxid);
}
