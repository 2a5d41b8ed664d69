using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Azure;
using Litestream.Storage.Transport;
using Litestream.TestKit.Replicas;

namespace Litestream.Backends.Tests.Azure;

/// <summary>Short forms of what the Azure tests do again and again.</summary>
internal static class AzureSupport
{
    /// <summary>A transport without environment and with waits of a millisecond.</summary>
    public static StorageTransport Transport(
        int attempts = 1, TimeSpan? idle = null, IReadOnlyDictionary<string, string>? environment = null, int maxConnections = 32) =>
        new(new TransportOptions
        {
            GetVariable = name => environment?.GetValueOrDefault(name),
            Retry = new RetryOptions(attempts, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(1)),
            ConnectTimeout = idle ?? TimeSpan.FromSeconds(30),
            IdleTimeout = idle ?? TimeSpan.FromSeconds(60),
            MaxConnections = maxConnections,
        });

    public static AzureOptions StubOptions(StubBlobServer stub, string path = "db") =>
        new("box", path) { AccountName = "acct", AccountKey = AzuriteServer.Key, Endpoint = stub.Endpoint };

    public static async Task<List<LtxFileInfo>> ListAsync(IReplicaClient client, int level = 0, ulong seek = 0, bool accurate = false)
    {
        List<LtxFileInfo> files = [];
        await foreach (LtxFileInfo file in client.ListAsync(level, new Txid(seek), accurate, CancellationToken.None))
        {
            files.Add(file);
        }

        return files;
    }

    public static async Task<byte[]> ReadAsync(IReplicaClient client, ulong min, ulong max, int level = 0, long offset = 0, long size = 0)
    {
        await using Stream stream = await client.OpenAsync(level, new Txid(min), new Txid(max), offset, size, CancellationToken.None);
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        return copy.ToArray();
    }

    public static async Task<LtxFileInfo> WriteAsync(
        IReplicaClient client, ulong min, ulong max, int size = 300, int level = 0, WriteMode mode = WriteMode.Overwrite, int seed = 0) =>
        await client.WriteAsync(
            level, new Txid(min), new Txid(max), new MemoryStream(LtxSample.Create(min, max, size, seed: seed)), mode, CancellationToken.None);
}
