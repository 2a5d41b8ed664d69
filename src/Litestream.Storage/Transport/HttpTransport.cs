using System.Globalization;
using System.Net;
using System.Net.Http.Headers;

namespace Litestream.Storage.Transport;

/// <summary>
/// Sends HTTP requests of one backend: retried, paced, and given up where no byte moves for the idle time-out. There is no limit
/// on a whole request: a large upload over a slow line is not an error (trap T30).
/// </summary>
public sealed class HttpTransport
{
    private readonly StorageTransport shared;
    private readonly HttpMessageInvoker invoker;
    private readonly RetryPolicy retry;

    internal HttpTransport(StorageTransport shared, HttpMessageInvoker invoker, RetryPolicy retry) =>
        (this.shared, this.invoker, this.retry) = (shared, invoker, retry);

    /// <summary>Limits, clock and log.</summary>
    public TransportOptions Options => shared.Options;

    /// <summary>Sends a request and reads its answer, again from the start after a transient failure.</summary>
    /// <param name="what">The request and its object, for messages; no secrets.</param>
    /// <param name="create">Makes the request; called for each attempt, since a signature carries the time. Bodies: <see cref="UploadContent"/>.</param>
    /// <param name="read">
    /// Judges the answer: returns the result, or throws a <see cref="ReplicaException"/> that says whether to try again. The response is
    /// disposed afterwards.
    /// </param>
    /// <param name="cancellationToken">Ends attempts and waits.</param>
    /// <exception cref="ReplicaException">It failed.</exception>
    public ValueTask<T> SendAsync<T>(
        string what, Func<CancellationToken, ValueTask<HttpRequestMessage>> create, Func<HttpResponseMessage, CancellationToken, ValueTask<T>> read,
        CancellationToken cancellationToken) =>
        retry.ExecuteAsync(what, token => AttemptAsync(what, create, read, token), cancellationToken);

    /// <inheritdoc cref="SendAsync{T}(string, Func{CancellationToken, ValueTask{HttpRequestMessage}}, Func{HttpResponseMessage, CancellationToken, ValueTask{T}}, CancellationToken)"/>
    public ValueTask<T> SendAsync<T>(
        string what, Func<HttpRequestMessage> create, Func<HttpResponseMessage, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken) =>
        SendAsync(what, _ => ValueTask.FromResult(create()), read, cancellationToken);

    /// <summary>Sends a request whose answer is read later, as a stream that fails, as a transient error, when no byte comes for the idle time-out.</summary>
    /// <param name="what">The request and its object, for messages; no secrets.</param>
    /// <param name="create">Makes the request; called for each attempt.</param>
    /// <param name="judge">Says which bytes of the body are wanted (see <see cref="BodyRange.Of"/>), or throws a <see cref="ReplicaException"/>.</param>
    /// <param name="cancellationToken">Ends attempts, waits, and later reads of the stream.</param>
    /// <exception cref="ReplicaException">It failed.</exception>
    public ValueTask<Stream> OpenAsync(
        string what, Func<CancellationToken, ValueTask<HttpRequestMessage>> create, Func<HttpResponseMessage, CancellationToken, ValueTask<BodyRange>> judge,
        CancellationToken cancellationToken) =>
        retry.ExecuteAsync(what, token => OpenOnceAsync(what, create, judge, token, cancellationToken), cancellationToken);

    /// <summary>
    /// Sends a request and reads its answer as a stream of any length, watched for stalls only; again from the start after a transient failure,
    /// also one in the middle of the answer.
    /// </summary>
    /// <param name="what">The request and its object, for messages; no secrets.</param>
    /// <param name="create">Makes the request; called for each attempt.</param>
    /// <param name="judge">Says which bytes of the body are wanted, or throws a <see cref="ReplicaException"/>.</param>
    /// <param name="read">Reads the bytes; may be called again.</param>
    /// <param name="cancellationToken">Ends attempts, waits and reads.</param>
    /// <exception cref="ReplicaException">It failed.</exception>
    public ValueTask<T> ReadAsync<T>(
        string what, Func<CancellationToken, ValueTask<HttpRequestMessage>> create, Func<HttpResponseMessage, CancellationToken, ValueTask<BodyRange>> judge,
        Func<Stream, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken) =>
        retry.ExecuteAsync(
            what,
            async token =>
            {
                Stream stream = await OpenOnceAsync(what, create, judge, token, token).ConfigureAwait(false);
                await using (stream.ConfigureAwait(false))
                {
                    return await read(stream, token).ConfigureAwait(false);
                }
            },
            cancellationToken);

