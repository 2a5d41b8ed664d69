using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit.Replicas;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Litestream.Tests.Restore;

/// <summary>The plan rules of store-and-restore §9 on listings alone.</summary>
public sealed class PlannerTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private const string NoMatch = "no matching backup files available";

    [Theory]
    [InlineData("latest", "9:100 2:101-130 1:131-133 1:134-136 0:137")]
    [InlineData("txid 135", "9:100 2:101-130 1:131-133 0:134 0:135")]
    [InlineData("txid 106", "9:100 1:101-103 1:104-106")]
    [InlineData("txid 105", NoMatch)]
    [InlineData("txid 99", NoMatch)]
    [InlineData("time 355", "9:100 2:101-130 1:131-133 0:134 0:135")]
    [InlineData("time 360", "9:100 2:101-130 1:131-133 0:134 0:135")]
    [InlineData("time 59", "9:100 1:101-103")]
    [InlineData("time 61", "9:100 1:101-103 1:104-106")]
    [InlineData("time 0", NoMatch)]
    public async Task P1_every_row_of_the_example(string request, string expected) =>
        Assert.Equal(expected, await PlanAsync(Example(), request));

    [Theory]
    [InlineData("latest", "cannot calc restore plan: non-contiguous ltx files: have up to 0000000000000085 but next file starts at 0000000000000087")]
    [InlineData("time 400", "cannot calc restore plan: non-contiguous ltx files: have up to 0000000000000085 but next file starts at 0000000000000087")]
    [InlineData("txid 136", NoMatch)]
    [InlineData("txid 133", "9:100 2:101-130 1:131-133")]
    public async Task P1_P18_the_example_with_a_gap(string request, string expected)
    {
        MemoryReplicaClient client = Example();
        client.Remove(0, new Txid(134), new Txid(134));
        client.Remove(0, new Txid(137), new Txid(137));
        client.Remove(1, new Txid(134), new Txid(136));

        // The rest of the history is L0 135 and 136: behind a gap.
        Assert.Equal(expected, await PlanAsync(client, request));
    }

    [Fact]
    public async Task P2_a_time_before_the_oldest_L0_is_served_by_higher_levels()
    {
        var client = new MemoryReplicaClient();
        Put(client, 9, 1, 10, 0);
        Put(client, 1, 11, 20, 30);
        Put(client, 0, 21, 21, 400);
        Assert.Equal("9:10 1:11-20", await PlanAsync(client, "time 100", url: true));
        Assert.Equal("timestamp does not exist", await PlanAsync(client, "time 401", url: true));
        Assert.Equal("timestamp does not exist", await PlanAsync(client, "time -1", url: true));
        Assert.Equal("9:10 1:11-20", await PlanAsync(client, "time 400", url: true));
        Assert.Equal("9:10 1:11-20 0:21", await PlanAsync(client, "time 401"));
        Assert.Equal(NoMatch, await PlanAsync(client, "time 0", url: true));
        Assert.Equal("no backups found", await PlanAsync(new MemoryReplicaClient(), "time 0", url: true));
    }

    [Fact]
    public async Task P3_a_transaction_inside_a_merged_file_is_no_point()
    {
        var client = new MemoryReplicaClient();
        Put(client, 9, 1, 10, 0);
        Put(client, 1, 11, 20, 30);
        Assert.Equal(NoMatch, await PlanAsync(client, "txid 15"));
        RestoreUnavailableException error = await Assert.ThrowsAsync<RestoreUnavailableException>(
            () => RestorerOf(client).PlanAsync(Options("txid 15"), CancellationToken.None));
        Assert.Equal(RestoreUnavailableReason.TransactionNotAvailable, error.Reason);
        Assert.Contains("000000000000000a", error.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(355, "9:100 2:101-130 1:131-133")] // 134 and 135 are older, but their first file went to level 1 and on.
    [InlineData(365, "9:100 2:101-130 1:131-133 1:134-136")]
    public async Task P18_a_time_inside_a_merged_file_gives_the_boundary_before_it(int seconds, string expected)
    {
        MemoryReplicaClient client = Example();
        client.Remove(0, new Txid(134), new Txid(134)); // What retention does: 135 is younger and still there.
        Assert.Equal(expected, await PlanAsync(client, $"time {seconds}"));
    }

    [Fact]
    public async Task C9_a_contained_file_is_skipped()
    {
        var client = new MemoryReplicaClient();
        Put(client, 9, 1, 5, 0);
        Put(client, 1, 1, 100, 10);
        Put(client, 1, 50, 60, 10);
        Assert.Equal("9:5 1:1-100", await PlanAsync(client, "txid 100"));
    }

    [Fact]
    public async Task Ties_prefer_an_earlier_start_then_the_higher_level()
    {
        var client = new MemoryReplicaClient();
        Put(client, 0, 1, 1, 0);
        Put(client, 1, 2, 4, 0);
        Put(client, 2, 1, 4, 0);
        Put(client, 3, 1, 4, 0);
        Put(client, 3, 5, 5, 0);
        Put(client, 0, 5, 5, 0);
        Assert.Equal("3:1-4 3:5", await PlanAsync(client, "latest"));
    }

    [Fact]
    public async Task The_greatest_transaction_id_does_not_overflow()
    {
        var client = new MemoryReplicaClient();
        Put(client, 9, 1, ulong.MaxValue, 0);
        Put(client, 0, ulong.MaxValue, ulong.MaxValue, 0);
        Assert.Equal($"9:{ulong.MaxValue}", await PlanAsync(client, "latest"));
    }

    [Fact]
    public async Task P25_a_file_that_moves_up_between_two_listings_is_not_missed()
    {
        var memory = new MemoryReplicaClient();
        Put(memory, 9, 1, 1, 0);
        Put(memory, 0, 2, 2, 1);
        Put(memory, 0, 3, 3, 2);
        Put(memory, 0, 4, 4, 3);
        var client = new FaultyReplicaClient(memory);
        client.OnRequest = (operation, level, _, _) =>
        {
            if (operation == ReplicaOperation.List && level == 1)
            {
                Put(memory, 1, 2, 3, 2); // Merged: written first, then the sources go.
                memory.Remove(0, new Txid(2), new Txid(2));
                memory.Remove(0, new Txid(3), new Txid(3));
            }
        };
        Assert.Equal("9:1 1:2-3 0:4", await PlanAsync(client, "latest"));
    }

    [Fact]
    public async Task P25_a_gap_that_is_gone_in_the_next_listing_is_no_gap()
    {
        var memory = new MemoryReplicaClient();
        Put(memory, 9, 1, 1, 0);
        Put(memory, 0, 3, 3, 2);
        var client = new FaultyReplicaClient(memory);
        int listings = 0;
        client.OnRequest = (operation, level, _, _) =>
        {
            if (operation == ReplicaOperation.List && level == 9 && ++listings == 1)
            {
                Put(memory, 1, 2, 3, 2);
            }
        };
        Assert.Equal("9:1 1:2-3", await PlanAsync(client, "latest"));
    }

    [Fact]
    public async Task C17_a_failing_listing_fails_the_plan()
    {
        var client = new FaultyReplicaClient(Example());
        client.Fail(ReplicaOperation.List, number: 3, afterEffect: true);
        await Assert.ThrowsAsync<ReplicaException>(() => RestorerOf(client).PlanAsync(Options("latest"), CancellationToken.None));
    }

    [Fact]
    public async Task P4_accurate_times_are_asked_for_only_with_a_time()
    {
        var client = new AccuracyProbe(Example());
        await RestorerOf(client).PlanAsync(Options("latest"), CancellationToken.None);
        await RestorerOf(client).PlanAsync(Options("txid 135"), CancellationToken.None);
        Assert.False(client.AskedAccurate);
        await RestorerOf(client).PlanAsync(Options("time 100"), CancellationToken.None);
        Assert.True(client.AskedAccurate);
    }

    private static MemoryReplicaClient Example()
    {
        var client = new MemoryReplicaClient();
        Put(client, 9, 1, 100, 0);
        Put(client, 2, 101, 130, 300);
        Put(client, 1, 101, 103, 30);
        Put(client, 1, 104, 106, 60);
        Put(client, 1, 107, 130, 300);
        Put(client, 1, 131, 133, 330);
        Put(client, 1, 134, 136, 360);
        for (ulong txid = 131; txid <= 137; txid++)
        {
            Put(client, 0, txid, txid, ((int)txid - 100) * 10);
        }

        return client;
    }

    private static void Put(MemoryReplicaClient client, int level, ulong min, ulong max, int seconds) =>
        client.Put(level, new Txid(min), new Txid(max), new byte[200], Start.AddSeconds(seconds));

    private static RestoreOptions Options(string request, bool url = false) => request.Split(' ') switch
    {
        ["txid", string txid] => new RestoreOptions { OutputPath = "/x", TargetTxid = new Txid(ulong.Parse(txid, null)), CheckTimestampBounds = url },
        ["time", string seconds] => new RestoreOptions
        {
            OutputPath = "/x", Timestamp = Start.AddSeconds(int.Parse(seconds, null)), CheckTimestampBounds = url,
        },
        _ => new RestoreOptions { OutputPath = "/x", CheckTimestampBounds = url },
    };

    private static Restorer RestorerOf(IReplicaClient client) =>
        new(client, LocalFileSystem.Instance, TimeProvider.System, NullLogger.Instance);

    private static async Task<string> PlanAsync(IReplicaClient client, string request, bool url = false)
    {
        try
        {
            RestorePlan plan = await RestorerOf(client).PlanAsync(Options(request, url), CancellationToken.None);
            return string.Join(' ', plan.Files.Select(file => file.Level == 9 || file.MinTxid == file.MaxTxid
                ? $"{file.Level}:{file.MaxTxid.Value}"
                : $"{file.Level}:{file.MinTxid.Value}-{file.MaxTxid.Value}"));
        }
        catch (Exception error) when (error is RestoreUnavailableException or RestoreGapException)
        {
            return error.Message;
        }
    }

    private sealed class AccuracyProbe(IReplicaClient inner) : IReplicaClient
    {
        internal bool AskedAccurate { get; private set; }

        public string Type => inner.Type;

        public ValueTask InitializeAsync(CancellationToken cancellationToken) => inner.InitializeAsync(cancellationToken);

        public IAsyncEnumerable<LtxFileInfo> ListAsync(int level, Txid seek, bool accurateTimes, CancellationToken cancellationToken)
        {
            AskedAccurate |= accurateTimes;
            return inner.ListAsync(level, seek, accurateTimes, cancellationToken);
        }

        public ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken) =>
            inner.OpenAsync(level, minTxid, maxTxid, offset, size, cancellationToken);

        public ValueTask<LtxFileInfo> WriteAsync(
            int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken) =>
            inner.WriteAsync(level, minTxid, maxTxid, source, mode, cancellationToken);

        public ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken) => inner.DeleteAsync(files, cancellationToken);

        public ValueTask DeleteAllAsync(CancellationToken cancellationToken) => inner.DeleteAllAsync(cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
