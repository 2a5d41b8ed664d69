using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.S3;
using Litestream.Storage.Transport;
using Litestream.TestKit.Servers;

namespace Litestream.Scenarios;

/// <summary>A real S3 server on the loopback interface, with the credentials that the executables find in their environment.</summary>
internal sealed class S3Store : IAsyncDisposable
{
    public const string Bucket = "test";
    public const string AccessKey = "testaccess";
    public const string Secret = "testsecret0123456789";

    private const int UploadsAtOnce = 16;

    private readonly StorageServer server;
    private readonly StorageTransport transport = new(new TransportOptions { GetVariable = _ => null });

    private S3Store(StorageServer server) => this.server = server;

    public int Port => server.Port;

    public static async Task<S3Store> StartAsync()
    {
        Environment.SetEnvironmentVariable("AWS_ACCESS_KEY_ID", AccessKey);
        Environment.SetEnvironmentVariable("AWS_SECRET_ACCESS_KEY", Secret);
        var store = new S3Store(await StorageServer.StartAsync("s3", 13));
        await store.server.WaitUntilAsync(store.HasBucketAsync, "its bucket exists");
        return store;
    }

    /// <summary>A replica as a command line names it, reached through a port.</summary>
    public static string Url(string path, int port) => $"s3://{Bucket}/{path}?endpoint=http://127.0.0.1:{port}&region=us-east-1&forcePathStyle=true";

    /// <summary>Key of a file.</summary>
    public static string Key(string path, int level, string name) => $"{path}/{level:x4}/{name}";

    /// <summary>A client that goes to the server directly.</summary>
    public S3ReplicaClient CreateClient(string path) => new(
        new S3Options { Bucket = Bucket, Path = path, Endpoint = $"http://127.0.0.1:{Port}", AccessKeyId = AccessKey, SecretAccessKey = Secret }, transport);

    /// <summary>
    /// Copies of a directory replica what a restore reads: the snapshot and the files behind it. Returns these as the store has them,
    /// largest first.
    /// </summary>
    public async Task<IReadOnlyList<(string Key, long Size)>> UploadAsync(string replica, string path)
    {
        await using S3ReplicaClient client = CreateClient(path);
        string[] files = [.. Directory.GetFiles(Path.Combine(replica, "ltx"), "*.ltx", SearchOption.AllDirectories).Where(file => IsSnapshot(file) || Level(file) == 0)];
        string newest = files.Where(IsSnapshot).MaxBy(Path.GetFileName) ?? throw new InvalidOperationException($"{replica} has no snapshot");
        string end = Path.GetFileName(newest)[17..33];
        files = [newest, .. files.Where(file => !IsSnapshot(file) && string.CompareOrdinal(Path.GetFileName(file)[..16], end) > 0)];
        await Parallel.ForEachAsync(files, new ParallelOptions { MaxDegreeOfParallelism = UploadsAtOnce }, async (file, token) =>
        {
            await using FileStream content = File.OpenRead(file);
            await WriteAsync(client, Level(file), Path.GetFileName(file), content, token);
        });
        return [.. files.Select(file => (Key(path, Level(file), Path.GetFileName(file)), new FileInfo(file).Length)).OrderByDescending(file => file.Length)];
    }

    /// <summary>Stores files that are made one by one.</summary>
    public async Task UploadAsync(string path, int count, Func<int, (string Name, byte[] Content)> make)
    {
        await using S3ReplicaClient client = CreateClient(path);
        await Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = UploadsAtOnce }, async (number, token) =>
        {
            (string name, byte[] content) = make(number);
            await WriteAsync(client, 0, name, new MemoryStream(content), token);
        });
    }

    public async ValueTask DisposeAsync()
    {
        transport.Dispose();
        await server.DisposeAsync();
    }

    private static bool IsSnapshot(string file) => Level(file) == 9;

    private static int Level(string file) => int.Parse(Path.GetFileName(Path.GetDirectoryName(file))!, System.Globalization.CultureInfo.InvariantCulture);

    private static async ValueTask WriteAsync(S3ReplicaClient client, int level, string name, Stream content, CancellationToken token)
    {
        if (!LtxFileName.TryParse(name, out Txid min, out Txid max))
        {
            throw new InvalidOperationException($"{name} is no name of an LTX file");
        }

        await client.WriteAsync(level, min, max, content, WriteMode.Overwrite, token);
    }

    private async Task<bool> HasBucketAsync()
    {
        await using S3ReplicaClient client = CreateClient("none");
        try
        {
            await foreach (LtxFileInfo _ in client.ListAsync(0, Txid.None, false, CancellationToken.None))
            {
            }

            return true;
        }
        catch (ReplicaException)
        {
            return false;
        }
    }
}
