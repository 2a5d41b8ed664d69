using System.Collections.Concurrent;
using System.Diagnostics;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Transport;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Faults;

/// <summary>
/// Sixteen databases' worth of work side by side on a store that breaks: files created in order, merged files overwritten, lists, reads,
/// deletions. A failed operation is tried again later, as the engine does. What has been acknowledged is written down and compared
/// with the store, directly, when the faults have ended.
/// </summary>
internal sealed class FaultWorkload(FaultProxy proxy, Func<int, IReplicaClient> throughProxy, Func<int, IReplicaClient> direct, int largeSize)
{
    private const int Streams = 16;

    private readonly ConcurrentQueue<string> _defects = new();
    private int _failedOperations;
    private int _reads;
    private int _wholeReads;

    /// <summary>Limits of the transport under faults (decision D42).</summary>
    public static TransportOptions Options { get; } = new()
    {
        IdleTimeout = TimeSpan.FromMilliseconds(500),
        ConnectTimeout = TimeSpan.FromMilliseconds(500),
        Retry = new RetryOptions(10, TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(100)),
    };

    /// <summary>Rates at which every kind comes often.</summary>
    public static FaultProxyOptions Faults(int seed) => new()
    {
        Seed = seed,
        Rates = FaultProxyOptions.Every(0.03, (FaultKind.StaleList, 0.12), (FaultKind.GarbageList, 0.12), (FaultKind.ErrorInOk, 0.5)),
        MaxHitsPerKind = 150,
        StallTime = TimeSpan.FromSeconds(2),
    };