    /// <summary>How long an answer asks to wait (<c>Retry-After</c> in seconds or as a date); null if it does not say.</summary>
    public TimeSpan? GetRetryAfter(HttpResponseMessage response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return response.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } when date > Options.Time.GetUtcNow() => date - Options.Time.GetUtcNow(),
            _ => null,
        };
    }

    /// <summary>Whether a status is worth another attempt: 408, 429, 500, 502, 503, 504 (backends §2).</summary>
    public static bool IsTransient(HttpStatusCode status) =>
        status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or HttpStatusCode.InternalServerError
            or HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable or HttpStatusCode.GatewayTimeout;

    /// <summary>The exception for a refused request: throttling, transient or permanent by its status.</summary>
    /// <param name="what">The request and its object.</param>
    /// <param name="response">The answer.</param>
    /// <param name="detail">What the server says; may be empty.</param>
    public ReplicaException Refused(string what, HttpResponseMessage response, string detail)
    {
        ArgumentNullException.ThrowIfNull(response);
        string message = string.Create(
            CultureInfo.InvariantCulture, $"{what}: the server answers {(int)response.StatusCode} {response.ReasonPhrase}{(detail.Length > 0 ? ": " : "")}{detail}");
        return response.StatusCode is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable
            ? new ThrottledException(message, GetRetryAfter(response))
            : new ReplicaException(message, IsTransient(response.StatusCode));
    }

    /// <summary>At most 64 KiB of an answer's body as text: error documents, small results.</summary>
    public static async ValueTask<string> ReadTextAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(response);
        const int limit = 64 << 10;
        byte[] bytes = new byte[limit];
        Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        int count = await body.ReadAtLeastAsync(bytes, limit, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        return System.Text.Encoding.UTF8.GetString(bytes, 0, count);
    }

    private ValueTask<Stream> OpenOnceAsync(
        string what, Func<CancellationToken, ValueTask<HttpRequestMessage>> create, Func<HttpResponseMessage, CancellationToken, ValueTask<BodyRange>> judge,
        CancellationToken token, CancellationToken caller) =>
        AttemptAsync(
            what,
            create,
            async (response, attempt) =>
            {
                BodyRange range = await judge(response, attempt).ConfigureAwait(false);
                if (range.IsEmpty)
                {
                    return Stream.Null;
                }

                Stream body = await response.Content.ReadAsStreamAsync(attempt).ConfigureAwait(false);
                return (Stream)new ResponseStream(body, response, range, Options.IdleTimeout, Options.Time, caller);
            },
            token);

    private async ValueTask<T> AttemptAsync<T>(
        string what, Func<CancellationToken, ValueTask<HttpRequestMessage>> create, Func<HttpResponseMessage, CancellationToken, ValueTask<T>> read,
        CancellationToken cancellationToken)
    {
        using var idle = new CancellationTokenSource(Timeout.InfiniteTimeSpan, Options.Time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(idle.Token, cancellationToken);
        HttpRequestMessage request = await create(linked.Token).ConfigureAwait(false);
        HttpResponseMessage? response = null;
        bool handedOver = false;
        try
        {
            if (request.Headers.UserAgent.Count == 0)
            {
                request.Headers.UserAgent.Add(ProductInfoHeaderValue.Parse(StorageTransport.UserAgent));
            }

            if (request.Content is UploadContent upload)
            {
                upload.Progress = () => idle.CancelAfter(Options.IdleTimeout);
            }

            // Until the connection stands its own limit holds; the handler watches over that.
            idle.CancelAfter(Options.IdleTimeout + Options.ConnectTimeout);
            response = await invoker.SendAsync(request, linked.Token).ConfigureAwait(false);
            idle.CancelAfter(Options.IdleTimeout);
            T result = await read(response, linked.Token).ConfigureAwait(false);
            handedOver = result is ResponseStream;
            return result;
        }
        catch (OperationCanceledException e) when (idle.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ReplicaException($"{what}: no byte for {Options.IdleTimeout.TotalSeconds:0.###} s", isTransient: true, e);
        }
        finally
        {
            idle.CancelAfter(Timeout.InfiniteTimeSpan);
            if (!handedOver)
            {
                response?.Dispose();
                request.Dispose();
            }
        }
    }
}
