using System.Globalization;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit.Replicas;

namespace Litestream.Tests.Levels;

/// <summary>
/// Decision D14: days in the life of a replica with commits, failing uploads and deletions, restarts, a lost state directory and clocks
/// that jump, while levels are merged, snapshots taken and history expires. After every single change of the replica all promised points
/// can be reached; at the end 20 of them restore byte for byte.
/// </summary>
public sealed class LevelHistoryTests
{
    private const int DefaultCases = 1000;
    private const int RestoredPoints = 20;

    [Fact]
    public async Task Every_promised_point_stays_restorable_at_every_moment()
    {
        int first = Setting("LEVEL_SEED", 0);
        int cases = Setting("LEVEL_CASES", DefaultCases);
        await Parallel.ForEachAsync(
            Enumerable.Range(first, cases),
            new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount },
            async (seed, _) =>
            {
                try
                {
                    using var history = new History(seed);
                    await history.RunAsync();
                }
                catch (Exception e)
                {
                    throw new InvalidOperationException($"LEVEL_SEED={seed} LEVEL_CASES=1: {e.Message}", e);
                }
            });
    }

    private static int Setting(string name, int value) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out int set) ? set : value;

    private sealed class History : IDisposable
    {
        private readonly Random random;
        private readonly LevelScene scene;
        private readonly UnreliableReplica replica;
        private readonly Dictionary<ulong, DateTimeOffset> boundaries = [];
        private DateTimeOffset latest;
        private string? failure;
        private ulong uploaded;

        public History(int seed)
        {
            random = new Random(seed);
            UnreliableReplica? client = null;
            scene = new LevelScene(RandomOptions(), owner => client = new UnreliableReplica(owner.Replica, random, Check));
            replica = client!;
            latest = scene.Clock.Now;
        }

        public async Task RunAsync()
        {
            await scene.StartAsync();
            replica.FailureRate = random.Next(3) == 0 ? 0 : random.NextDouble() * 0.05;
            int steps = random.Next(60, 260);
            for (int i = 0; i < steps; i++)
            {
                await StepAsync();
                Assert.True(failure is null, failure);
            }

            replica.FailureRate = 0;
            await Tolerated(scene.UploadAsync);
            await scene.AdvanceAsync(TimeSpan.FromMinutes(random.Next(1, 200)));
            List<ulong> points = [.. Promised(scene.Replica.Files).Distinct()];
            random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(points));
            foreach (ulong point in points.Take(RestoredPoints))
            {
                await scene.AssertRestoresAsync(point);
            }
        }

        public void Dispose() => scene.Dispose();

        private async Task StepAsync()
        {
            switch (random.Next(100))
            {
                case < 55:
                    scene.Commit(random);
                    await Tolerated(scene.UploadAsync);
                    await PassAsync(TimeSpan.FromSeconds(random.Next(0, 40)));
                    break;
                case < 65:
                    for (int burst = random.Next(1, 30); burst > 0; burst--)
                    {
                        scene.Commit(random);
                        scene.Clock.Now += TimeSpan.FromMilliseconds(random.Next(1500));
                    }

                    await Tolerated(scene.UploadAsync);
                    await Tolerated(scene.RunDueAsync);
                    break;
                case < 85:
                    await PassAsync(TimeSpan.FromMinutes(random.Next(1, 30)));
                    break;
                case < 92:
                    await PassAsync(TimeSpan.FromHours(random.Next(1, 14)));
                    break;
                case < 96:
                    await RestartAsync(isStateLost: random.Next(4) == 0);
                    break;
                case < 98:
                    scene.Clock.Now += TimeSpan.FromMinutes(random.Next(1, 3000));
                    break;
                default:
                    scene.Clock.Now -= TimeSpan.FromMinutes(random.Next(1, 3000));
                    break;
            }
        }

        private async Task PassAsync(TimeSpan time)
        {
            await Tolerated(() => scene.AdvanceAsync(time));
            latest = scene.Clock.Now > latest ? scene.Clock.Now : latest;
        }

        private async Task RestartAsync(bool isStateLost)
        {
            if (isStateLost)
            {
                scene.LoseState();
            }

            double rate = replica.FailureRate;
            replica.FailureRate = 0;
            await scene.StartAsync();
            replica.FailureRate = rate;
        }

        private static async Task Tolerated(Func<Task> action)
        {
            try
            {
                await action();
            }
            catch (ReplicaException)
            {
                // Tried again by a later step, as the upload loop does.
            }
        }

        /// <summary>Runs after each change of the replica.</summary>
        private void Check()
        {
            latest = scene.Clock.Now > latest ? scene.Clock.Now : latest;
            IReadOnlyList<LtxFileInfo> files = scene.Replica.Files;
            foreach (LtxFileInfo file in files)
            {
                uploaded = Math.Max(uploaded, file.MaxTxid.Value);
                if (file.Level == 1)
                {
                    boundaries[file.MaxTxid.Value] = file.CreatedAt;
                }
            }

            HashSet<ulong> reachable = Reachable(files);
            foreach (ulong point in Promised(files))
            {
                if (!reachable.Contains(point))
                {
                    // Kept: whoever made the change would take an exception for one of the store.
                    failure ??= $"transaction {point} cannot be reached: {FileText.Text(files)}, clock {scene.Clock.Now:O}, latest {latest:O}";
                }
            }

            // The newest state, by the real planner: it must not stop at a gap either.
            List<LtxFileInfo> plan = new RestorePlanner(Listing(files), Txid.None, null).Plan();
            if (plan[^1].MaxTxid.Value != uploaded)
            {
                failure ??= $"the latest restore ends at {plan[^1].MaxTxid.Value} of {uploaded}: {FileText.Text(files)}";
            }
        }

        private IEnumerable<ulong> Promised(IReadOnlyList<LtxFileInfo> files)
        {
            DateTimeOffset cutoff = latest - scene.Options.SnapshotRetention;
            foreach (ulong old in boundaries.Where(point => point.Value < cutoff).Select(point => point.Key).ToList())
            {
                boundaries.Remove(old);
            }

            return files.Where(file => file.Level == 0).Select(file => file.MaxTxid.Value).Concat(boundaries.Keys);
        }

        /// <summary>The definition: a transaction can be reached if a file ends there that begins at 1, or not behind another such point.</summary>
        private static HashSet<ulong> Reachable(IEnumerable<LtxFileInfo> files)
        {
            HashSet<ulong> reachable = [];
            ulong below = 0;
            foreach (IGrouping<ulong, LtxFileInfo> end in files.GroupBy(file => file.MaxTxid.Value).OrderBy(group => group.Key))
            {
                if (end.Any(file => file.MinTxid.Value <= below + 1))
                {
                    reachable.Add(end.Key);
                    below = end.Key;
                }
            }

            return reachable;
        }

        private static ReplicaListing Listing(IEnumerable<LtxFileInfo> files)
        {
            ILookup<int, LtxFileInfo> levels = files.ToLookup(file => file.Level);
            return new ReplicaListing([.. Enumerable.Range(0, LtxFileInfo.LevelCount).Select(level => (IReadOnlyList<LtxFileInfo>)[.. levels[level]])]);
        }

        private DatabaseOptions RandomOptions()
        {
            TimeSpan[] intervals = [Seconds(30), Seconds(300), Seconds(3600), Seconds(7 * 60), Seconds(14_400)];
            TimeSpan retention = Seconds(random.Next(600, 100_000));
            return LevelScene.Defaults with
            {
                Levels = [.. intervals.Order().Where(_ => random.Next(2) == 0).Select(interval => new LevelOptions(
                    interval, random.Next(4) == 0 ? Seconds(random.Next(60, 20_000)) : null)).DefaultIfEmpty(new LevelOptions(Seconds(30)))],
                L0Retention = Seconds(random.Next(5) == 0 ? 0 : random.Next(1, 1200)),
                SnapshotInterval = Seconds(random.Next(300, 90_000)),
                SnapshotRetention = retention,
                LocalLevels = random.Next(4) != 0,
                AuditInterval = Seconds(random.Next(3) == 0 ? 3600 : 0),
                VerifyCompaction = true,
            };
        }

        private static TimeSpan Seconds(int seconds) => TimeSpan.FromSeconds(seconds);
    }
}
