using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using Litestream.Ltx;
using Litestream.Storage.Transport;

namespace Litestream.Storage.WebDav;

/// <summary>
/// A replica on a WebDAV server: <c>&lt;url&gt;/&lt;path&gt;/ltx/&lt;level&gt;/&lt;min&gt;-&lt;max&gt;.ltx</c> (backends §1.2 layout B, §4.7). Files get their name by MOVE, so that
/// none is visible in part on any server. The server keeps the time of the upload; header times are read from the files when they are asked for (D9, trap T5).
/// </summary>
public sealed partial class WebDavReplicaClient : IReplicaClient
{
    private const string TypeName = "webdav";

    private const int ParallelRequests = 8;

    /// <summary>Files whose headers are read before the first of them is given out.</summary>
    private const int HeaderBatch = 256;

    private readonly WebDavOptions _options;
    private readonly StorageTransport _transport;
    private readonly ReplicaKeys _keys;
    private readonly Lock _gate = new();
    private readonly string _writer = RandomNumberGenerator.GetHexString(16, lowercase: true);
    private WebDavApi? _api;
    private bool _checked;

    /// <summary>Creates the client; nothing is connected.</summary>
    /// <param name="options">Server, login and path.</param>
    /// <param name="transport">Connections and limits of the process.</param>
    public WebDavReplicaClient(WebDavOptions options, StorageTransport transport)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(transport);
        (_options, _transport) = (options, transport);

