using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using Litestream.Ltx;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Gcs;

/// <summary>
/// A replica in Google Cloud Storage: <c>&lt;path&gt;/ltx/&lt;level&gt;/&lt;min&gt;-&lt;max&gt;.ltx</c> through the JSON API (backends §1.2 layout B, §4.3). The header
/// time is kept as metadata <c>litestream-timestamp</c> and comes back with every listing.
/// </summary>
public sealed partial class GcsReplicaClient : IReplicaClient
{
    private const string TypeName = "gs";

    private const string TimeKey = "litestream-timestamp";

    private const int ParallelDeletes = 8;

    private readonly GcsOptions _options;
    private readonly StorageTransport _transport;
    private readonly ReplicaKeys _keys;
    private readonly Lock _gate = new();
    private GcsApi? _api;
    private bool _checked;

    /// <summary>Creates the client; nothing is read or connected.</summary>
    /// <param name="options">Where the replica lies.</param>
    /// <param name="transport">Connections, environment and limits of the process.</param>
    public GcsReplicaClient(GcsOptions options, StorageTransport transport)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(transport);
        (_options, _transport) = (options, transport);
        _keys = ReplicaKeys.LtxDirectory(options.Path);
    }

    /// <inheritdoc/>
    public string Type => TypeName;

    /// <summary>Checks the settings, gets a token and looks at the bucket: one listing of nothing, once.</summary>
    /// <inheritdoc/>
    public async ValueTask InitializeAsync(CancellationToken cancellationToken)
    {
        GcsApi api = Api();
        if (!_checked)
        {
            if (!await api.BucketExistsAsync(cancellationToken).ConfigureAwait(false))
            {
                throw api.BucketMissing("initialize gs replica");
            }

            _checked = true;
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string prefix = _keys.Level(level);
        await foreach (GcsObject one in ListObjectsAsync(prefix, _keys.StartAt(level, seek), cancellationToken).ConfigureAwait(false))
        {
            // An object further down, or one that a store sends in spite of the start, is none of this listing.
            if (LtxFileName.TryParse(one.Name.AsSpan(prefix.Length), out Txid min, out Txid max) && min >= seek)
            {
                string? kept = one.Metadata?.GetValueOrDefault(TimeKey);
                yield return new LtxFileInfo(
                    level, min, max, one.Size ?? 0, HeaderTime.Parse(kept) ?? one.TimeCreated ?? DateTimeOffset.UnixEpoch);
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        string key = _keys.File(level, minTxid, maxTxid);
        return OpenObjectAsync(key, offset, size, () => new LtxFileNotFoundException(level, minTxid, maxTxid, Api().Location(key)), cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (files.Count > 0)
        {
            await DeleteKeysAsync(files.Select(file => _keys.File(file.Level, file.MinTxid, file.MaxTxid)), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Removes everything below the path. Without a path only <c>ltx/</c> goes: the rest of the bucket may be the replicas of others (trap T2).
    /// </summary>
    /// <inheritdoc/>
    public async ValueTask DeleteAllAsync(CancellationToken cancellationToken)
    {
        string prefix = _keys.Root is "" or "/" ? _keys.Root + "ltx/" : _keys.Root;
        const int batch = 1000;
        var names = new List<string>(batch);
        await foreach (GcsObject one in ListObjectsAsync(prefix, null, cancellationToken).ConfigureAwait(false))
        {
            names.Add(one.Name!);
            if (names.Count == batch)
            {
                // The listing goes on behind the last name it gave, whether or not that is still there.
                await DeleteKeysAsync(names, cancellationToken).ConfigureAwait(false);
                names.Clear();
            }
        }

        await DeleteKeysAsync(names, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>The API, with settings checked; after a failure the next call looks again.</summary>
    private GcsApi Api()
    {
        lock (_gate)
        {
            if (_api is null)
            {
                if (string.IsNullOrEmpty(_options.Bucket))
                {
                    throw new ReplicaException("bucket required for gs replica", isTransient: false);
                }

                if (_options.ChunkSize is < GcsOptions.ChunkUnit or > GcsOptions.MaxChunkSize || _options.ChunkSize % GcsOptions.ChunkUnit != 0)
                {
                    throw new ReplicaException(
                        $"chunk size of gs replica: {_options.ChunkSize} bytes are not a multiple of {GcsOptions.ChunkUnit} up to {GcsOptions.MaxChunkSize}", isTransient: false);
                }

                _api = new GcsApi(_options, _transport);
            }

            return _api;
        }
    }

    private async IAsyncEnumerable<GcsObject> ListObjectsAsync(
        string prefix, string? start, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        GcsApi api = Api();
        string what = $"list {api.Location(prefix)}";
        string query = "fields=items(name,size,timeCreated,metadata),nextPageToken&prefix=" + Uri.EscapeDataString(prefix)
            + (start is null ? "" : "&startOffset=" + Uri.EscapeDataString(start));
        string page = "";
        do
        {
            Uri address = api.List(query + page);
            GcsObjectPage found = await api.SendAsync(
                what,
                () => new HttpRequestMessage(HttpMethod.Get, address),
                async (response, token) =>
                {
                    ReplicaMetrics.Count(TypeName, "LIST");
                    return response.StatusCode == HttpStatusCode.OK
                        ? await GcsApi.ReadJsonAsync(what, response, GcsJson.Default.GcsObjectPage, token).ConfigureAwait(false)
                        : throw await api.RefusedAsync(what, "LIST", response, token).ConfigureAwait(false);
                },
                cancellationToken).ConfigureAwait(false);
            foreach (GcsObject one in found.Items ?? [])
            {
                if (one.Name is { } name && name.StartsWith(prefix, StringComparison.Ordinal))
                {
                    yield return one;
                }
            }

            page = string.IsNullOrEmpty(found.NextPageToken) ? "" : "&pageToken=" + Uri.EscapeDataString(found.NextPageToken);
        }
        while (page.Length > 0);
    }

    private ValueTask<Stream> OpenObjectAsync(string key, long offset, long size, Func<ReplicaException> missing, CancellationToken cancellationToken)
    {
        GcsApi api = Api();
        string what = $"open {api.Location(key)}";
        return api.OpenAsync(
            what,
            () =>
            {
                var request = new HttpRequestMessage(HttpMethod.Get, api.Object(key, "?alt=media"));
                if (BodyRange.Header(offset, size) is { } range)
                {
                    request.Headers.TryAddWithoutValidation("Range", range);
                }

                return request;
            },
            async (response, token) =>
            {
                ReplicaMetrics.Count(TypeName, "GET", response.Content.Headers.ContentLength ?? 0);
                if (response.StatusCode == HttpStatusCode.NotFound)
                {
                    throw await api.IsBucketMissingAsync(response, token).ConfigureAwait(false) ? api.BucketMissing(what) : missing();
                }

                return BodyRange.Of(response.StatusCode, offset, size) ?? throw await api.RefusedAsync(what, "GET", response, token).ConfigureAwait(false);
            },
            cancellationToken);
    }

    private Task DeleteKeysAsync(IEnumerable<string> names, CancellationToken cancellationToken)
    {
        GcsApi api = Api();
        return Parallel.ForEachAsync(
            names,
            new ParallelOptions { MaxDegreeOfParallelism = ParallelDeletes, CancellationToken = cancellationToken },
            async (name, token) => await DeleteOneAsync(api, name, token).ConfigureAwait(false));
    }

    private async ValueTask DeleteOneAsync(GcsApi api, string name, CancellationToken cancellationToken)
    {
        string what = $"delete {api.Location(name)}";
        long began = _transport.Options.Time.GetTimestamp();
        await api.SendAsync(
            what,
            () => new HttpRequestMessage(HttpMethod.Delete, api.Object(name)),
            async (response, token) => response.StatusCode switch
            {
                HttpStatusCode.NoContent or HttpStatusCode.OK => true,
                HttpStatusCode.NotFound when !await api.IsBucketMissingAsync(response, token).ConfigureAwait(false) => true,
                HttpStatusCode.NotFound => throw api.BucketMissing(what),
                _ => throw await api.RefusedAsync(what, "DELETE", response, token).ConfigureAwait(false),
            },
            cancellationToken).ConfigureAwait(false);
        ReplicaMetrics.Count(TypeName, "DELETE");
        ReplicaMetrics.Took(TypeName, "DELETE", _transport.Options.Time.GetElapsedTime(began));
    }
}
