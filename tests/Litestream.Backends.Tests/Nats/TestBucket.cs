using System.Text.Json;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Nats;
using Litestream.Storage.Transport;
using Litestream.TestKit.Replicas;

namespace Litestream.Backends.Tests.Nats;

/// <summary>A bucket, a client of it, and the raw requests with which a test looks behind the client.</summary>
internal sealed class TestBucket : IAsyncDisposable
{
    private readonly NatsLink _link;

    private TestBucket(NatsOptions options, StorageTransport transport, NatsLink link)
    {
        _link = link;
        Options = options;
        Names = new ObjectNames(options.Bucket);
        JetStream = new JetStream(link, Names.Stream);
        Client = new NatsReplicaClient(options, transport);
    }

    public NatsOptions Options { get; }

    public NatsReplicaClient Client { get; }

    public ObjectNames Names { get; }

    public JetStream JetStream { get; }

    /// <summary>Creates the bucket as an object store is created (backends §4.8).</summary>
    public static async Task<TestBucket> CreateAsync(NatsOptions options, StorageTransport transport, int replicas = 1, bool allowDirect = true)
    {
        var bucket = new TestBucket(options, transport, new NatsLink(options, transport.Options));
        ReadOnlyMemory<byte> request = JetStream.Json(writer =>
        {
            writer.WriteString("name", bucket.Names.Stream);
            writer.WriteStartArray("subjects");
            writer.WriteStringValue($"$O.{options.Bucket}.C.>");
            writer.WriteStringValue($"$O.{options.Bucket}.M.>");
            writer.WriteEndArray();
            writer.WriteString("discard", "new");
            writer.WriteString("storage", "file");
            writer.WriteNumber("num_replicas", replicas);
            writer.WriteBoolean("allow_rollup_hdrs", true);
            writer.WriteBoolean("allow_direct", allowDirect);
        });
        using JsonDocument answer = await bucket.JetStream.CallAsync($"$JS.API.STREAM.CREATE.{bucket.Names.Stream}", request, CancellationToken.None);
        return bucket;
    }

    /// <summary>Messages in the stream by subject.</summary>
    public async Task<Dictionary<string, long>> SubjectsAsync()
    {
        ReadOnlyMemory<byte> request = JetStream.Json(writer => writer.WriteString("subjects_filter", ">"));
        using JsonDocument answer = await JetStream.CallAsync($"$JS.API.STREAM.INFO.{Names.Stream}", request, CancellationToken.None);
        return answer.RootElement.GetProperty("state").TryGetProperty("subjects", out JsonElement subjects)
            ? subjects.EnumerateObject().ToDictionary(subject => subject.Name, subject => subject.Value.GetInt64())
            : [];
    }

    /// <summary>Number of consumers on the stream.</summary>
    public async Task<int> ConsumersAsync()
    {
        using JsonDocument answer = await JetStream.CallAsync($"$JS.API.STREAM.INFO.{Names.Stream}", default, CancellationToken.None);
        return answer.RootElement.GetProperty("state").GetProperty("consumer_count").GetInt32();
    }

    /// <summary>Publishes a message and waits for its acknowledgement.</summary>
    public async Task<ulong> PublishAsync(string subject, ReadOnlyMemory<byte> data, bool rollup = false) => rollup
        ? await JetStream.ReplaceAsync(subject, data, 0, CancellationToken.None) ?? throw new InvalidOperationException($"{subject} exists")
        : JetStream.ReadAck(await _link.RequestAsync<byte[]>(subject, data, null, CancellationToken.None), subject);

    public Task<LtxFileInfo> WriteAsync(int level, ulong min, ulong max, int size = 300, int seed = 0, WriteMode mode = WriteMode.Overwrite) =>
        WriteAsync(level, min, max, LtxSample.Create(min, max, size, seed: seed), mode);

    public async Task<LtxFileInfo> WriteAsync(int level, ulong min, ulong max, byte[] content, WriteMode mode = WriteMode.Overwrite) =>
        await Client.WriteAsync(level, new Txid(min), new Txid(max), new MemoryStream(content), mode, CancellationToken.None);

    public async Task<byte[]> ReadAsync(int level, ulong min, ulong max, long offset = 0, long size = 0)
    {
        await using Stream stream = await Client.OpenAsync(level, new Txid(min), new Txid(max), offset, size, CancellationToken.None);
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        return copy.ToArray();
    }

    public async Task<List<LtxFileInfo>> ListAsync(int level)
    {
        List<LtxFileInfo> files = [];
        await foreach (LtxFileInfo file in Client.ListAsync(level, default, accurateTimes: false, CancellationToken.None))
        {
            files.Add(file);
        }

        return files;
    }

    public async ValueTask DisposeAsync()
    {
        await Client.DisposeAsync();
        await _link.DisposeAsync();
    }
}