        // Rooted: a path cannot climb out of the address with "..".
        _keys = ReplicaKeys.LtxDirectory("/" + options.Path);
    }

    /// <inheritdoc/>
    public string Type => TypeName;

    /// <summary>Checks the settings, logs in, and looks whether the base collection is there: one or two requests, once.</summary>
    /// <inheritdoc/>
    public async ValueTask InitializeAsync(CancellationToken cancellationToken)
    {
        WebDavApi api = Api();
        if (_checked)
        {
            return;
        }

        string what = $"look at {api.Location(_keys.Root)}";
        if (await api.FindAsync(what, _keys.Root, 0, cancellationToken).ConfigureAwait(false) is null
            && await api.FindAsync(what, "/", 0, cancellationToken).ConfigureAwait(false) is null)
        {
            throw new ReplicaException($"initialize webdav replica: {api.Location("/")} does not exist; create that collection, or correct webdav-url", isTransient: false);
        }

        _checked = true;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        List<LtxFileInfo> found = [];
        WebDavApi api = Api();
        string what = $"list {api.Location(_keys.Level(level))}";
        DavListing? listing = await api.FindAsync(what, _keys.Level(level), 1, cancellationToken).ConfigureAwait(false);
        ReplicaMetrics.Count(TypeName, "LIST");
        foreach (DavResource one in listing?.Resources ?? [])
        {
            if (!one.IsCollection && LtxFileName.TryParse(one.Name, out Txid min, out Txid max) && min >= seek)
            {
                long size = one.Length ?? throw new ReplicaException($"{what}: the server does not say how long {one.Name} is", isTransient: false);
                found.Add(new LtxFileInfo(level, min, max, size, one.Modified ?? DateTimeOffset.UnixEpoch));
            }
        }

        found.Sort(static (a, b) => a.MinTxid != b.MinTxid ? a.MinTxid.CompareTo(b.MinTxid) : a.MaxTxid.CompareTo(b.MaxTxid));
        for (int start = 0; start < found.Count; start += HeaderBatch)
        {
            LtxFileInfo?[] batch = [.. found.Skip(start).Take(HeaderBatch)];
            if (accurateTimes)
            {
                await Parallel.ForAsync(
                    0, batch.Length, Options(cancellationToken),
                    async (i, token) => batch[i] = await WithHeaderTimeAsync(batch[i]!.Value, token).ConfigureAwait(false)).ConfigureAwait(false);
            }

            foreach (LtxFileInfo? one in batch)
            {
                if (one is { } file)
                {
                    yield return file;
                }
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        WebDavApi api = Api();
        string path = _keys.File(level, minTxid, maxTxid);
        string what = $"open {api.Location(path)}";
        return api.OpenAsync(
            what,
            () =>
            {
                HttpRequestMessage request = api.Request(HttpMethod.Get, path);
                if (BodyRange.Header(offset, size) is { } range)
                {
                    request.Headers.TryAddWithoutValidation("Range", range);
                }

                return request;
            },
            response =>
            {
                ReplicaMetrics.Count(TypeName, "GET", response.Content.Headers.ContentLength ?? 0);
                if (response.StatusCode == HttpStatusCode.NotFound)
                {
                    throw new LtxFileNotFoundException(level, minTxid, maxTxid, api.Location(path));
                }

                if (response.StatusCode == HttpStatusCode.PartialContent && response.Content.Headers.ContentRange is { From: { } from } && from != offset)
                {
                    throw new ReplicaException($"{what}: asked for bytes from {offset} on, the server sends them from {from} on", isTransient: false);
                }

                return BodyRange.Of(response.StatusCode, offset, size) ?? throw api.Refused(what, response);
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (files.Count > 0)
        {
            WebDavApi api = Api();
            await Parallel.ForEachAsync(
                files, Options(cancellationToken),
                async (file, token) => await DeleteOneAsync(api, _keys.File(file.Level, file.MinTxid, file.MaxTxid), token).ConfigureAwait(false)).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Removes the collection of the path with everything in it. Without a path only <c>ltx/</c> goes: what else lies below the address may be the replicas of
    /// others (trap T2).
    /// </summary>
    /// <inheritdoc/>
    public async ValueTask DeleteAllAsync(CancellationToken cancellationToken)
    {
        // With the slash: nginx refuses it without (409).
        await DeleteOneAsync(Api(), _keys.Root == "/" ? "/ltx/" : _keys.Root, cancellationToken).ConfigureAwait(false);
        ForgetCollections();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _creating.Dispose();
        return ValueTask.CompletedTask;
    }

    private static ParallelOptions Options(CancellationToken cancellationToken) =>
        new() { MaxDegreeOfParallelism = ParallelRequests, CancellationToken = cancellationToken };

    /// <summary>The API, with settings checked; after a failure the next call looks again.</summary>
    private WebDavApi Api()
    {
        lock (_gate)
        {
            return _api ??= new WebDavApi(_options, _transport);
        }
    }

    /// <summary>Reads the time from the first 100 bytes; null if the file is gone since it was listed, as if it had been listed a moment later.</summary>
    private async ValueTask<LtxFileInfo?> WithHeaderTimeAsync(LtxFileInfo file, CancellationToken cancellationToken)
    {
        byte[] header = new byte[LtxFormat.HeaderSize];
        var reader = ResumableReader.ForReplica(this, file, _transport.Options.Time);
        try
        {
            int count = await reader.ReadAsync(0, header, cancellationToken).ConfigureAwait(false);
            long milliseconds = LtxHeader.Peek(header.AsSpan(0, count), file.Name).Timestamp;
            return file with { CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(milliseconds) };
        }
        catch (LtxFileNotFoundException)
        {
            return null;
        }
        catch (Exception defect) when (defect is LtxException or ArgumentOutOfRangeException)
        {
            // Never the time of the upload instead: a restore by time would choose wrong files without a word (decision D9, trap T4).
            throw new ReplicaException(
                $"read the time of {Api().Location(_keys.File(file.Level, file.MinTxid, file.MaxTxid))}: {defect.Message}; the file is damaged", isTransient: false, defect);
        }
    }

    private async ValueTask DeleteOneAsync(WebDavApi api, string path, CancellationToken cancellationToken)
    {
        string what = $"delete {api.Location(path)}";
        long began = _transport.Options.Time.GetTimestamp();
        await api.SendAsync(
            what,
            () => api.Request(HttpMethod.Delete, path),
            status => status is HttpStatusCode.OK or HttpStatusCode.Accepted or HttpStatusCode.NoContent or HttpStatusCode.NotFound or HttpStatusCode.Gone,
            cancellationToken).ConfigureAwait(false);
        ReplicaMetrics.Count(TypeName, "DELETE");
        ReplicaMetrics.Took(TypeName, "DELETE", _transport.Options.Time.GetElapsedTime(began));
    }
}
