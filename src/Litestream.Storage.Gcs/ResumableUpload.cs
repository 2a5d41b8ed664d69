using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Gcs;

/// <summary>
/// One upload in chunks (backends §4.3). After every failure the store is asked what it has, and the upload goes on there: a broken
/// connection costs at most what was on its way. The address of a session is a secret: who has it may write.
/// </summary>
internal sealed class ResumableUpload
{
    private const int MaxIdleRounds = 10;

    private static readonly TimeSpan AbortTimeout = TimeSpan.FromSeconds(10);

    private readonly GcsApi api;
    private readonly string what;
    private readonly Uri session;
    private bool ended;

    private ResumableUpload(GcsApi api, string what, Uri session) => (this.api, this.what, this.session) = (api, what, session);

    /// <summary>Begins an upload.</summary>
    /// <param name="api">Sends requests.</param>
    /// <param name="what">The upload, for messages.</param>
    /// <param name="target">Name and metadata.</param>
    /// <param name="query">Further parameters: preconditions.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>Null if a precondition fails already.</returns>
    public static ValueTask<ResumableUpload?> BeginAsync(GcsApi api, string what, GcsObject target, string query, CancellationToken cancellationToken)
    {
        byte[] body = JsonSerializer.SerializeToUtf8Bytes(target, GcsJson.Default.GcsObject);
        return api.SendAsync(
            what,
            () =>
            {
                var content = new UploadContent(body);
                content.Headers.ContentType = new MediaTypeHeaderValue("application/json", "utf-8");
                var request = new HttpRequestMessage(HttpMethod.Post, api.Upload("uploadType=resumable" + query)) { Content = content };
                request.Headers.Add("X-Upload-Content-Type", "application/octet-stream");
                return request;
            },
            async (response, token) => response.StatusCode switch
            {
                HttpStatusCode.OK or HttpStatusCode.Created => new ResumableUpload(api, what, SessionOf(what, response)),
                HttpStatusCode.PreconditionFailed => null,
                _ => throw await api.RefusedAsync(what, "PUT", response, token).ConfigureAwait(false),
            },
            cancellationToken);
    }

    /// <summary>Sends one chunk and returns when the store has it.</summary>
    /// <param name="part">The chunk; all but the last are multiples of 256 KiB.</param>
    /// <param name="start">Its first byte in the object.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>After the last chunk: the object, or <see cref="UploadStep.Exists"/>.</returns>
    public async ValueTask<UploadStep> SendAsync(UploadPart part, long start, CancellationToken cancellationToken)
    {
        long end = start + part.Length;
        long from = start;
        for (int idle = 0; idle < MaxIdleRounds;)
        {
            UploadStep step = await SendFromAsync(part, start, from, cancellationToken).ConfigureAwait(false);
            if (step.Stored is not null || step.Exists)
            {
                ended = true;
                return part.IsLast || step.Exists
                    ? step : throw new ReplicaException($"{what}: the store finished the upload after {end} bytes, before its end");
            }

            if (step.Persisted == end && !part.IsLast)
            {
                return step;
            }

            if (step.Persisted < 0)
            {
                throw new ReplicaException($"{what}: the store does not know this upload any more; it must start again");
            }

            if (step.Persisted < start || step.Persisted > end)
            {
                throw new ReplicaException($"{what}: the store says it has {step.Persisted} bytes, but was sent {start} to {end}; the upload must start again");
            }

            idle = step.Persisted > from ? 0 : idle + 1;
            from = step.Persisted;
        }

        throw new ReplicaException($"{what}: the store accepts nothing behind byte {from}; the upload must start again");
    }

    /// <summary>Tells the store to forget an unfinished upload. Should that fail, the store does so by itself after a week.</summary>
    public async ValueTask AbortAsync()
    {
        if (ended)
        {
            return;
        }

        ended = true;
        using var limit = new CancellationTokenSource(AbortTimeout, api.Http.Options.Time);
        try
        {
            // 499 is the answer to a cancelled session.
            await api.Http.SendAsync(
                what, () => new HttpRequestMessage(HttpMethod.Delete, session), (_, _) => ValueTask.FromResult(true), limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ReplicaException or OperationCanceledException)
        {
            // The failure that led here is the one to report.
        }
    }

    private ValueTask<UploadStep> SendFromAsync(UploadPart part, long start, long from, CancellationToken cancellationToken)
    {
        long end = start + part.Length;
        string total = part.IsLast ? end.ToString(CultureInfo.InvariantCulture) : "*";

        // The first attempt sends bytes, unless there are none left to send; every further one asks what has arrived.
        bool asks = from == end;
        return api.Http.SendAsync(
            what,
            () =>
            {
                UploadContent content = asks
                    ? new UploadContent(ReadOnlyMemory<byte>.Empty) : new UploadContent(part, from - start);
                string range = asks
                    ? $"bytes */{total}" : string.Create(CultureInfo.InvariantCulture, $"bytes {from}-{end - 1}/{total}");
                content.Headers.TryAddWithoutValidation("Content-Range", range);
                asks = true;
                return new HttpRequestMessage(HttpMethod.Put, session) { Content = content };
            },
            ReadStepAsync,
            cancellationToken);
    }

    private async ValueTask<UploadStep> ReadStepAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        switch (response.StatusCode)
        {
            case HttpStatusCode.OK or HttpStatusCode.Created:
                GcsObject stored = await GcsApi.ReadJsonAsync(what, response, GcsJson.Default.GcsObject, cancellationToken).ConfigureAwait(false);
                return new UploadStep(stored, 0, Exists: false);
            case HttpStatusCode.PermanentRedirect:
                return new UploadStep(null, PersistedOf(response), Exists: false);
            case HttpStatusCode.PreconditionFailed:
                return new UploadStep(null, 0, Exists: true);
            case HttpStatusCode.NotFound or HttpStatusCode.Gone:
                // Not to be retried within this upload, but a new one may succeed.
                ended = true;
                return new UploadStep(null, -1, Exists: false);
            default:
                throw await api.RefusedAsync(what, "PUT", response, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary><c>Range: bytes=0-n</c> = n + 1 bytes; no header = none yet.</summary>
    private static long PersistedOf(HttpResponseMessage response) =>
        response.Headers.TryGetValues("Range", out IEnumerable<string>? values)
        && RangeHeaderValue.TryParse(string.Join(',', values), out RangeHeaderValue? range)
        && range.Ranges.Count == 1 && range.Ranges.First() is { From: 0, To: { } last }
            ? last + 1 : 0;

    private static Uri SessionOf(string what, HttpResponseMessage response) =>
        response.Headers.Location is { IsAbsoluteUri: true } session
        && (session.Scheme == "https" || (session.Scheme == "http" && response.RequestMessage?.RequestUri?.Scheme == "http"))
            ? session : throw new ReplicaException($"{what}: the store began an upload without a usable address for it");
}

/// <summary>What an upload has reached.</summary>
/// <param name="Stored">The finished object; null while bytes are missing.</param>
/// <param name="Persisted">Bytes that the store has, from the start; below 0 if it does not know the upload any more.</param>
/// <param name="Exists">True: an object of this name was there already.</param>
internal readonly record struct UploadStep(GcsObject? Stored, long Persisted, bool Exists);
