using System.Diagnostics.Metrics;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Litestream.Storage;
using Litestream.Tests.Support;
using Litestream.Verify;
using Microsoft.Extensions.Time.Testing;

namespace Litestream.Tests.Verify;

/// <summary>Verification by the daemon: when it runs, what it says, what it repairs (decisions D16 to D18).</summary>
public sealed class ScheduleTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public async Task It_runs_on_schedule_reports_damage_repairs_it_and_is_measured()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(50));
        using var test = new TestDatabase
        {
            Time = time,
            Configure = options => options with { VerifyInterval = Hour, VerifyShare = 1, VerifyDeep = true, MonitorInterval = TimeSpan.FromHours(9) },
        };
        using var app = new SqliteShell(test.Path);
        app.Run("PRAGMA journal_mode=wal; CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(50000));");
        var files = new UnsyncedFileSystem(LocalFileSystem.Instance);
        await using ManualStore store = await test.OpenAsync(fileSystem: files, monitor: true);
        await AdvanceAsync(time, TimeSpan.FromMinutes(5), () => test.Logs.Contains("verification of the replica scheduled"), "announced");
        Assert.Contains(test.Logs.Records, record => record.Text.Contains("bytes_per_run=", StringComparison.Ordinal));

        await AdvanceAsync(time, Hour * 2, () => test.Logs.Count("replica verified") == 1, "first run");
        VerificationStatus first = Assert.IsType<VerificationStatus>(store.Database.GetStatus().Verification);
        Assert.Equal(("proven", store.Database.GetStatus().Txid), (first.Result, first.Proven));

        // The state directory still has the file: it is put back, and no run finds anything wrong afterwards.
        string file = Directory.GetFiles(test.RemoteLevelZero).Single();
        byte[] intact = File.ReadAllBytes(file);
        byte[] damaged = [.. intact];
        damaged[intact.Length / 2] ^= 4;
        File.WriteAllBytes(file, damaged);
        await AdvanceAsync(time, Hour * 2, () => test.Logs.Count("replica verified") == 2, "second run");
        Assert.True(test.Logs.Contains("replica file repaired"));
        Assert.Equal(intact, File.ReadAllBytes(file));

        var measured = new Dictionary<string, double>();
        using MeterListener listener = Listen(test.Path, measured);
        using var metrics = new EngineMetrics(store.Store, time);
        listener.RecordObservableInstruments();
        Assert.Equal((1.0, 0.0), (measured["litestream_verify_proven_txid"], measured["litestream_verify_damaged_files"]));
        Assert.True(measured["litestream_verify_last_run_timestamp_seconds"] >= measured["litestream_verify_proven_timestamp_seconds"]);
        await AdvanceAsync(time, Hour * 2, () => test.Logs.Count("replica verified") == 3, "third run");
        Assert.Equal(1.0, measured["litestream_verify_runs_total{result=proven}"]);
    }

    [Fact]
    public async Task Damage_that_nothing_repairs_makes_a_new_snapshot_so_that_what_follows_is_restorable()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("PRAGMA journal_mode=wal; CREATE TABLE t (a);");
        await using ManualStore store = await test.OpenAsync(fileSystem: new UnsyncedFileSystem(LocalFileSystem.Instance));
        await store.SyncAsync();
        app.Run("INSERT INTO t VALUES (1);");
        Assert.Equal(2ul, await store.SyncAsync());
        foreach (string folder in (string[])[test.RemoteLevelZero, test.LocalLevelZero])
        {
            string second = Path.Combine(folder, "0000000000000002-0000000000000002.ltx");
            byte[] content = File.ReadAllBytes(second);
            content[^1] ^= 1;
            File.WriteAllBytes(second, content);
        }

        VerifyReport report = await store.Database.VerifyAsync(1, deep: false, repair: true, CancellationToken.None);
        Assert.True(report is { IsDamaged: true, NeedsSnapshot: true, Proven.Value: 1, Repaired.Count: 0 });
        VerifyReport after = await store.Database.VerifyAsync(1, deep: true, repair: true, CancellationToken.None);
        Assert.True(after is { Proven.Value: 2, ComparedWithDatabase: true, DeepProblem: null, Lost.Count: 0 }, after.DeepProblem);
        Assert.Equal("0000000000000002-0000000000000002.ltx", Assert.Single(after.Damaged).Name);
    }

    [Fact]
    public async Task Deep_finds_a_replica_that_is_intact_but_not_the_database()
    {
        using var test = new TestDatabase();
        using var app = new SqliteShell(test.Path);
        app.Run("PRAGMA journal_mode=wal; CREATE TABLE t (a); INSERT INTO t VALUES (1);");
        await using ManualStore store = await test.OpenAsync(fileSystem: new UnsyncedFileSystem(LocalFileSystem.Instance));
        await store.SyncAsync();
        app.Run("UPDATE t SET a = 2;");
        await store.SyncAsync();

        // A file of the same transaction with another page content: every checksum in it is right.
        string second = Path.Combine(test.RemoteLevelZero, "0000000000000002-0000000000000002.ltx");
        File.WriteAllBytes(second, Rewritten(File.ReadAllBytes(second)));
        VerifyReport report = await store.Database.VerifyAsync(1, deep: true, repair: false, CancellationToken.None);
        Assert.Empty(report.Damaged);
        Assert.NotNull(report.DeepProblem);
        Assert.Equal("damaged", report.Result);
        Assert.Empty(Directory.GetFiles(store.Database.Options.StateDirectory, "*.tmp*"));
    }

    private static byte[] Rewritten(byte[] file)
    {
        using var reader = new Ltx.LtxReader(new MemoryStream(file));
        var output = new MemoryStream();
        using var writer = new Ltx.LtxWriter(output, reader.ReadHeader(), leaveOpen: true);
        while (reader.ReadPage())
        {
            byte[] page = [.. reader.Page];
            page[^1] ^= 1; // The last row of a leaf page.
            writer.WritePage(reader.PageNumber, page);
        }

        writer.Finish();
        return output.ToArray();
    }

    private static MeterListener Listen(string path, Dictionary<string, double> measured)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == EngineMetrics.MeterName)
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            string name = instrument.Name;
            bool mine = false;
            foreach (KeyValuePair<string, object?> tag in tags)
            {
                mine |= tag.Key == "db" && (string?)tag.Value == path;
                name = tag.Key == "result" ? $"{name}{{result={tag.Value}}}" : name;
            }

            if (mine)
            {
                lock (measured)
                {
                    measured[name] = measured.GetValueOrDefault(name) * (instrument is Counter<long> ? 1 : 0) + value;
                }
            }
        }

        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Record(instrument, value, tags));
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Record(instrument, value, tags));
        listener.Start();
        return listener;
    }

    private static Task AdvanceAsync(FakeTimeProvider time, TimeSpan limit, Func<bool> condition, string what) =>
        time.AdvanceUntilAsync(condition, limit, what, TimeSpan.FromSeconds(5));
}
