using System.Collections.Concurrent;
using System.Collections.ObjectModel;
using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Xml;
using Azure.Core;
using Litestream.Ltx;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Azure;

/// <summary>
/// A replica in a container of Azure Blob Storage (backends §4.4, layout B): block blobs <c>&lt;path&gt;/ltx/&lt;level&gt;/&lt;min&gt;-&lt;max&gt;.ltx</c>, the
/// header time in their metadata. The container must exist.
/// </summary>
public sealed partial class AzureReplicaClient : IReplicaClient, IRefusesLate
{
    /// <summary>Name of the backend in metrics, logs and JSON.</summary>
    internal const string TypeName = "abs";

    // Deletes and header reads of one call that run at a time.
    private const int MaxParallel = 16;

    private readonly AzureOptions _options;
    private readonly StorageTransport _transport;
    private readonly ReplicaKeys _keys;
    private AzureService? _service;

    /// <summary>Creates the client; nothing is sent yet.</summary>
    /// <param name="options">Settings.</param>
    /// <param name="transport">Shared connections; not disposed with the client.</param>
    public AzureReplicaClient(AzureOptions options, StorageTransport transport)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(transport);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Concurrency, 1);
        (_options, _transport, _keys) = (options, transport, ReplicaKeys.LtxDirectory(options.Path));
    }

    /// <inheritdoc/>
    public string Type => TypeName;

    private AzureService Service => _service ??= AzureService.Get(_options, _transport);

    /// <inheritdoc/>
    public ValueTask InitializeAsync(CancellationToken cancellationToken)
    {
        _ = Service;
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string prefix = _keys.Level(level);
        await foreach (BlobPage page in ListPagesAsync(prefix, cancellationToken).ConfigureAwait(false))
        {
            // The seek is no prefix: that would find only files that begin exactly there (trap T1).
            List<(LtxFileInfo File, bool Exact)> files = [];
            foreach (BlobEntry blob in page.Blobs)
            {
                if (LtxFileName.TryParse(blob.Name.AsSpan(prefix.Length), out Txid min, out Txid max) && min >= seek)
                {
                    files.Add((new LtxFileInfo(level, min, max, blob.Size, blob.HeaderTime ?? blob.CreatedAt), blob.HeaderTime is not null));
                }
            }

            IReadOnlyDictionary<int, DateTimeOffset?> times = accurateTimes
                ? await ReadTimesAsync(files, cancellationToken).ConfigureAwait(false)
                : ReadOnlyDictionary<int, DateTimeOffset?>.Empty;
            for (int i = 0; i < files.Count; i++)
            {
                if (!times.TryGetValue(i, out DateTimeOffset? time))
                {
                    yield return files[i].File;
                }
                else if (time is { } exact)
                {
                    yield return files[i].File with { CreatedAt = exact };
                }
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        string key = _keys.File(level, minTxid, maxTxid);
        return await OpenBlobAsync(
            key, offset, size, () => new LtxFileNotFoundException(level, minTxid, maxTxid, Location(key)), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(files);
        await DeleteBlobsAsync(files.Select(file => _keys.File(file.Level, file.MinTxid, file.MaxTxid)), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Removes everything below the replica's path. A replica at the top of its container has no prefix of its own: only <c>ltx/</c> and
    /// <c>generations/</c> are its (trap T2).
    /// </summary>
    public async ValueTask DeleteAllAsync(CancellationToken cancellationToken)
    {
        string[] prefixes = _keys.Root is "" or "/" ? [_keys.Root + "ltx/", _keys.Root + "generations/"] : [_keys.Root];
        foreach (string prefix in prefixes)
        {
            await foreach (BlobPage page in ListPagesAsync(prefix, cancellationToken).ConfigureAwait(false))
            {
                await DeleteBlobsAsync(page.Blobs.Where(blob => !blob.IsFolder).Select(blob => blob.Name), cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private string ContainerUrl => Service.Access.Endpoint + "/" + Uri.EscapeDataString(_options.Container);

    // One path segment, as upstream sends it: nothing on the way can take dots or double slashes out.
    private string BlobUrl(string key) => ContainerUrl + "/" + Uri.EscapeDataString(key);

    private string Location(string key) => $"abs://{_options.Container}/{key}";

    private async IAsyncEnumerable<BlobPage> ListPagesAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string marker = "";
        do
        {
            BlobPage page = await ListPageAsync(prefix, marker, cancellationToken).ConfigureAwait(false);
            yield return page;
            if (page.NextMarker == marker && marker.Length > 0)
            {
                throw new ReplicaException($"list {Location(prefix)}: the server gives the same page again and again", isTransient: false);
            }

            marker = page.NextMarker;
        }
        while (marker.Length > 0);
    }

    private ValueTask<BlobPage> ListPageAsync(string prefix, string marker, CancellationToken cancellationToken)
    {
        string what = $"list {Location(prefix)}";
        string url = $"{ContainerUrl}?restype=container&comp=list&include=metadata&maxresults={BlobPage.MaxBlobs}&prefix={Uri.EscapeDataString(prefix)}"
            + (marker.Length > 0 ? "&marker=" + Uri.EscapeDataString(marker) : "");
        return Service.SendAsync(new AzureRequest(what, "LIST", RequestMethod.Get, url), async (message, token) =>
        {
            RequireStatus(message, what, "LIST", HttpStatusCode.OK);
            Stream body = _transport.WatchBody(message.Response.ContentStream ?? Stream.Null, message, -1, token);
            await using (body.ConfigureAwait(false))
            {
                try
                {
                    BlobPage page = await BlobPage.ReadAsync(body, token).ConfigureAwait(false);
                    return page.Blobs.All(blob => blob.Name.StartsWith(prefix, StringComparison.Ordinal))
                        ? page
                        : throw new ReplicaException($"{what}: the server lists blobs with other prefixes", isTransient: false);
                }
                catch (XmlException e)
                {
                    throw new ReplicaException($"{what}: the answer cannot be read: {e.Message}", isTransient: true, e);
                }
            }
        }, cancellationToken);
    }

    private ValueTask<Stream> OpenBlobAsync(string key, long offset, long size, Func<Exception> missing, CancellationToken cancellationToken)
    {
        string what = $"open {Location(key)}";
        string? range = BodyRange.Header(offset, size);
        var request = new AzureRequest(what, "GET", RequestMethod.Get, BlobUrl(key)) { Headers = range is null ? [] : [("x-ms-range", range)] };
        return Service.SendAsync(request, async (message, _) =>
        {
            // A missing container is not a missing file: a wrong name must not look like "merged away" (backends §1.4).
            if (message.Response.Status == (int)HttpStatusCode.NotFound && AzureErrors.CodeOf(message.Response) == AzureErrors.BlobNotFound)
            {
                throw missing();
            }

            if (BodyRange.Of((HttpStatusCode)message.Response.Status, offset, size) is not { } wanted)
            {
                throw Refused(message, what, "GET");
            }

            if (wanted.IsEmpty)
            {
                return Stream.Null;
            }

            // A proxy may drop the range and send the whole blob: what was not asked for is passed over.
            Stream body = _transport.WatchBody(
                message.Response.ContentStream ?? Stream.Null, message, wanted.Limit < 0 ? -1 : wanted.Skip + wanted.Limit, cancellationToken);
            await SkipAsync(body, wanted.Skip, cancellationToken).ConfigureAwait(false);
            return body;
        }, cancellationToken);
    }

    private static async ValueTask SkipAsync(Stream body, long count, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[(int)Math.Min(count, 64 << 10)];
        while (count > 0 && await body.ReadAsync(buffer.AsMemory(0, (int)Math.Min(count, buffer.Length)), cancellationToken).ConfigureAwait(false) is > 0 and int read)
        {
            count -= read;
        }
    }

    /// <summary>
    /// Times of the files whose metadata does not tell them, from their headers (decision D9); null for a file that has vanished since: as if
    /// listed a moment later. A header that cannot be read is an error: another time could restore the wrong state (trap T4).
    /// </summary>
    private async ValueTask<IReadOnlyDictionary<int, DateTimeOffset?>> ReadTimesAsync(
        List<(LtxFileInfo File, bool Exact)> files, CancellationToken cancellationToken)
    {
        var times = new ConcurrentDictionary<int, DateTimeOffset?>();
        IEnumerable<int> unknown = Enumerable.Range(0, files.Count).Where(i => !files[i].Exact);
        var bound = new ParallelOptions { MaxDegreeOfParallelism = MaxParallel, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(unknown, bound, async (i, token) => times[i] = await ReadTimeAsync(files[i].File, token).ConfigureAwait(false)).ConfigureAwait(false);
        return times;
    }

    private async ValueTask<DateTimeOffset?> ReadTimeAsync(LtxFileInfo file, CancellationToken cancellationToken)
    {
        string location = Location(_keys.File(file.Level, file.MinTxid, file.MaxTxid));
        byte[] header = new byte[LtxFormat.HeaderSize];
        try
        {
            Stream stream = await OpenAsync(file.Level, file.MinTxid, file.MaxTxid, 0, header.Length, cancellationToken).ConfigureAwait(false);
            await using (stream.ConfigureAwait(false))
            {
                int count = await stream.ReadAtLeastAsync(header, header.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
                return DateTimeOffset.FromUnixTimeMilliseconds(LtxHeader.Peek(header.AsSpan(0, count), location).Timestamp);
            }
        }
        catch (LtxFileNotFoundException)
        {
            return null;
        }
        catch (Exception defect) when (defect is LtxException or ArgumentOutOfRangeException)
        {
            throw new ReplicaException($"read the time of {location} from its header: {defect.Message}; remove it, or restore without a time", isTransient: false, defect);
        }
    }

    private async ValueTask DeleteBlobsAsync(IEnumerable<string> keys, CancellationToken cancellationToken)
    {
        var bound = new ParallelOptions { MaxDegreeOfParallelism = MaxParallel, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(keys, bound, DeleteBlobAsync).ConfigureAwait(false);
    }

    private async ValueTask DeleteBlobAsync(string key, CancellationToken cancellationToken)
    {
        string what = $"delete {Location(key)}";
        long began = _transport.Options.Time.GetTimestamp();
        await Service.SendAsync(new AzureRequest(what, "DELETE", RequestMethod.Delete, BlobUrl(key)), (message, _) =>
        {
            if (AzureErrors.CodeOf(message.Response) != AzureErrors.BlobNotFound)
            {
                RequireStatus(message, what, "DELETE", HttpStatusCode.Accepted);
            }

            return ValueTask.FromResult(true);
        }, cancellationToken).ConfigureAwait(false);
        ReplicaMetrics.Took(Type, "DELETE", _transport.Options.Time.GetElapsedTime(began));
    }

    private void RequireStatus(HttpMessage message, string what, string operation, HttpStatusCode status)
    {
        if (message.Response.Status != (int)status)
        {
            throw Refused(message, what, operation);
        }
    }

    private ReplicaException Refused(HttpMessage message, string what, string operation)
    {
        string code = AzureErrors.CodeOf(message.Response);
        ReplicaMetrics.Failed(Type, operation, code.Length > 0 ? code : message.Response.Status.ToString(CultureInfo.InvariantCulture));
        return AzureErrors.Refused(what, message.Response, Service.Access, _options.Container, _transport.Options.Time);
    }
}
