using CsCheck;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit;
using Xunit;

namespace Litestream.Tests.Restore;

/// <summary>The listing of restorable points: what it promises is what a restore can keep, and nothing is left out.</summary>
public sealed class RestorePointsTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void The_points_of_random_listings_are_those_that_the_planner_reaches() => Gen.Int.Sample(
        seed =>
        {
            var random = new Random(seed);
            List<LtxFileInfo> files = RandomFiles(random);
            ReplicaListing listing = Listing(files);
            HashSet<ulong> listed = [.. RestorePoints.Of(files).Points.Select(point => point.Txid.Value)];
            for (ulong txid = 1; txid <= 32; txid++)
            {
                Assert.True(listed.Contains(txid) == CanPlan(listing, new Txid(txid), null), $"seed {seed}, transaction {txid}");
            }
        },
        iter: 20_000);

    [Fact]
    public void In_a_sane_history_every_time_gives_the_last_point_before_it() => Gen.Int.Sample(
        seed =>
        {
            var random = new Random(seed);
            List<LtxFileInfo> files = SaneFiles(random);
            RestorePoints points = RestorePoints.Of(files);
            Assert.Empty(points.Gaps);
            ReplicaListing listing = Listing(files);
            for (int second = 0; second <= 40; second++)
            {
                DateTimeOffset time = Start.AddSeconds(second);
                List<RestorePoint> before = [.. points.Points.Where(point => point.Time < time)];
                Assert.True(
                    before.Count == 0 ? !CanPlan(listing, Txid.None, time) : Plan(listing, Txid.None, time)[^1].MaxTxid == before[^1].Txid,
                    $"seed {seed}, second {second}");
            }
        },
        iter: 5_000);

    [Fact]
    public void Ranges_cover_all_points_and_gaps_name_everything_that_is_not_one() => Gen.Int.Sample(
        seed =>
        {
            List<LtxFileInfo> files = RandomFiles(new Random(seed));
            RestorePoints points = RestorePoints.Of(files);
            Assert.Equal(points.Points.Count, points.Ranges.Sum(range => range.Count));
            Assert.All(points.Ranges, range => Assert.True(range.First.Txid <= range.Last.Txid));
            HashSet<Txid> listed = [.. points.Points.Select(point => point.Txid)];
            foreach (RestoreGap gap in points.Gaps)
            {
                Assert.NotEmpty(gap.Missing);
                Assert.All(gap.Lost, lost => Assert.DoesNotContain(lost.Txid, listed));
                Assert.All(gap.Missing, missing => Assert.True(missing.First <= missing.Last && missing.First > gap.After));
                Assert.True(gap.After.IsNone || listed.Contains(gap.After));
                Assert.True(gap.Resumes.IsNone || listed.Contains(gap.Resumes));
            }

            // An end of a file that is no point is either lost by a gap or lies inside a step that leads past it.
            HashSet<Txid> lost = [.. points.Gaps.SelectMany(gap => gap.Lost).Select(point => point.Txid)];
            foreach (LtxFileInfo file in files.Where(file => file.Level < 9 && RestorePlanner.IsUsable(file) && !listed.Contains(file.MaxTxid)))
            {
                Assert.True(lost.Contains(file.MaxTxid) || points.Points.Any(point => point.Txid > file.MaxTxid), $"seed {seed}: {file}");
            }
        },
        iter: 5_000);

    [Theory]
    [InlineData("9:1-100 2:101-130 1:101-103 1:104-130 1:131-133 0:131 0:132 0:133 0:134", "9:100-100x1 1:103-130x2 0:131-134x4", "")]
    [InlineData("0:1 0:2 0:3", "0:1-3x3", "")]
    [InlineData("0:1 0:2 0:4 0:5", "0:1-2x2", "after 2 missing 3 lost 4-5x2 resumes 0")]
    [InlineData("0:1 0:2 0:4 0:5 9:1-5 0:6", "0:1-2x2 9:5-5x1 0:6-6x1", "after 2 missing 3 lost 4x1 resumes 5")]
    [InlineData("9:1-10 1:11-13 1:14-16 0:15 0:16 0:17", "9:10-10x1 1:13-16x2 0:17-17x1", "")] // 15 lies inside 14-16: granularity, no gap.
    [InlineData("1:201-210 1:211-220 9:1-220", "9:220-220x1", "after 0 missing 1-200 lost 210x1 resumes 220")]
    [InlineData("9:1-100 9:1-200", "9:100-100x1 9:200-200x1", "after 100 missing 101-199 lost none resumes 200")]
    [InlineData("9:1-100 9:1-101", "9:100-101x2", "")]
    [InlineData("0:2 0:3 0:7", "", "after 0 missing 1,4-6 lost 2-7x3 resumes 0")]
    [InlineData("", "", "")]
    public void Examples(string files, string ranges, string gaps)
    {
        RestorePoints points = RestorePoints.Of(files.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Parse));
        Assert.Equal(ranges, string.Join(' ', points.Ranges.Select(r => $"{r.Level}:{r.First.Txid.Value}-{r.Last.Txid.Value}x{r.Count}")));
        Assert.Equal(gaps, string.Join(' ', points.Gaps.Select(Text)));
    }

    [Fact]
    public async Task Every_point_of_a_v03_replica_is_one_that_a_restore_reaches()
    {
        foreach (string fixture in new[] { "two-generations", "many-indexes" })
        {
            using RestoreScene scene = RestoreScene.Of("v0.3", fixture);
            RestorePoints points = await scene.Restorer.ListPointsAsync(CancellationToken.None);
            Assert.Empty(points.Points);
            int expected = Directory.GetFiles(scene.Replica, "*.lz4", SearchOption.AllDirectories).Length;
            Assert.Equal((expected, 0), (points.Generations.Sum(range => range.Count), points.Generations.Sum(range => range.Lost)));
            foreach (GenerationRange range in points.Generations)
            {
                foreach (DateTimeOffset time in new[] { range.From, range.To })
                {
                    RestorePlan plan = await scene.Restorer.PlanAsync(scene.Options() with { Timestamp = time }, CancellationToken.None);
                    Assert.Equal(range.Generation, plan.Generation!.Generation);
                }
            }
        }
    }

    [Fact]
    public async Task Segments_behind_a_missing_WAL_index_of_v03_are_lost()
    {
        using RestoreScene scene = RestoreScene.Of("v0.3", "many-indexes");
        string generation = Directory.GetDirectories(Path.Combine(scene.Replica, "generations")).Single();
        File.Delete(Path.Combine(generation, "snapshots/00000002.snapshot.lz4"));
        File.Delete(Path.Combine(generation, "snapshots/00000003.snapshot.lz4"));
        File.Delete(Path.Combine(generation, "wal/00000001_00000000.wal.lz4"));
        GenerationRange range = (await scene.Restorer.ListPointsAsync(CancellationToken.None)).Generations.Single();
        Assert.Equal(Directory.GetFiles(generation, "*.lz4", SearchOption.AllDirectories).Length, range.Count + range.Lost);
        Assert.True(range.Lost > 0);
        Assert.Null(await scene.TryRestoreAsync(scene.Options() with { Timestamp = range.To }));
        File.Delete(scene.Output);
        Assert.Contains("missing WAL segment", await scene.TryRestoreAsync(scene.Options()), StringComparison.Ordinal);
    }

    private static string Text(RestoreGap gap)
    {
        string missing = string.Join(',', gap.Missing.Select(m => m.First == m.Last ? $"{m.First.Value}" : $"{m.First.Value}-{m.Last.Value}"));
        string lost = gap.Lost.Count switch
        {
            0 => "none",
            1 => $"{gap.Lost[0].Txid.Value}x1",
            _ => $"{gap.Lost[0].Txid.Value}-{gap.Lost[^1].Txid.Value}x{gap.Lost.Count}",
        };
        return $"after {gap.After.Value} missing {missing} lost {lost} resumes {gap.Resumes.Value}";
    }

    private static LtxFileInfo Parse(string text)
    {
        string[] parts = text.Split(':', '-');
        ulong min = ulong.Parse(parts[1], null);
        ulong max = parts.Length > 2 ? ulong.Parse(parts[2], null) : min;
        return new LtxFileInfo(int.Parse(parts[0], null), new Txid(min), new Txid(max), 200, Start.AddSeconds(max));
    }

    private static List<LtxFileInfo> RandomFiles(Random random)
    {
        List<LtxFileInfo> files = [];
        int count = random.Next(0, 25);
        for (int i = 0; i < count; i++)
        {
            int level = random.Next(10);
            ulong min = level == 9 && random.Next(8) > 0 ? 1 : (ulong)random.Next(0, 30);
            ulong max = min + (ulong)(level == 0 ? 0 : random.Next(0, 8));
            files.Add(new LtxFileInfo(level, new Txid(min), new Txid(max), 200, Start.AddSeconds(random.Next(40))));
        }

        return files;
    }

    /// <summary>A history of one writer whose retention took away level 0, and lower levels, up to some file.</summary>
    private static List<LtxFileInfo> SaneFiles(Random random)
    {
        List<LtxFileInfo> files = [];
        int count = random.Next(2, 30);
        int snapshot = random.Next(1, count + 1);
        files.Add(File(9, 1, snapshot));
        List<int> ends = [.. Enumerable.Range(0, count + 1)];
        for (int level = 0; level < 4; level++)
        {
            // What is kept of a level: from some file on, while the level above covers what went.
            int kept = level < 3 ? random.Next(ends.Count) : 0;
            List<int> above = [0, .. ends.Skip(1).Where(_ => random.Next(3) == 0)];
            int covered = above[^1];
            for (int i = 1; i < ends.Count; i++)
            {
                if (i > kept || ends[i] > covered)
                {
                    files.Add(File(level, ends[i - 1] + 1, ends[i]));
                }
            }

            ends = level < 3 ? above : ends;
        }

        return files;

        static LtxFileInfo File(int level, int min, int max) =>
            new(level, new Txid((ulong)min), new Txid((ulong)max), 200, Start.AddSeconds(max));
    }

    private static ReplicaListing Listing(List<LtxFileInfo> files) => new(
    [
        .. Enumerable.Range(0, 10).Select(level =>
            (IReadOnlyList<LtxFileInfo>)[.. files.Where(file => file.Level == level).OrderBy(file => file.MinTxid).ThenBy(file => file.MaxTxid)]),
    ]);

    private static List<LtxFileInfo> Plan(ReplicaListing listing, Txid target, DateTimeOffset? before) =>
        new RestorePlanner(listing, target, before).Plan();

    private static bool CanPlan(ReplicaListing listing, Txid target, DateTimeOffset? before)
    {
        try
        {
            return Plan(listing, target, before).Count > 0;
        }
        catch (Exception none) when (none is RestoreUnavailableException or RestoreGapException)
        {
            return false;
        }
    }
}
