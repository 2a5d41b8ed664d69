using System.Net;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Azure;

/// <summary>
/// Lets the Azure libraries send over the connections that all backends share, and gives a request up when no byte moves for the idle
/// time-out. How long a request takes as a whole is not limited.
/// </summary>
internal sealed class SharedConnections(StorageTransport transport) : HttpMessageHandler
{
    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        TransportOptions options = transport.Options;
        using var idle = new CancellationTokenSource(Timeout.InfiniteTimeSpan, options.Time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(idle.Token, cancellationToken);
        WatchedContent? content = request.Content is { } body ? new WatchedContent(body, () => idle.CancelAfter(options.IdleTimeout)) : null;
        request.Content = content;

        // Until the connection stands its own limit holds; the connections watch over that.
        idle.CancelAfter(options.IdleTimeout + options.ConnectTimeout);
        try
        {
            return await transport.GetInvoker(HttpTrust.System).SendAsync(request, linked.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (idle.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ReplicaException($"no byte for {options.IdleTimeout.TotalSeconds:0.###} s", isTransient: true, e);
        }
        finally
        {
            content?.StopWatching();
            idle.CancelAfter(Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Body of a request that reports each slice which the connection has taken.</summary>
    private sealed class WatchedContent : HttpContent
    {
        private readonly Lock gate = new();
        private readonly HttpContent inner;
        private Action? progress;

        internal WatchedContent(HttpContent inner, Action progress)
        {
            (this.inner, this.progress) = (inner, progress);
            foreach ((string name, IEnumerable<string> values) in inner.Headers)
            {
                Headers.TryAddWithoutValidation(name, values);
            }
        }

        /// <summary>An answer may come while the body is still being sent; nobody waits for it then.</summary>
        internal void StopWatching()
        {
            lock (gate)
            {
                progress = null;
            }
        }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken) =>
            inner.CopyToAsync(new SlicingStream(stream, Report), context, cancellationToken);

        protected override bool TryComputeLength(out long length)
        {
            length = inner.Headers.ContentLength ?? 0;
            return inner.Headers.ContentLength is not null;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }

        private void Report()
        {
            lock (gate)
            {
                progress?.Invoke();
            }
        }
    }
}
