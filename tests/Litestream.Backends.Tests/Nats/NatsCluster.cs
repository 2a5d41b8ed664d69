using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Litestream.Storage;
using Litestream.Storage.Nats;
using Litestream.Storage.Transport;
using Litestream.TestKit.Processes;
using Litestream.TestKit.Servers;

namespace Litestream.Backends.Tests.Nats;

/// <summary>Three nats-server nodes, started by the project's own script, and what one can do to them.</summary>
internal sealed partial class NatsCluster : IAsyncDisposable
{
    private const int Nodes = 3;
    private const int Ports = 9;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly StorageServer _server;

    private NatsCluster(StorageServer server) => _server = server;

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
    public void Kill(int node)
    {
        int process = int.Parse(File.ReadAllText(Path.Combine(_server.Folder, $"node{node}.pid")), CultureInfo.InvariantCulture);
        if (Kill(process, ChildProcess.KillNow) != 0)
        {
            throw new InvalidOperationException($"node {node} does not run: {_server.Output}");
        }
    }

    /// <summary>Starts a killed node again and waits until all nodes have everything.</summary>
    public async Task RestartAsync(int node, TestBucket bucket)
    {
        using Process restart = Process.Start(Path.Combine(_server.Folder, "restart-node"), [$"{node}"])!;
        await restart.WaitForExitAsync();
        await UntilAsync(
            async () =>
            {
                using JsonDocument info = await bucket.JetStream.CallAsync($"$JS.API.STREAM.INFO.{bucket.Names.Stream}", default, CancellationToken.None);
                return info.RootElement.GetProperty("cluster").TryGetProperty("replicas", out JsonElement replicas)
                    && replicas.GetArrayLength() == Nodes - 1
                    && replicas.EnumerateArray().All(r => r.GetProperty("current").GetBoolean() && !(r.TryGetProperty("offline", out JsonElement offline) && offline.GetBoolean()));
            },
            $"node {node} has caught up");
    }

    /// <summary>What every node itself says of its streams, for the message of a failed test.</summary>
    public async Task<string> DescribeAsync()
    {
        using var http = new HttpClient();
        var text = new System.Text.StringBuilder();
        for (int node = 1; node <= Nodes; node++)
        {
            try
            {
                using JsonDocument report = JsonDocument.Parse(await http.GetStringAsync(new Uri($"http://127.0.0.1:{_server.Port + 5 + node}/jsz?accounts=true&streams=true")));
                foreach (JsonElement stream in report.RootElement.GetProperty("account_details").EnumerateArray().SelectMany(a => a.GetProperty("stream_detail").EnumerateArray()))
                {
                    text.AppendLine(CultureInfo.InvariantCulture, $"node {node}: {stream.GetProperty("name")} {stream.GetProperty("state").GetRawText()}");
                }
            }
            catch (Exception e) when (e is HttpRequestException or KeyNotFoundException)
            {
                text.AppendLine(CultureInfo.InvariantCulture, $"node {node}: {e.Message}");
            }
        }

        return text.ToString();
    }

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

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
