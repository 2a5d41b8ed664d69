using System.Diagnostics;
using System.Text.Json;
using Litestream.Storage;
using Litestream.Storage.Nats;
using Litestream.Storage.Transport;
using Litestream.TestKit.Processes;
using Litestream.TestKit.Servers;

namespace Litestream.Backends.Tests.Nats;

/// <summary>Three nats-server nodes, started by the project's own script, and what one can do to them.</summary>
internal sealed class NatsCluster : IAsyncDisposable
{
    private const int Nodes = 3;
    private const int Ports = 9;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly StorageServer _server;
    private readonly ServerNodes _nodes;

    private NatsCluster(StorageServer server)
    {
        _server = server;
        _nodes = new ServerNodes(server, "node");
    }

    public string Url => string.Join(',', Enumerable.Range(0, Nodes).Select(n => $"nats://127.0.0.1:{_server.Port + n}"));

    public static async Task<NatsCluster> StartAsync() =>
        new(await StorageServer.StartScriptAsync(Path.Combine(Checkout.Root, "eng", "servers", "nats-cluster.sh"), Ports));

    /// <summary>A bucket on all three nodes; waits until the cluster can make one.</summary>
    public async Task<TestBucket> CreateBucketAsync(string name, StorageTransport transport)
    {
        TestBucket? bucket = null;
        await UntilAsync(
            async () =>
            {
                bucket = await TestBucket.CreateAsync(new NatsOptions { Url = Url, Bucket = name, ReconnectWait = TimeSpan.FromMilliseconds(200) }, transport, replicas: Nodes);
                return true;
            },
            "a bucket can be created");
        return bucket!;
    }

    /// <summary>The node that leads the bucket's stream, 1 to 3.</summary>
    public static async Task<int> LeaderAsync(TestBucket bucket)
    {
        int leader = 0;
        await UntilAsync(
            async () =>
            {
                using JsonDocument info = await bucket.JetStream.CallAsync($"$JS.API.STREAM.INFO.{bucket.Names.Stream}", default, CancellationToken.None);
                string? name = info.RootElement.GetProperty("cluster").TryGetProperty("leader", out JsonElement value) ? value.GetString() : null;
                leader = name is null ? 0 : name[^1] - '0';
                return leader > 0;
            },
            "the stream has a leader");
        return leader;
    }

    /// <summary>kill -9.</summary>
    public void Kill(int node) => _nodes.Kill(node);

    /// <summary>
    /// Starts a killed node again and waits until all nodes have everything. Each is asked for itself: the leader calls a node current that has
    /// the newest messages, even if it lost older ones.
    /// </summary>
    public async Task RestartAsync(int node, TestBucket bucket)
    {
        await _nodes.RestartAsync(node);
        await UntilAsync(
            async () =>
            {
                using JsonDocument info = await bucket.JetStream.CallAsync($"$JS.API.STREAM.INFO.{bucket.Names.Stream}", default, CancellationToken.None);
                JsonElement leader = info.RootElement.GetProperty("state");

                // Having the same messages is not being counted again: only a current replica makes the quorum for the next kill.
                if (!info.RootElement.GetProperty("cluster").TryGetProperty("replicas", out JsonElement replicas)
                    || replicas.GetArrayLength() != Nodes - 1 || !replicas.EnumerateArray().All(one => one.GetProperty("current").GetBoolean()))
                {
                    return false;
                }

                foreach (string report in await StatesAsync())
                {
                    using JsonDocument state = JsonDocument.Parse(report);
                    if (Number(state.RootElement, "first_seq") != Number(leader, "first_seq") || Number(state.RootElement, "last_seq") < Number(leader, "last_seq"))
                    {
                        return false;
                    }
                }

                return true;
            },
            $"node {node} has caught up");
    }

    /// <summary>What every node itself says of its one stream; <c>{}</c> if it says nothing.</summary>
    public async Task<string[]> StatesAsync()
    {
        using var http = new HttpClient();
        return await Task.WhenAll(Enumerable.Range(1, Nodes).Select(async node =>
        {
            try
            {
                using JsonDocument report = JsonDocument.Parse(await http.GetStringAsync(new Uri($"http://127.0.0.1:{_server.Port + 5 + node}/jsz?accounts=true&streams=true")));
                return report.RootElement.GetProperty("account_details")[0].GetProperty("stream_detail")[0].GetProperty("state").GetRawText();
            }
            catch (Exception e) when (e is HttpRequestException or KeyNotFoundException or IndexOutOfRangeException or InvalidOperationException)
            {
                return "{}";
            }
        }));
    }

    private static long Number(JsonElement state, string name) => state.TryGetProperty(name, out JsonElement value) ? value.GetInt64() : -1;

    public async ValueTask DisposeAsync() => await _server.DisposeAsync();

    /// <summary>Waits for a condition that the cluster may refuse to tell for a while.</summary>
    public static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        long began = Stopwatch.GetTimestamp();
        while (true)
        {
            Exception? failure = null;
            try
            {
                if (await condition())
                {
                    return;
                }
            }
            catch (ReplicaException e)
            {
                failure = e;
            }

            if (Stopwatch.GetElapsedTime(began) > Patience)
            {
                throw new TimeoutException($"it did not come to pass that {what}", failure);
            }

            await Task.Delay(50);
        }
    }
}
