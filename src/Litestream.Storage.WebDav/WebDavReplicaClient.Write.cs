using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Storage.Transport;
using Microsoft.Extensions.Logging;

namespace Litestream.Storage.WebDav;

/// <summary>Uploads: PUT under a name that no listing shows, then MOVE to the final one (backends §4.7).</summary>
public sealed partial class WebDavReplicaClient
{
    /// <summary>Length of <c>.&lt;writer, 16 digits&gt;&lt;number of the write, 8 digits&gt;.tmp</c>.</summary>
    private const int TempSuffixLength = 29;

    // A chunked PUT is stored as 0 bytes or refused by common servers (backends §4.7), so a file waits until its length is known.
    private const int MemoryLimit = 8 << 20;

    private static readonly TimeSpan StaleAge = TimeSpan.FromDays(1);

    private static readonly TimeSpan CleanUpTimeout = TimeSpan.FromSeconds(10);

    private readonly SemaphoreSlim _creating = new(1, 1);
    private readonly bool[] _created = new bool[LtxFileInfo.LevelCount];
    private readonly bool[] _swept = new bool[LtxFileInfo.LevelCount];
    private uint _writes;
    private volatile bool _refusesMove;

    /// <inheritdoc/>
    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        WebDavApi api = Api();
        string path = _keys.File(level, minTxid, maxTxid);
        LtxUploadHead head = await LtxUploadHead.ReadAsync(source, api.Location(path), cancellationToken).ConfigureAwait(false);
        var parts = new PartReader(head, source, long.MaxValue, _options.Spool.WithMemory(MemoryLimit));
        using UploadPart body = (await parts.NextAsync(cancellationToken).ConfigureAwait(false))!;
        long began = _transport.Options.Time.GetTimestamp();
        var info = new LtxFileInfo(level, minTxid, maxTxid, body.Length, head.CreatedAt);
        await CreateCollectionsAsync(api, level, cancellationToken).ConfigureAwait(false);
        if (_refusesMove || !await PutAndMoveAsync(api, info, path, body, parts.Tap, mode, cancellationToken).ConfigureAwait(false))
        {
            await PutDirectlyAsync(api, info, path, body, parts.Tap, mode, cancellationToken).ConfigureAwait(false);
        }

