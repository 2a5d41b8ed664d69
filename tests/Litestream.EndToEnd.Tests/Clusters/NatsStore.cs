using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Litestream.TestKit.Processes;
using Litestream.TestKit.Servers;

namespace Litestream.EndToEnd.Tests.Clusters;

/// <summary>A bucket on three nodes of NATS: the leader of its stream is killed two times out of three, else another node.</summary>
internal sealed class NatsStore : IStoreCluster
{
    private const int Nodes = 3;
    private const int Ports = 9;
    private const string Bucket = "app";

    private readonly StorageServer _server;
    private readonly ServerNodes _nodes;

    private NatsStore(StorageServer server)
    {
        _server = server;
        _nodes = new ServerNodes(server, "node");
    }

    public IReadOnlyDictionary<string, string> Place => new Dictionary<string, string>
    {
        ["type"] = "nats",
        ["host"] = string.Join(',', Enumerable.Range(0, Nodes).Select(n => $"nats://127.0.0.1:{_server.Port + n}")),
        ["bucket"] = Bucket,
    };

    public static async Task<IStoreCluster> StartAsync()
    {
        var store = new NatsStore(await StorageServer.StartScriptAsync(Path.Combine(Checkout.Root, "eng", "servers", "nats-cluster.sh"), Ports));
        await UntilAsync(store.CreateBucketAsync, "a bucket can be created");
        return store;
    }

    public async Task<int> ChooseAsync(int kill)
    {
        int leader = 0;
        await UntilAsync(
            async () =>
            {
                string? name = (await StatesAsync()).Select(state => state.Leader).FirstOrDefault(name => name is not null);
                leader = name is null ? 0 : name[^1] - '0';
                return leader > 0;
            },
            "the stream has a leader");
        return kill % 3 == 2 ? (leader % Nodes) + 1 : leader;
    }

    public void Kill(int node) => _nodes.Kill(node);

    public async Task RestartAsync(int node)
    {
        long wanted = (await StatesAsync()).Max(state => state.Last);
        await _nodes.RestartAsync(node);
        await UntilAsync(
            async () =>
            {
                State[] states = await StatesAsync();
                
                // Having the same messages is not being counted again: only a current replica makes the quorum for the next kill.
                return states.All(state => state.Last >= wanted && state.First == states[0].First) && states.Any(state => state.HasCurrentReplicas);
            },
            $"node {node} has caught up");
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        long began = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(began) > ChildProcess.Patience)
            {
                throw new TimeoutException($"it did not come to pass that {what}");
            }

            await Task.Delay(50);
        }
    }

    /// <summary>What every node itself says of its one stream.</summary>
    private async Task<State[]> StatesAsync()
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(5) };
        return await Task.WhenAll(Enumerable.Range(1, Nodes).Select(async node =>
        {
            try
            {
                using JsonDocument report = JsonDocument.Parse(await http.GetStringAsync(new Uri($"http://127.0.0.1:{_server.Port + 5 + node}/jsz?accounts=true&streams=true")));
                JsonElement stream = report.RootElement.GetProperty("account_details")[0].GetProperty("stream_detail")[0];
                JsonElement state = stream.GetProperty("state");
                return new State(
                    state.GetProperty("first_seq").GetInt64(),
                    state.GetProperty("last_seq").GetInt64(),
                    stream.GetProperty("cluster").TryGetProperty("leader", out JsonElement leader) ? leader.GetString() : null,
                    stream.GetProperty("cluster").TryGetProperty("replicas", out JsonElement replicas) && replicas.GetArrayLength() == Nodes - 1
                        && replicas.EnumerateArray().All(one => one.GetProperty("current").GetBoolean()));
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException or KeyNotFoundException or IndexOutOfRangeException or InvalidOperationException)
            {
                return new State(-1, -1, null, false);
            }
        }));
    }

    /// <summary>Asks in the server's own protocol; false while the cluster cannot do it yet. Creating it twice is no error.</summary>
    private async Task<bool> CreateBucketAsync()
    {
        const string Request = $$"""
            {"name":"OBJ_{{Bucket}}","subjects":["$O.{{Bucket}}.C.>","$O.{{Bucket}}.M.>"],"discard":"new","storage":"file","num_replicas":3,"allow_rollup_hdrs":true,"allow_direct":true}
            """;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, _server.Port, limit.Token);
            await using NetworkStream stream = client.GetStream();
            using var reader = new StreamReader(stream);
            await using var writer = new StreamWriter(stream) { NewLine = "\r\n" };
            await reader.ReadLineAsync(limit.Token); // INFO
            await writer.WriteLineAsync("CONNECT {\"verbose\":false}");
            await writer.WriteLineAsync("SUB answers 1");
            await writer.WriteLineAsync($"PUB $JS.API.STREAM.CREATE.OBJ_{Bucket} answers {Request.Length}");
            await writer.WriteLineAsync(Request);
            await writer.FlushAsync(limit.Token);
            while (await reader.ReadLineAsync(limit.Token) is { } line)
            {
                if (line.StartsWith("MSG ", StringComparison.Ordinal))
                {
                    return !(await reader.ReadLineAsync(limit.Token) ?? "\"error\"").Contains("\"error\"", StringComparison.Ordinal);
                }
            }
        }
        catch (Exception e) when (e is SocketException or IOException or OperationCanceledException)
        {
            // It is still starting.
        }

        return false;
    }

    private sealed record State(long First, long Last, string? Leader, bool HasCurrentReplicas);
}
