using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Gcs;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Gcs;

/// <summary>Two strict servers of the JSON API for the tests of a class: one that checks tokens, and one as an emulator.</summary>
public sealed class GcsServer : IAsyncLifetime
{
    public const string Bucket = "test";

    private StorageServer? _server;
    private StorageServer? _emulator;
    private StorageTransport? _transport;
    private StorageTransport? _emulated;

    /// <summary>Root URL of the server that checks tokens.</summary>
    public string Url => $"http://127.0.0.1:{_server!.Port}";

    /// <summary>Host and port of the emulator.</summary>
    public string EmulatorHost => $"127.0.0.1:{_emulator!.Port}";

    public string EmulatorUrl => "http://" + EmulatorHost;

    /// <summary>Folder of the credential files.</summary>
    public string Folder => _server!.Folder;

    public string ServiceAccountFile => Path.Combine(Folder, "sa.json");

    /// <summary>Uses the service account.</summary>
    internal StorageTransport Transport => _transport!;

    /// <summary>Has <c>STORAGE_EMULATOR_HOST</c>.</summary>
    internal StorageTransport Emulated => _emulated!;

    public async ValueTask InitializeAsync()
    {
        Task<StorageServer> server = StorageServer.StartAsync("gcs");
        Task<StorageServer> emulator = StorageServer.StartAsync("gcs", environment: new Dictionary<string, string> { ["GCS_NOAUTH"] = "1" });
        _server = await server;
        _emulator = await emulator;
        _transport = CreateTransport(("GOOGLE_APPLICATION_CREDENTIALS", ServiceAccountFile));
        _emulated = CreateTransport(("STORAGE_EMULATOR_HOST", EmulatorHost));
    }

    public async ValueTask DisposeAsync()
    {
        _transport?.Dispose();
        _emulated?.Dispose();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        if (_emulator is not null)
        {
            await _emulator.DisposeAsync();
        }
    }

    /// <summary>A transport that sees only these variables and retries fast.</summary>
    internal static StorageTransport CreateTransport(params (string Name, string Value)[] environment) => CreateTransport(TimeProvider.System, 4, environment);

    internal static StorageTransport CreateTransport(TimeProvider time, int attempts, params (string Name, string Value)[] environment) =>
        new(new TransportOptions
        {
            Time = time,
            GetVariable = name => environment.FirstOrDefault(one => one.Name == name).Value,
            Retry = new RetryOptions(attempts, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(5)),
        });

    /// <summary>A path that no other test uses.</summary>
    public static string NewPath() => "t/" + Guid.NewGuid().ToString("N");

    /// <summary>A client with the service account.</summary>
    internal GcsReplicaClient Client(string path, string? endpoint = null, int chunk = GcsOptions.DefaultChunkSize, string bucket = Bucket) =>
        new(new GcsOptions { Bucket = bucket, Path = path, Endpoint = endpoint ?? Url, ChunkSize = chunk }, Transport);

    internal static Task<LtxFileInfo> Write(
        IReplicaClient client, int level, ulong min, ulong max, byte[]? content = null, WriteMode mode = WriteMode.Overwrite, CancellationToken token = default) =>
        client.WriteAsync(level, new Txid(min), new Txid(max), new MemoryStream(content ?? LtxSample.Create(min, max)), mode, token).AsTask();

    internal static async Task<byte[]> Read(IReplicaClient client, int level, ulong min, ulong max, long offset = 0, long size = 0)
    {
        await using Stream stream = await client.OpenAsync(level, new Txid(min), new Txid(max), offset, size, CancellationToken.None);
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        return copy.ToArray();
    }

    internal static async Task<IReadOnlyList<LtxFileInfo>> List(IReplicaClient client, int level, ulong seek = 0)
    {
        List<LtxFileInfo> files = [];
        await foreach (LtxFileInfo file in client.ListAsync(level, new Txid(seek), false, CancellationToken.None))
        {
            files.Add(file);
        }

        return files;
    }
}
