using System.Diagnostics;
using System.Globalization;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Transport;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.Nats;

/// <summary>
/// Nodes of a cluster are killed while files are written. What was acknowledged must be there afterwards, byte for byte. Three kills;
/// <c>NODE_KILLS=20</c> for more.
/// </summary>
public sealed class NatsClusterTests(ITestOutputHelper output)
{
    /// <summary>Files that must be acknowledged between any two events.</summary>
    private const int Progress = 10;

    private static readonly int Kills = int.TryParse(Environment.GetEnvironmentVariable("NODE_KILLS"), CultureInfo.InvariantCulture, out int kills) ? kills : 3;

    [Fact]
    public async Task Acknowledged_files_survive_killed_nodes()
    {
        await using NatsCluster cluster = await NatsCluster.StartAsync();
        using var transport = new StorageTransport();
        await using TestBucket bucket = await cluster.CreateBucketAsync("cluster", transport);
        var writer = new Writer(bucket);
        Task writing = writer.RunAsync();
        try
        {
            for (int kill = 0; kill < Kills; kill++)
            {
                await writer.ProgressAsync(Progress);

                // The leader two times out of three, else one of the others.
                int leader = await NatsCluster.LeaderAsync(bucket);
                int victim = kill % 3 == 2 ? (leader % 3) + 1 : leader;
                cluster.Kill(victim);
                await writer.ProgressAsync(Progress);
                await cluster.RestartAsync(victim, bucket);
            }

            await writer.ProgressAsync(Progress);
        }
        finally
        {
            writer.Stop();
            await writing;
        }

        output.WriteLine($"{Kills} kills, {writer.Acknowledged} files acknowledged, {writer.Repeated} writes repeated by the caller, longest write {writer.Longest.TotalSeconds:0.0} s");
        int[] listed = [.. (await bucket.ListAsync(0)).Select(file => (int)file.MaxTxid.Value)];
        Assert.True(
            listed.SequenceEqual(writer.Expected),
            $"{listed.Length} files listed, from {listed.FirstOrDefault()} to {listed.LastOrDefault()}{Environment.NewLine}{string.Join(Environment.NewLine, await cluster.StatesAsync())}");
        foreach (int txid in listed)
        {
            Assert.Equal(Writer.Content(txid), await ReadAsync(bucket, (ulong)txid));
        }
    }

    /// <summary>As a restore reads: a node that has just come back may not have everything yet, which is an error that passes.</summary>
    private static async Task<byte[]> ReadAsync(TestBucket bucket, ulong txid)
    {
        for (int tries = 1; ; tries++)
        {
            try
            {
                return await bucket.ReadAsync(0, txid, txid);
            }
            catch (ReplicaException error) when (error.IsTransient && tries < 30)
            {
                await Task.Delay(500);
            }
        }
    }

    /// <summary>Writes file after file as the engine does: the next one only when the last one is acknowledged, a failed one again; old ones are deleted.</summary>
    private sealed class Writer(TestBucket bucket)
    {
        /// <summary>Every fourth file is deleted ten files later: a deletion must not take others along when a node comes back.</summary>
        private const int DeleteEvery = 4;

        private const int DeleteBehind = 10;

        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

        private volatile int _acknowledged;
        private volatile bool _stopped;

        public int Acknowledged => _acknowledged;

        /// <summary>What is acknowledged and was not deleted.</summary>
        public IEnumerable<int> Expected => Enumerable.Range(1, _acknowledged).Where(txid => txid % DeleteEvery != 0 || txid + DeleteBehind > _acknowledged);

        public int Repeated { get; private set; }

        public TimeSpan Longest { get; private set; }

        public static byte[] Content(int txid) => LtxSample.Create((ulong)txid, (ulong)txid, txid % 5 == 0 ? 700_000 : 4_000 + txid);

        public void Stop() => _stopped = true;

        public Task RunAsync() => Task.Run(async () =>
        {
            while (!_stopped)
            {
                int txid = _acknowledged + 1;
                long began = Stopwatch.GetTimestamp();
                while (true)
                {
                    try
                    {
                        LtxFileInfo written = await bucket.WriteAsync(0, (ulong)txid, (ulong)txid, Content(txid), WriteMode.CreateOnly);
                        if (txid > DeleteBehind && (txid - DeleteBehind) % DeleteEvery == 0)
                        {
                            var old = new Txid((ulong)(txid - DeleteBehind));
                            await bucket.Client.DeleteAsync([written with { MinTxid = old, MaxTxid = old }], CancellationToken.None);
                        }

                        break;
                    }
                    catch (ReplicaException e) when (e.IsTransient)
                    {
                        Repeated++;
                    }
                }

                TimeSpan took = Stopwatch.GetElapsedTime(began);
                Longest = took > Longest ? took : Longest;
                _acknowledged = txid;
            }
        });

        /// <summary>Waits until more files are acknowledged.</summary>
        public async Task ProgressAsync(int files)
        {
            int wanted = _acknowledged + files;
            long began = Stopwatch.GetTimestamp();
            while (_acknowledged < wanted)
            {
                Assert.True(Stopwatch.GetElapsedTime(began) < Patience, $"no progress behind file {_acknowledged}");
                await Task.Delay(10, TestContext.Current.CancellationToken);
            }
        }
    }
}
