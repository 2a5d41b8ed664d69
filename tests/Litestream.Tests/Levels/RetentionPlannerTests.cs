using Litestream.Levels;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Tests.Levels;

/// <summary>What may be deleted (store-and-restore §6, decisions D13 and D14), on listings alone.</summary>
public sealed class RetentionPlannerTests
{
    private const int Minute = 60;
    private const int Hour = 3600;
    private const int Day = 86400;

    private static readonly RetentionRules Rules = new(TimeSpan.FromMinutes(5), TimeSpan.FromDays(1), [null, null, null]);

    // Level 0 is then the only place that has them.
    [Fact]
    public void Store_R1_level_0_that_is_not_merged_stays_whatever_its_age() =>
        Assert.Equal("0:5 0:4 0:3", LevelZero("9:2 1:3-5 0:3 0:4 0:5 0:6 0:7", now: 100 * Hour));

    // Followers and restores in flight have seen the level-0 files and not the merged one.
    [Theory]
    [InlineData("9:2 1:3-6 1:7-9 0:3@0 0:4@0 0:5@0 0:6@0 0:7@0 0:8@900 0:9@0 0:10@1000", "0:6 0:5 0:4 0:3")]
    [InlineData("9:2 1:3-6 0:3@0 0:4@0 0:5@900 0:6@0 0:7@0", "")]
    public void Store_R2_the_walk_ends_at_the_first_young_file(string files, string deleted) => Assert.Equal(deleted, LevelZero(files, now: 1000));

    [Fact]
    public void Store_R2_merged_less_than_the_retention_ago_stays() =>
        Assert.Equal("0:4 0:3", LevelZero("9:2 1:3-4 1:5-6 0:3 0:4 0:5 0:6 0:7", now: 1000, settled: 4));

    // The newest one is the position of the replica for every other program.
    [Fact]
    public void Store_R3_the_newest_file_stays() => Assert.Equal("0:4 0:3", LevelZero("9:2 1:3-5 0:3 0:4 0:5", now: Day));

    // "Below the greatest TXID of level 1" is not "held by level 1".
    [Fact]
    public void Store_R4_files_in_a_gap_of_level_1_stay() =>
        Assert.Equal("0:10 0:9 0:8 0:5 0:4 0:3", LevelZero("1:3-5 1:8-10 0:3 0:4 0:5 0:6 0:7 0:8 0:9 0:10 0:11", now: Day));

    // With 6 and 7 gone, the points 8 and 9 would have no way left but a merged file that goes beyond them.
    [Fact]
    public void Level_0_goes_by_whole_merged_files() =>
        Assert.Equal("0:5 0:4 0:3", LevelZero("9:2 1:3-5 1:6-10 0:3 0:4 0:5 0:6 0:7 0:8@900 0:9@900 0:10@900 0:11@900", now: 1000));

    [Fact]
    public void Level_0_before_the_snapshot_behind_which_level_1_starts_goes() =>
        Assert.Equal("0:2 0:1", LevelZero("9:2 1:3-4 0:1 0:2 0:3@900 0:4@900", now: 1000));

    // A plan made before the newest snapshot appeared still reads what lies between.
    [Fact]
    public void Store_R5_files_of_a_plan_in_flight_stay() =>
        Assert.Equal("", Levels("9:5@0 1:6-10@0 9:11@90000 1:11-11@90000 0:11@90000", now: 90001));

    [Fact]
    public void Store_R6_a_single_expired_snapshot_and_all_behind_it_stay() =>
        Assert.Equal("1:3-4", Levels("9:5 1:3-4 1:5-5 1:6-10 0:10", now: 100 * Day));

