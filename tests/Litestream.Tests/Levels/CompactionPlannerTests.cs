using System.Globalization;
using Litestream.Levels;
using Litestream.Restore;

namespace Litestream.Tests.Levels;

/// <summary>Windows and the choice of what to merge (store-and-restore §2, §3), on listings alone.</summary>
public sealed class CompactionPlannerTests
{
    // Without the origin 0001-01-01 another process (or the released program) would put the boundaries elsewhere.
    [Theory]
    [InlineData("00:00:30", "2026-01-02T03:04:00Z", "2026-01-02T03:04:30Z")]
    [InlineData("00:05:00", "2026-01-02T03:00:00Z", "2026-01-02T03:05:00Z")]
    [InlineData("01:00:00", "2026-01-02T03:00:00Z", "2026-01-02T04:00:00Z")]
    [InlineData("1.00:00:00", "2026-01-02T00:00:00Z", "2026-01-03T00:00:00Z")]
    [InlineData("00:07:00", "2026-01-02T03:03:00Z", "2026-01-02T03:10:00Z")]
    [InlineData("00:25:00", "2026-01-02T02:50:00Z", "2026-01-02T03:15:00Z")]
    [InlineData("1.12:00:00", "2026-01-02T00:00:00Z", "2026-01-03T12:00:00Z")]
    [InlineData("7.00:00:00", "2025-12-29T00:00:00Z", "2026-01-05T00:00:00Z")]
    public void Store_C1_windows_are_aligned_to_the_year_one(string interval, string start, string next)
    {
        DateTimeOffset now = Time("2026-01-02T03:04:05.678Z");
        TimeSpan length = TimeSpan.Parse(interval, CultureInfo.InvariantCulture);
        Assert.Equal(Time(start), LevelWindow.Start(now, length));
        Assert.Equal(Time(next), LevelWindow.Next(now, length));
        Assert.Equal(Time(next), LevelWindow.Start(Time(next), length));
    }

    [Theory]
    [InlineData("2026-01-02T02:29:59Z", "2026-01-01T02:30:00Z")]
    [InlineData("2026-01-02T02:30:00Z", "2026-01-02T02:30:00Z")]
    public void A_time_of_day_shifts_the_windows(string now, string start) =>
        Assert.Equal(Time(start), LevelWindow.Start(Time(now), TimeSpan.FromDays(1), new TimeSpan(2, 30, 0)));

    // Merging 6,7,9 into 6-9 would hide that 8 is missing; failing at it stops the level, and with it the deletion of level 0, for ever.
    [Theory]
    [InlineData("1:3-5 0:6 0:7 0:9", "0:6 0:7", "0000000000000008")]
    [InlineData("1:3-7 0:6 0:7 0:9", "", "0000000000000008")]
    [InlineData("9:9 1:3-7 0:9 0:10", "0:10", null)]
    [InlineData("9:8 1:3-7 0:9 0:10", "0:9 0:10", null)]
    [InlineData("9:9 1:3-7 0:9", "", null)]
    [InlineData("9:9 1:3-7 0:9 0:10 0:12", "0:10", "000000000000000b")]
    public void Store_C10_merges_up_to_a_gap_and_goes_on_behind_a_snapshot(string files, string sources, string? gap) =>
        AssertPlan(files, sources, gap);

    // A level file 8-9 behind 5 would be a silent gap: a restore that uses this level fails, long after level 0 is gone.
    [Fact]
    public void Store_C11_writes_nothing_over_a_gap_and_names_it() => AssertPlan("1:3-5 0:8 0:9", "", "0000000000000006-0000000000000007");

    // Left out because it begins too early, its tail 8-10 would never reach the next level.
    [Fact]
    public void Store_C12_takes_the_file_that_straddles_the_begin() =>
        AssertPlan("2:3-7 1:6-10 1:11-12", "1:6-10 1:11-12", null, level: 2);

    // The merge itself refuses a contained file; planned again and again it would stop the level.
    [Theory]
    [InlineData("2:3-5 1:6-20 1:7-10 1:21-22", "1:6-20 1:21-22")]
    [InlineData("2:3-5 1:6-8 1:6-20", "1:6-8 1:6-20")]
    public void Store_C13_leaves_contained_files_out(string files, string sources) => AssertPlan(files, sources, null, level: 2);

    [Fact]
    public void An_empty_level_starts_behind_the_newest_snapshot() => AssertPlan("9:2 9:40 0:1 0:2 0:40 0:41 0:42", "0:41 0:42", null);

    [Fact]
    public void An_empty_level_without_any_snapshot_waits()
    {
        CompactionPlan plan = Plan("0:1 0:2", 1);
        Assert.Empty(plan.Sources);
        Assert.True(plan.IsWaitingForSnapshot);
        Assert.Null(plan.Gap);
    }

    // Upstream compares with the begin of the newest file and pays a listing per level, window and idle database.
    [Theory]
    [InlineData("9:2 1:3-9 0:9")]
    [InlineData("9:9 0:8 0:9")]
    [InlineData("")]
    public void An_idle_database_has_no_work(string files) => AssertPlan(files, "", null);

    private static void AssertPlan(string files, string sources, string? gap, int level = 1)
    {
        CompactionPlan plan = Plan(files, level);
        Assert.Equal(sources, FileText.Text(plan.Sources));
        Assert.Equal(gap, plan.Gap?.ToString());
        Assert.False(plan.IsWaitingForSnapshot);
    }

    private static CompactionPlan Plan(string files, int level)
    {
        ReplicaListing listing = FileText.Listing(files);
        return CompactionPlanner.Plan(listing[level - 1], listing[level], listing[9]);
    }

    private static DateTimeOffset Time(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