        ReplicaMetrics.Count(TypeName, "PUT", info.Size);
        ReplicaMetrics.Took(TypeName, "PUT", _transport.Options.Time.GetElapsedTime(began));
        return info;
    }

    /// <summary>The usual way; false if the server cannot rename.</summary>
    private async ValueTask<bool> PutAndMoveAsync(
        WebDavApi api, LtxFileInfo info, string path, UploadBytes body, TrailerTap tap, WriteMode mode, CancellationToken cancellationToken)
    {
        string temp = string.Create(CultureInfo.InvariantCulture, $"{path}.{_writer}{Interlocked.Increment(ref _writes):x8}.tmp");
        bool isMoved = false;
        string? claim = null;
        try
        {
            await PutAsync(api, info, temp, body, create: false, cancellationToken).ConfigureAwait(false);
            claim = mode == WriteMode.CreateOnly ? await ClaimAsync(api, path, cancellationToken).ConfigureAwait(false) : null;
            string what = $"upload {api.Location(path)}: rename {api.Location(temp)}";
            HttpStatusCode status = await api.SendAsync(
                what,
                () =>
                {
                    HttpRequestMessage request = api.Request(WebDavApi.Move, temp);
                    request.Headers.TryAddWithoutValidation("Destination", api.Location(path));
                    request.Headers.Add("Overwrite", mode == WriteMode.CreateOnly ? "F" : "T");
                    return request;
                },
                answer => answer is HttpStatusCode.Created or HttpStatusCode.NoContent or HttpStatusCode.OK
                    || (mode == WriteMode.CreateOnly && answer == HttpStatusCode.PreconditionFailed)
                    || answer is HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented,
                cancellationToken).ConfigureAwait(false);
            isMoved = status is HttpStatusCode.Created or HttpStatusCode.NoContent or HttpStatusCode.OK;
            switch (status)
            {
                case HttpStatusCode.MethodNotAllowed or HttpStatusCode.NotImplemented:
                    _refusesMove = true;
                    _transport.Options.Logger.Write(
                        LogLevel.Warning, "webdav server refuses MOVE: files are written under their final name, and may be visible before they are complete",
                        ("url", api.Location(_keys.Root)));
                    return false;
                case HttpStatusCode.PreconditionFailed or HttpStatusCode.NotFound:
                    // Another file has the name; or this one was moved by an earlier attempt whose answer was lost, or removed by somebody.
                    await ExistingObject.RequireSameAsync(this, info, tap.Last, api.Location(path), cancellationToken).ConfigureAwait(false);
                    break;
            }

            return true;
        }
        finally
        {
            if (!isMoved)
            {
                await RemoveQuietlyAsync(api, temp).ConfigureAwait(false);
            }

            if (claim is not null)
            {
                await RemoveQuietlyAsync(api, claim).ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// For servers without MOVE. <c>If-None-Match: *</c> creates; a server that does not know it is asked beforehand, and two writers in the same instant are
    /// then found by the audit listing only.
    /// </summary>
    private async ValueTask PutDirectlyAsync(
        WebDavApi api, LtxFileInfo info, string path, UploadBytes body, TrailerTap tap, WriteMode mode, CancellationToken cancellationToken)
    {
        bool create = mode == WriteMode.CreateOnly;
        bool exists = create && await api.FindAsync($"look at {api.Location(path)}", path, 0, cancellationToken).ConfigureAwait(false) is not null;
        if (exists || !await PutAsync(api, info, path, body, create, cancellationToken).ConfigureAwait(false))
        {
            await ExistingObject.RequireSameAsync(this, info, tap.Last, api.Location(path), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Sends the bytes; false if the name was to be created and is taken.</summary>
    private async ValueTask<bool> PutAsync(
        WebDavApi api, LtxFileInfo info, string path, UploadBytes body, bool create, CancellationToken cancellationToken)
    {
        string what = $"upload {api.Location(path)}";
        for (bool again = false; ; again = true)
        {
            HttpStatusCode status = await api.SendAsync(
                what,
                () =>
                {
                    HttpRequestMessage request = api.Request(HttpMethod.Put, path);
                    request.Content = new UploadContent(body);
                    request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");

                    // Servers that know it keep the header's time, in whole seconds (trap T5); the others ignore it.
                    request.Headers.TryAddWithoutValidation("X-OC-Mtime", info.CreatedAt.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture));
                    if (create)
                    {
                        request.Headers.TryAddWithoutValidation("If-None-Match", "*");
                    }

                    return request;
                },
                answer => answer is HttpStatusCode.Created or HttpStatusCode.NoContent or HttpStatusCode.OK
                    || (create && answer == HttpStatusCode.PreconditionFailed)
                    || (!again && answer is HttpStatusCode.Conflict or HttpStatusCode.NotFound),
                cancellationToken).ConfigureAwait(false);
            if (status is not (HttpStatusCode.Conflict or HttpStatusCode.NotFound))
            {
                return status != HttpStatusCode.PreconditionFailed;
            }

            // Somebody removed the collection since this client created it.
            ForgetCollections();
            await CreateCollectionsAsync(api, info.Level, cancellationToken).ConfigureAwait(false);
        }
    }

    private void ForgetCollections()
    {
        lock (_gate)
        {
            Array.Clear(_created);
        }
    }

    /// <summary>Makes sure, once per level, that its collection exists, and removes what was left there by writers that were killed.</summary>
    private async ValueTask CreateCollectionsAsync(WebDavApi api, int level, CancellationToken cancellationToken)
    {
        if (IsCreated(level))
        {
            return;
        }

        await _creating.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!IsCreated(level))
            {
                bool isNew = await CreateAsync(api, _keys.Level(level), cancellationToken).ConfigureAwait(false);
                if (!isNew && !_swept[level])
                {
                    await SweepStaleTempsAsync(api, level, cancellationToken).ConfigureAwait(false);
                }

                lock (_gate)
                {
                    _swept[level] = _created[level] = true;
                }
            }
        }
        finally
        {
            _creating.Release();
        }
    }

    private bool IsCreated(int level)
    {
        lock (_gate)
        {
            return _created[level];
        }
    }

    /// <summary>MKCOL; a failure is a reason to look, not an error: another writer may be creating it just now (backends §4.7).</summary>
    /// <returns>True if it was not there.</returns>
    private static async ValueTask<bool> CreateAsync(WebDavApi api, string path, CancellationToken cancellationToken)
    {
        string what = $"create collection {api.Location(path)}";
        for (bool again = false; ; again = true)
        {
            HttpStatusCode status = await api.SendAsync(
                what,
                () => api.Request(WebDavApi.MakeCollection, path),
                answer => answer is HttpStatusCode.Created or HttpStatusCode.OK or HttpStatusCode.MethodNotAllowed or HttpStatusCode.Conflict or HttpStatusCode.Forbidden
                    or HttpStatusCode.NotFound or HttpStatusCode.Locked or (>= HttpStatusCode.Moved and < HttpStatusCode.BadRequest),
                cancellationToken).ConfigureAwait(false);
            switch (status)
            {
                case HttpStatusCode.Created or HttpStatusCode.OK:
                    return true;
                case HttpStatusCode.MethodNotAllowed:
                    return false;
                case HttpStatusCode.Conflict or HttpStatusCode.NotFound when !again && ParentOf(path) is { Length: > 1 } parent:
                    await CreateAsync(api, parent, cancellationToken).ConfigureAwait(false);
                    continue;
                case HttpStatusCode.Conflict or HttpStatusCode.NotFound when !again:
                    throw new ReplicaException($"{what}: {api.Location("/")} does not exist; create that collection, or correct webdav-url", isTransient: false);
                default:
                    return await api.FindAsync(what, path, 0, cancellationToken).ConfigureAwait(false) is not null
                        ? false
                        : throw new ReplicaException(
                            $"{what}: the server answers {(int)status}; give the user the right to create collections there",
                            isTransient: status is HttpStatusCode.Locked or HttpStatusCode.Conflict or HttpStatusCode.NotFound);
            }
        }
    }

    private static string ParentOf(string path) => path[..(path.TrimEnd('/').LastIndexOf('/') + 1)];

    private async ValueTask SweepStaleTempsAsync(WebDavApi api, int level, CancellationToken cancellationToken)
    {
        string directory = _keys.Level(level);
        DavListing? listing = await api.FindAsync($"list {api.Location(directory)}", directory, 1, cancellationToken).ConfigureAwait(false);
        foreach (DavResource one in listing?.Resources ?? [])
        {
            // Both times are the server's own.
            bool isOurs = one.IsCollection ? IsClaimName(one.Name) : IsTempName(one.Name);
            if (isOurs && listing!.ServerTime - one.Modified > StaleAge)
            {
                await DeleteOneAsync(api, directory + one.Name + (one.IsCollection ? "/" : ""), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private bool IsTempName(string name) =>
        name.Length > TempSuffixLength
        && name.EndsWith(".tmp", StringComparison.Ordinal)
        && LtxFileName.TryParse(name.AsSpan(0, name.Length - TempSuffixLength), out _, out _)
        && !name.Contains(_writer, StringComparison.Ordinal);

    /// <summary>Also after a cancellation, for a short time; what stays is invisible and removed after a day.</summary>
    private async ValueTask RemoveQuietlyAsync(WebDavApi api, string path)
    {
        using var limit = new CancellationTokenSource(CleanUpTimeout, _transport.Options.Time);
        try
        {
            await DeleteOneAsync(api, path, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ReplicaException or OperationCanceledException)
        {
            // The failure that led here is the one to report.
        }
    }
}
