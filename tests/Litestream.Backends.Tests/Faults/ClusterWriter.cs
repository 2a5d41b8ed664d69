using System.Diagnostics;
using System.Globalization;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.Faults;

/// <summary>
/// Writes file after file into a cluster whose nodes are killed, as the engine does: the next one only when the last one is acknowledged, a failed one
/// again; old ones are deleted.
/// </summary>
internal sealed class ClusterWriter(IReplicaClient client)
{
    /// <summary>Files that must be acknowledged between any two events.</summary>
    public const int Progress = 10;

    /// <summary>Every fourth file is deleted ten files later: a deletion must not take others along when a node comes back.</summary>
    private const int DeleteEvery = 4;

    private const int DeleteBehind = 10;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private volatile int _acknowledged;
    private volatile bool _stopped;
    private Task _writing = Task.CompletedTask;
    private int _repeated;
    private TimeSpan _longest;

    /// <summary>Nodes to kill: <c>NODE_KILLS</c>, else 3.</summary>
    public static int Kills { get; } = int.TryParse(Environment.GetEnvironmentVariable("NODE_KILLS"), CultureInfo.InvariantCulture, out int kills) ? kills : 3;

    /// <summary>What happened, for the output of the test.</summary>
    public string Figures => string.Create(
        CultureInfo.InvariantCulture, $"{Kills} kills, {_acknowledged} files acknowledged, {_repeated} writes repeated by the caller, longest write {_longest.TotalSeconds:0.0} s");

    /// <summary>What is acknowledged and was not deleted.</summary>
    private IEnumerable<int> Expected => Enumerable.Range(1, _acknowledged).Where(txid => txid % DeleteEvery != 0 || txid + DeleteBehind > _acknowledged);

    /// <summary>Begins to write.</summary>
    public void Start() => _writing = Task.Run(RunAsync);

    /// <summary>Ends after the current file.</summary>
    public async Task StopAsync()
    {
        _stopped = true;
        await _writing;
    }

    /// <summary>Waits until <see cref="Progress"/> more files are acknowledged.</summary>
    public async Task ProgressAsync()
    {
        int wanted = _acknowledged + Progress;
        long began = Stopwatch.GetTimestamp();
        while (_acknowledged < wanted)
        {
            if (_writing.IsFaulted)
            {
                await _writing;
            }

            Assert.True(Stopwatch.GetElapsedTime(began) < Patience, $"no progress behind file {_acknowledged}");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Demands that what is listed is what was acknowledged, and every file byte for byte what was written.</summary>
    /// <param name="describe">What the cluster says of itself, for the message.</param>
    public async Task AssertKeptAsync(Func<Task<string>>? describe = null)
    {
        List<int> listed = [];
        await foreach (LtxFileInfo file in client.ListAsync(0, default, accurateTimes: false, CancellationToken.None))
        {
            listed.Add((int)file.MaxTxid.Value);
        }

        if (!listed.SequenceEqual(Expected))
        {
            Assert.Fail($"missing: {string.Join(' ', Expected.Except(listed))}; too many: {string.Join(' ', listed.Except(Expected))}; {(describe is null ? "" : await describe())}");
        }

        foreach (int txid in listed)
        {
            Assert.Equal(Content(txid), await ReadAsync((ulong)txid));
        }
    }

    /// <summary>As a restore reads: a node that has just come back may not have everything yet, which is an error that passes.</summary>
    private async Task<byte[]> ReadAsync(ulong txid)
    {
        for (int tries = 1; ; tries++)
        {
            try
            {
                await using Stream stream = await client.OpenAsync(0, new Txid(txid), new Txid(txid), 0, 0, CancellationToken.None);
                using var copy = new MemoryStream();
                await stream.CopyToAsync(copy, CancellationToken.None);
                return copy.ToArray();
            }
            catch (ReplicaException error) when (error.IsTransient && tries < 30)
            {
                await Task.Delay(500);
            }
        }
    }

    private static byte[] Content(int txid) => LtxSample.Create((ulong)txid, (ulong)txid, txid % 5 == 0 ? 700_000 : 4_000 + txid);

    private async Task RunAsync()
    {
        while (!_stopped)
        {
            int number = _acknowledged + 1;
            var txid = new Txid((ulong)number);
            long began = Stopwatch.GetTimestamp();
            while (true)
            {
                try
                {
                    LtxFileInfo written = await client.WriteAsync(0, txid, txid, new MemoryStream(Content(number)), WriteMode.CreateOnly, CancellationToken.None);
                    if (number > DeleteBehind && (number - DeleteBehind) % DeleteEvery == 0)
                    {
                        var old = new Txid((ulong)(number - DeleteBehind));
                        await client.DeleteAsync([written with { MinTxid = old, MaxTxid = old }], CancellationToken.None);
                    }

                    break;
                }
                catch (ReplicaException e) when (e.IsTransient)
                {
                    _repeated++;
                }
            }

            TimeSpan took = Stopwatch.GetElapsedTime(began);
            _longest = took > _longest ? took : _longest;
            _acknowledged = number;

            // Steady, not flat out: a node that comes back must be able to catch up on a busy machine.
            await Task.Delay(Pause);
        }
    }
}
