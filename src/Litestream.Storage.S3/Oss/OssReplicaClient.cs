using System.Diagnostics;
using System.Runtime.CompilerServices;
using Litestream.Ltx;
using Litestream.Storage.Transport;

namespace Litestream.Storage.S3.Oss;

/// <summary>
/// A replica in Alibaba Cloud OSS: keys of layout A (backends §1.2, §4.5), the header time as user metadata (§1.8), L0 objects created with
/// <c>x-oss-forbid-overwrite</c> (decision D35). Names in OSS cannot begin with a slash, so an empty path is refused.
/// </summary>
public sealed partial class OssReplicaClient : IReplicaClient, IRefusesLate
{
    private static readonly RetryOptions Retry = new(3, TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(20));

    private readonly OssOptions _options;
    private readonly StorageTransport _transport;
    private readonly ReplicaKeys _keys;
    private OssApi? _api;

    /// <summary>Creates the client; nothing is checked or connected yet.</summary>
    /// <param name="options">Settings.</param>
    /// <param name="transport">Connections, pacing, clock and environment; stays the caller's.</param>
    public OssReplicaClient(OssOptions options, StorageTransport transport)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(transport);
        _options = options;
        _transport = transport;
        _keys = ReplicaKeys.FlatHex(options.Path);
    }

    /// <inheritdoc/>
    public string Type => "oss";

    /// <inheritdoc/>
    /// <remarks>Checks the settings and looks for keys, without a request.</remarks>
    public ValueTask InitializeAsync(CancellationToken cancellationToken)
    {
        GetApi();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        OssApi api = GetApi();
        string prefix = _keys.Level(level);
        string? token = null;
        do
        {
            ObjectListing page = await api.ListAsync(prefix, _keys.StartAt(level, seek), token, cancellationToken).ConfigureAwait(false);
            token = page.NextToken;
            List<ListedObject> objects = [.. page.Objects.Where(item => IsFileFrom(item.Key, prefix, seek))];
            (bool Exists, DateTimeOffset? Time)[] times = accurateTimes
                ? await FanOut.RunAsync(objects, api.Http.Options.MaxConnections, (item, cancel) => api.HeadAsync(item.Key, cancel), cancellationToken).ConfigureAwait(false)
                : [];
            for (int i = 0; i < objects.Count; i++)
            {
                // One that has gone since the page was made is no longer part of the list.
                if (!accurateTimes || times[i].Exists)
                {
                    (Txid min, Txid max) = ReplicaKeys.Parse(objects[i].Key)!.Value;
                    DateTimeOffset time = (accurateTimes ? times[i].Time : null) ?? objects[i].LastModified;
                    yield return new LtxFileInfo(level, min, max, objects[i].Size, time);
                }
            }
        }
        while (token is not null);
    }

    /// <inheritdoc/>
    public async ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        OssApi api = GetApi();
        string key = _keys.File(level, minTxid, maxTxid);
        return await api.OpenAsync(
            key, offset, size, () => new LtxFileNotFoundException(level, minTxid, maxTxid, api.Name(key)), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (files.Count > 0)
        {
            await DeleteKeysAsync(GetApi(), files.Select(file => _keys.File(file.Level, file.MinTxid, file.MaxTxid)), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DeleteAllAsync(CancellationToken cancellationToken)
    {
        OssApi api = GetApi();
        string? token = null;
        do
        {
            ObjectListing page = await api.ListAsync(_keys.Root, null, token, cancellationToken).ConfigureAwait(false);
            token = page.NextToken;
            await DeleteKeysAsync(api, page.Objects.Select(item => item.Key), cancellationToken).ConfigureAwait(false);
        }
        while (token is not null);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static bool IsFileFrom(string key, string prefix, Txid seek) =>
        key.StartsWith(prefix, StringComparison.Ordinal) && key.IndexOf('/', prefix.Length) < 0
        && ReplicaKeys.Parse(key) is { } range && range.Min >= seek;

    /// <summary>Every key must be reported as deleted, also one that was missing; what is not reported is still there.</summary>
    private static async ValueTask DeleteKeysAsync(OssApi api, IEnumerable<string> keys, CancellationToken cancellationToken)
    {
        foreach (string[] batch in keys.Chunk(DeleteDocument.MaxKeys))
        {
            long began = Stopwatch.GetTimestamp();
            IReadOnlySet<string> deleted = await api.DeleteAsync(batch, cancellationToken).ConfigureAwait(false);
            ReplicaMetrics.Took("oss", "DELETE", Stopwatch.GetElapsedTime(began));
            string[] left = [.. batch.Where(key => !deleted.Contains(key))];
            ReplicaMetrics.Count("oss", "DELETE", count: batch.Length - left.Length);
            if (left.Length > 0)
            {
                ReplicaMetrics.Failed("oss", "DELETE", "NotDeleted");
                throw new ReplicaException($"oss: failed to delete files:\n{string.Join('\n', left)}", isTransient: true);
            }
        }
    }

    private OssApi GetApi() => _api ??= CreateApi();

    private OssApi CreateApi()
    {
        Require(_options.Bucket.Length > 0, "bucket required for oss replica");
        Require(
            _options.Path.Length > 0 && _options.Path[0] is not ('/' or '\\'),
            $"oss replica path \"{_options.Path}\": names in OSS must not begin with a slash; set a path without one");
        Require(_options.PartSize >= OssOptions.MinPartSize, $"oss: part size must be at least {OssOptions.MinPartSize} bytes, not {_options.PartSize}");
        Require(_options.PartSize <= OssOptions.MaxPartSize, $"oss: part size must be at most {OssOptions.MaxPartSize} bytes, not {_options.PartSize}");
        OssEndpoint endpoint = OssEndpoint.Of(_options);
        (string id, string secret, string? token) = (_options.AccessKeyId, _options.SecretAccessKey, null);
        if (id.Length == 0 || secret.Length == 0)
        {
            Func<string, string?> variable = _transport.Options.GetVariable;
            (id, secret, token) = (variable("OSS_ACCESS_KEY_ID") ?? "", variable("OSS_ACCESS_KEY_SECRET") ?? "", variable("OSS_SESSION_TOKEN"));
            Require(
                id.Length > 0 && secret.Length > 0,
                "oss: no credentials: set access-key-id and secret-access-key, or OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET in the environment");
        }

        var signer = new OssSigner(id, secret, string.IsNullOrEmpty(token) ? null : token, endpoint.Region);
        return new OssApi(_options, endpoint, signer, _transport.CreateHttp(Retry));
    }

    private static void Require(bool condition, string message)
    {
        if (!condition)
        {
            throw new ReplicaException(message, isTransient: false);
        }
    }
}
