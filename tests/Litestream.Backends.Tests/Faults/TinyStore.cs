using System.Collections.Concurrent;
using System.Text;
using Litestream.TestKit.Servers;

namespace Litestream.Backends.Tests.Faults;

/// <summary>The simplest store there is: PUT, GET, HEAD, DELETE, a list in chunks, and a POST that completes.</summary>
internal sealed class TinyStore : IAsyncDisposable
{
    private readonly RecordingHttpServer _server;

    public TinyStore() => _server = new RecordingHttpServer(Answer);

    public ConcurrentDictionary<string, byte[]> Objects { get; } = new();

    public int Port => _server.Port;

    public IReadOnlyList<RecordedRequest> Requests => _server.Requests;

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private CannedAnswer Answer(RecordedRequest request)
    {
        switch (request.Method)
        {
            case "PUT":
                Objects[request.Path] = request.Body;
                return new CannedAnswer(200, Headers: [("ETag", "\"e\"")]);

            case "DELETE":
                return new CannedAnswer(Objects.TryRemove(request.Path, out _) ? 204 : 404);

            case "POST":
                Objects[request.Path] = request.Body;
                return CannedAnswer.Text(200, "<CompleteMultipartUploadResult/>");

            case var _ when request.Query.Contains("list-type", StringComparison.Ordinal):
                string list = $"<List>{string.Concat(Objects.Keys.Order().Select(key => $"<Key>{key}</Key>"))}</List>";
                string chunks = $"5\r\n{list[..5]}\r\n{list.Length - 5:x};extension\r\n{list[5..]}\r\n0\r\n\r\n";
                return new CannedAnswer(200, Encoding.UTF8.GetBytes(chunks), [("Transfer-Encoding", "chunked")]);

            default:
                return Objects.TryGetValue(request.Path, out byte[]? content) ? new CannedAnswer(200, content) : new CannedAnswer(404);
        }
    }
}