    /// <summary>Works until every kind has been met so often, then ends the faults and compares.</summary>
    /// <param name="hits">Hits of each kind.</param>
    /// <param name="limit">Longest time for that.</param>
    public async Task RunAsync(int hits, TimeSpan limit)
    {
        long began = Stopwatch.GetTimestamp();
        bool IsEnough() => proxy.Hits.Values.All(count => count >= hits) || Stopwatch.GetElapsedTime(began) > limit || !_defects.IsEmpty;
        Stream[] streams = [.. Enumerable.Range(0, Streams).Select(i => new Stream(this, i, throughProxy(i), largeSize))];
        try
        {
            await Task.WhenAll(streams.Select(stream => Task.Run(() => stream.WorkAsync(IsEnough))));
            proxy.IsOn = false;
            await Task.WhenAll(streams.Select(stream => Task.Run(stream.SettleAsync)));
            await Task.WhenAll(streams.Select((stream, i) => Task.Run(async () =>
            {
                await using IReplicaClient client = direct(i);
                await stream.CompareAsync(client);
            })));
        }
        finally
        {
            foreach (Stream stream in streams)
            {
                await stream.Client.DisposeAsync();
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s, {proxy.Exchanges.Count} requests on {proxy.Connections} connections, at most {proxy.PeakConnections} at once; "
            + $"{streams.Sum(stream => stream.Acknowledged)} files acknowledged, {_failedOperations} operations failed for the caller, {_wholeReads} of {_reads} reads whole; "
            + string.Join(", ", proxy.Hits.Select(hit => $"{hit.Key} {hit.Value}")));
        Assert.True(_defects.IsEmpty, string.Join(Environment.NewLine, _defects.Take(20)));
        Assert.All(proxy.Hits, hit => Assert.True(hit.Value >= hits, $"{hit.Key}: {hit.Value} hits"));
        Assert.True(_wholeReads > 0);
    }

    private sealed class Stream(FaultWorkload owner, int number, IReplicaClient client, int largeSize)
    {
        private readonly Random _random = new(number);
        private readonly Dictionary<(int Level, ulong Min, ulong Max), (int Size, int Seed)> _files = [];
        private readonly HashSet<(int Level, ulong Min, ulong Max)> _deleting = [];
        private readonly HashSet<ulong> _seeks = [];
        private ulong _next = 1;
        private ulong _first = 1;
        private int _version;

        public IReplicaClient Client => client;

        public int Acknowledged { get; private set; }

        public async Task WorkAsync(Func<bool> isEnough)
        {
            while (!isEnough())
            {
                await CreateAsync();
                if (!owner._defects.IsEmpty)
                {
                    return;
                }

                switch (_random.Next(8))
                {
                    case 0:
                        await ReplaceAsync(1, _random.Next(300, 60_000));
                        break;
                    case 1 when _random.Next(4) == 0:
                        await ReplaceAsync(9, largeSize);
                        break;
                    case 2 or 3:
                        await ListAsync();
                        break;
                    case 4 when _next - _first > 20:
                        await DeleteAsync(5);
                        break;
                    default:
                        await ReadAsync();
                        break;
                }
            }
        }

        /// <summary>What was begun and failed is done now: without faults it must work.</summary>
        public async Task SettleAsync()
        {
            if (_deleting.Count > 0)
            {
                await AttemptAsync("delete", DeleteAgainAsync);
                Check(_deleting.Count == 0, "deletions fail without faults");
            }

            int failed = owner._failedOperations;
            await CreateAsync();
            Check(failed == owner._failedOperations, "a write fails without faults");
        }

        public async Task CompareAsync(IReplicaClient store)
        {
            var found = new HashSet<(int Level, ulong Min, ulong Max)>();
            for (int level = 0; level < LtxFileInfo.LevelCount; level++)
            {
                await foreach (LtxFileInfo file in store.ListAsync(level, Txid.None, level == 1, CancellationToken.None))
                {
                    (int Level, ulong Min, ulong Max) name = (level, file.MinTxid.Value, file.MaxTxid.Value);
                    found.Add(name);
                    if (!_files.TryGetValue(name, out (int Size, int Seed) expected))
                    {
                        Check(false, $"{name} is there and was never acknowledged, or was deleted");
                        continue;
                    }

                    Check(file.Size == expected.Size, $"{name} has {file.Size} bytes instead of {expected.Size}");
                    Check(level != 1 || file.CreatedAt == LtxSample.Time, $"{name} has lost its time");
                    byte[] content = await ReadAllAsync(store, name);
                    Check(content.AsSpan().SequenceEqual(Content(name, expected)), $"{name} has other bytes");
                }
            }

            Check(found.SetEquals(_files.Keys), $"acknowledged and lost: {string.Join(' ', _files.Keys.Except(found))}");
        }

        private static byte[] Content((int Level, ulong Min, ulong Max) name, (int Size, int Seed) file) =>
            LtxSample.Create(name.Min, name.Max, file.Size, seed: file.Seed);

        private static async Task<byte[]> ReadAllAsync(IReplicaClient client, (int Level, ulong Min, ulong Max) name, long offset = 0, long size = 0)
        {
            await using System.IO.Stream stream = await client.OpenAsync(name.Level, new Txid(name.Min), new Txid(name.Max), offset, size, CancellationToken.None);
            using var copy = new MemoryStream();
            await stream.CopyToAsync(copy);
            return copy.ToArray();
        }

        // In order, the same file again until the store has acknowledged it.
        private async Task CreateAsync()
        {
            int size = _random.Next(130, 20_000);
            var name = (0, _next, _next);
            while (!await AttemptAsync($"create {name}", () => WriteAsync(name, (size, 0), WriteMode.CreateOnly)))
            {
                if (!owner._defects.IsEmpty)
                {
                    return;
                }
            }

            _next++;
        }

        private async Task ReplaceAsync(int level, int size)
        {
            var name = (level, 1ul, (ulong)_random.Next(1, 4));
            int seed = ++_version;
            while (!await AttemptAsync($"replace {name}", () => WriteAsync(name, (size, seed), WriteMode.Overwrite)) && owner._defects.IsEmpty)
            {
            }
        }

        private async Task WriteAsync((int Level, ulong Min, ulong Max) name, (int Size, int Seed) file, WriteMode mode)
        {
            LtxFileInfo info = await client.WriteAsync(
                name.Level, new Txid(name.Min), new Txid(name.Max), new MemoryStream(Content(name, file)), mode, CancellationToken.None);
            Check(info.Size == file.Size && info.CreatedAt == LtxSample.Time, $"write of {name} reports {info}");
            _files[name] = file;
            Acknowledged++;
        }

        private Task<bool> ListAsync() => AttemptAsync("list", async () =>
        {
            int level = _random.Next(3) == 0 ? 1 : 0;
            ulong seek = level == 0 ? (ulong)_random.Next((int)_next) : 0;

            // No earlier answer to a request that was never sent before: such a list is complete, others may be old.
            bool isFresh = level == 0 && _seeks.Add(seek);
            HashSet<ulong> expected = [.. _files.Keys.Where(key => isFresh && key.Level == 0 && key.Min >= seek && !_deleting.Contains(key)).Select(key => key.Min)];
            (ulong, ulong) last = default;
            await foreach (LtxFileInfo file in client.ListAsync(level, new Txid(seek), _random.Next(4) == 0, CancellationToken.None))
            {
                var name = (level, file.MinTxid.Value, file.MaxTxid.Value);
                Check(file.MinTxid.Value >= seek && file.MinTxid.Value < _next, $"list has {name}");
                Check(level > 0 || !_files.TryGetValue(name, out (int Size, int Seed) known) || known.Size == file.Size, $"list has {file.Size} bytes for {name}");
                Check((name.Item2, name.Item3).CompareTo(last) > 0, $"list is not sorted at {name}");
                last = (name.Item2, name.Item3);
                expected.Remove(name.Item2);
            }

            Check(expected.Count == 0, $"list from {seek} on lacks {string.Join(' ', expected)}");
        });

        private Task<bool> ReadAsync()
        {
            var name = (0, _first + (ulong)_random.Next((int)(_next - _first)), 0ul);
            name.Item3 = name.Item2;
            if (_random.Next(6) == 0 && _files.Keys.FirstOrDefault(key => key.Level > 0) is { Level: > 0 } merged)
            {
                name = merged;
            }

            (int Size, int Seed) file = _files[name];
            long offset = _random.Next(3) == 0 ? _random.Next(file.Size) : 0;
            long size = _random.Next(3) == 0 ? _random.Next(1, file.Size) : 0;
            int length = (int)Math.Min(file.Size - offset, size == 0 ? long.MaxValue : size);
            Interlocked.Increment(ref owner._reads);
            return AttemptAsync($"read {name}", async () =>
            {
                byte[] content = await ReadAllAsync(client, name, offset, size);
                Check(
                    content.AsSpan().SequenceEqual(Content(name, file).AsSpan((int)offset, length)),
                    $"wrong bytes of {name} at {offset}, size {size}: {content.Length} of {length}");
                Interlocked.Increment(ref owner._wholeReads);
            });
        }

        private async Task DeleteAsync(int count)
        {
            for (int i = 0; i < count; i++, _first++)
            {
                _deleting.Add((0, _first, _first));
            }

            await AttemptAsync("delete", DeleteAgainAsync);
        }

        private async Task DeleteAgainAsync()
        {
            (int Level, ulong Min, ulong Max)[] names = [.. _deleting];
            await client.DeleteAsync(
                [.. names.Select(name => new LtxFileInfo(name.Level, new Txid(name.Min), new Txid(name.Max), _files[name].Size, LtxSample.Time))], CancellationToken.None);
            foreach ((int Level, ulong Min, ulong Max) name in names)
            {
                _deleting.Remove(name);
                _files.Remove(name);
            }
        }

        private async Task<bool> AttemptAsync(string what, Func<Task> operation)
        {
            try
            {
                await operation();
                return true;
            }
            catch (Exception e) when (e is ReplicaConflictException or LtxFileNotFoundException or not IOException and not HttpRequestException)
            {
                Check(false, $"{what}: {e}");
                return false;
            }
            catch (Exception) when (Interlocked.Increment(ref owner._failedOperations) > 0)
            {
                return false;
            }
        }

        private void Check(bool condition, string what)
        {
            if (!condition)
            {
                owner._defects.Enqueue($"stream {number}: {what}");
            }
        }
    }
}
