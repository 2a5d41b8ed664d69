using System.Globalization;
using Litestream.Tests.Support;

namespace Litestream.Tests.Capture;

/// <summary>
/// Random histories: transactions of every kind, application checkpoints of every mode, applications and replicators that end in
/// every way, all in random order. Whenever a sync returned, the state at its TXID is what the source was then; at the end every
/// one of these states must come out of the replica. A failing seed is printed and can be run alone with MODEL_SEED.
/// </summary>
public sealed class ModelTests
{
    private const int DefaultCases = 40;

    private static readonly int[] PageSizes = [512, 1024, 4096, 8192, 65536];

    [Fact]
    public async Task EveryTxidRestoresToTheModelsStateAtThatTxid()
    {
        if (Environment.GetEnvironmentVariable("MODEL_SEED") is { Length: > 0 } only)
        {
            await RunAsync(int.Parse(only, CultureInfo.InvariantCulture));
            return;
        }

        int cases = Environment.GetEnvironmentVariable("MODEL_CASES") is { Length: > 0 } count ? int.Parse(count, CultureInfo.InvariantCulture) : DefaultCases;
        for (int seed = 1; seed <= cases; seed++)
        {
            try
            {
                await RunAsync(seed);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"MODEL_SEED={seed}: {e.Message}", e);
            }
        }
    }

    private static async Task RunAsync(int seed)
    {
        var random = new Random(seed);
        using var test = new TestDatabase();
        int minimum = random.Next(3) == 0 ? 1 : random.Next(1, 1000);
        long limit = random.Next(4) == 0 ? random.Next(1, 200_000) : 64 << 20;
        test.Configure = o => o with { MinCheckpointPageCount = minimum, MaxSyncWalBytes = limit, TruncatePageCount = random.Next(4) == 0 ? 20 : 0 };
        int pageSize = PageSizes[random.Next(PageSizes.Length)];
        var app = new SqliteShell(test.Path, pageSize: pageSize);
        app.Run("PRAGMA cache_size=10; CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE INDEX i ON t(v);");
        var expected = new Dictionary<ulong, byte[]>();
        var trace = new List<string>();
        ManualStore? store = await test.OpenAsync();
        try
        {
            for (int step = 0; step < 40; step++)
            {
                switch (random.Next(12))
                {
                    case < 6:
                        string sql = Transaction(random);
                        trace.Add(sql);
                        app.Run(sql);
                        break;
                    case < 9:
                        trace.Add("sync");
                        ulong at = await store.SyncAsync();
                        expected[at] = app.Image();
                        trace.Add($"={at}:{expected[at].Length}");
                        break;
                    case 9:
                        string mode = new[] { "PASSIVE", "FULL", "RESTART", "TRUNCATE" }[random.Next(4)];
                        trace.Add(mode);
                        app.Run($"PRAGMA wal_checkpoint({mode});");
                        break;
                    case 10:
                        bool clean = random.Next(2) == 0;
                        trace.Add(clean ? "close" : "drop");
                        if (clean)
                        {
                            await store.CloseAsync();
                        }

                        await store.DisposeAsync();
                        for (int i = random.Next(3); i > 0; i--)
                        {
                            app.Run(Transaction(random) + (random.Next(3) == 0 ? "PRAGMA wal_checkpoint(RESTART);" : ""));
                        }

                        store = await test.OpenAsync();
                        break;
                    default:
                        trace.Add("app restart");
                        if (random.Next(2) == 0)
                        {
                            app.Kill();
                        }

                        app.Dispose();
                        app = new SqliteShell(test.Path);
                        app.Run("PRAGMA cache_size=10;");
                        break;
                }
            }

            expected[await store.SyncAsync()] = app.Image();
            CaptureTests.AssertStates(expected, test.RemoteLevelZero);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{e.Message} after: {string.Join(" | ", trace.TakeLast(60))}", e);
        }
        finally
        {
            await store.DisposeAsync();
            app.Dispose();
        }
    }

    private static string Transaction(Random random) => random.Next(8) switch
    {
        0 => $"INSERT INTO t(v) SELECT hex(randomblob({random.Next(1, 400)})) FROM generate_series(1, {random.Next(1, 200)});",
        1 => $"UPDATE t SET v = hex(randomblob({random.Next(1, 300)})) WHERE id % {random.Next(1, 20)} = 0;",
        2 => $"DELETE FROM t WHERE id % {random.Next(2, 6)} = 0;",
        3 => "VACUUM;",
        4 => $"BEGIN; UPDATE t SET v = hex(randomblob({random.Next(1, 500)})); ROLLBACK;",
        5 => $"BEGIN; INSERT INTO t(v) VALUES (1); SAVEPOINT s; DELETE FROM t WHERE id > {random.Next(1, 100)}; ROLLBACK TO s; COMMIT;",
        6 => $"CREATE TABLE IF NOT EXISTS x{random.Next(5)}(a); DROP TABLE IF EXISTS x{random.Next(5)};",
        _ => $"INSERT INTO t(v) VALUES ('{random.Next()}');",
    };
}
