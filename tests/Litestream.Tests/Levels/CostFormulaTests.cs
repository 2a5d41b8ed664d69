using System.Globalization;
using Litestream.Levels;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.TestKit.Processes;
using Litestream.TestKit.Replicas;

namespace Litestream.Tests.Levels;

/// <summary>The numbers of docs/guide/cost.md.</summary>
public sealed class CostFormulaTests
{
    private static readonly int[] Windows = [30, 300, 3600];

    // An hour of one commit a second through the product's merges: what the formula says for an hour.
    [Fact]
    public async Task AnHourOfCommits_CostsUploadsAndOneMergeForEachWindow()
    {
        var scene = new MergeScene();
        var counting = new CountingReplicaClient(scene.Client);
        var merger = new LevelMerger(counting, scene.Local, keepLocal: true, new EngineServices(scene.Files, scene.Time, scene.Logs), scene.Logs);
        List<LtxFileInfo>[] waiting = [[], [], [], []];
        for (int second = 1; second <= 3600; second++)
        {
            ulong txid = (ulong)second;
            byte[] bytes = second == 1 ? MergeScene.Bytes(1, 1, 4, 1, 2, 3, 4) : MergeScene.Bytes(txid, txid, 4, 1 + (uint)(txid % 4));
            waiting[0].Add(scene.Add(0, txid, txid, bytes, remote: false));
            await counting.WriteAsync(0, new Txid(txid), new Txid(txid), new MemoryStream(bytes), WriteMode.CreateOnly, CancellationToken.None);
            for (int level = 1; level <= Windows.Length; level++)
            {
                if (second % Windows[level - 1] == 0)
                {
                    waiting[level].Add(await merger.MergeAsync(waiting[level - 1], level, CancellationToken.None));
                    waiting[level - 1].ForEach(file => scene.Local.Delete(file));
                    waiting[level - 1].Clear();
                }
            }
        }

        Assert.Equal((3600L + 120 + 12 + 1, 0L, 0L), (counting.Counts.Put, counting.Counts.Get, counting.Counts.List));
        Assert.Equal((120L, 12L, 1L), (counting.OfLevel(1).Put, counting.OfLevel(2).Put, counting.OfLevel(3).Put));
        LtxFileInfo hour = Assert.Single(waiting[3]);
        Assert.Equal((1UL, 3600UL, "1@3600 2@3597 3@3598 4@3599"), (hour.MinTxid.Value, hour.MaxTxid.Value, scene.Read(hour).Pages));
    }

    // Decision D6: at one commit a second at most 86,400 + 3,193 PUT a day.
    [Fact]
    public void TheGuide_StatesWhatTheDefaultLevelsGive()
    {
        int merges = Windows.Sum(seconds => 86_400 / seconds) + 1;
        string guide = File.ReadAllText(Path.Combine(Checkout.Root, "docs", "guide", "cost.md"));
        foreach (int number in (int[])[merges, 86_400 + merges, 86_400 / 30, 86_400 / 300, (86_400 / 30) - (86_400 / 300)])
        {
            Assert.Contains(number.ToString("N0", CultureInfo.InvariantCulture), guide, StringComparison.Ordinal);
        }
    }
}