    // Upstream deletes 1-200 here and with it every point of the last day (worked example of §6.1).
    [Fact]
    public void Store_R7_the_base_of_the_window_stays()
    {
        string files = $"9:100@3 9:200@{Day + 3} 9:300@{(2 * Day) + 3} 1:3-100@2 1:101-200@{Day - 1} 1:201-299@{(2 * Day) - 1} 1:300-300@{2 * Day}";
        Assert.Equal("1:3-100 9:100", Levels(files, now: (2 * Day) + 5));
        Assert.Equal("", Levels(files, now: (2 * Day) + 2));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void Store_R10_without_level_0_retention_nothing_goes(int seconds) =>
        Assert.Empty(RetentionPlanner.PlanLevelZero(
            FileText.Listing("9:2 1:3-5 0:3 0:4 0:5 0:6"), Rules with { LevelZero = TimeSpan.FromSeconds(seconds) }, Last, FileText.At(Day)).Files);

    // Upstream's floor is 0 in every run that deletes no snapshot, which is every run on an idle database.
    [Fact]
    public void Store_R12_an_idle_database_converges()
    {
        string files = $"9:100@0 9:200@{Day} 1:101-150@{Hour} 1:151-199@{2 * Hour} 1:200-200@{3 * Hour} 2:101-199@{3 * Hour} 2:200-200@{3 * Hour} 0:200@{3 * Hour}";
        RetentionPlan plan = RetentionPlanner.PlanLevels(FileText.Listing(files), Rules, FileText.At(Day + Hour));
        Assert.Equal("", FileText.Text(plan.Files));
        Assert.Equal(FileText.At(2 * Day).AddTicks(1), plan.NextDue);

        plan = RetentionPlanner.PlanLevels(FileText.Listing(files), Rules, plan.NextDue!.Value);
        Assert.Equal("1:151-199 2:101-199 1:101-150 9:100", FileText.Text(plan.Files));
        Assert.Null(plan.NextDue);
    }

    // 121-130 would never reach level 2: a gap there.
    [Fact]
    public void Store_R13_what_the_next_level_has_not_merged_stays() =>
        Assert.Equal("1:111-120 1:101-110", Levels($"9:200@0 1:101-110 1:111-120 1:121-130 1:131-200 2:101-120 0:200", now: 3 * Day));

    [Fact]
    public void Store_R13_an_empty_next_level_starts_behind_the_snapshot_anyway() =>
        Assert.Equal("1:111-120 1:101-110", Levels("9:200@0 1:101-110 1:111-120 1:121-200 0:200", now: 3 * Day));

    // A snapshot that a wrong clock dated a year back is not the base of points it does not precede.
    [Fact]
    public void A_snapshot_with_a_wrong_time_is_no_base_for_younger_points()
    {
        string files = $"9:100@{-Hour} 1:101-150@{Hour} 1:151-200@{2 * Hour} 9:200@{-400 * Day} 1:201-210@{3 * Hour} 0:210@{3 * Hour}";
        Assert.Equal("", Levels(files, now: Day));
        Assert.Equal("1:101-150 9:100", Levels(files, now: Day + (2 * Hour) + 1));
    }

    [Fact]
    public void A_level_with_a_retention_loses_what_the_next_one_holds()
    {
        RetentionRules rules = Rules with { Snapshot = TimeSpan.FromHours(1), Levels = [TimeSpan.FromHours(2), null, null] };
        string files = $"9:2@0 1:3-5@60 1:6-9@120 1:10-12@{3 * Hour} 2:3-9@120 2:10-12@{3 * Hour} 1:13-13@{3 * Hour} 0:13@{3 * Hour}";
        Assert.Equal("1:6-9 1:3-5", Levels(files, (2 * Hour) + 120, rules));
        Assert.Equal("", Levels(files, (2 * Hour) + 59, rules));
    }

    [Fact]
    public void A_level_retention_shorter_than_the_promise_does_not_break_it()
    {
        RetentionRules rules = Rules with { Levels = [TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(1), null] };
        string files = $"9:2@0 1:3-5@{Day} 1:6-9@{Day + 1} 1:10-12@{Day + 2} 2:3-9@{Day + 1} 2:10-12@{Day + 2} 3:3-12@{Day + 2} 0:12@{Day + 2}";

        // 5 lies inside 3-9, and 9 inside 3-12; the way to 5 is level 1, to 9 it is level 2 or 1.
        Assert.Equal("", Levels(files, Day + (10 * Minute), rules));
        Assert.Equal("1:6-9 1:3-5", Levels(files, (2 * Day) + 1, rules));
        Assert.Equal("", Levels(files.Replace("1:6-9@86401 ", "", StringComparison.Ordinal).Replace("1:3-5@86400 ", "", StringComparison.Ordinal), (2 * Day) + 1, rules));
        Assert.Equal("1:6-9 2:3-9 1:3-5", Levels(files, (2 * Day) + 1.5, rules));
    }

    private static Txid Last => new(ulong.MaxValue);

    private static string LevelZero(string files, double now, ulong settled = ulong.MaxValue) =>
        FileText.Text(RetentionPlanner.PlanLevelZero(FileText.Listing(files), Rules, new Txid(settled), FileText.At(now)).Files);

    private static string Levels(string files, double now, RetentionRules? rules = null) =>
        FileText.Text(RetentionPlanner.PlanLevels(FileText.Listing(files), rules ?? Rules, FileText.At(now)).Files);
}
