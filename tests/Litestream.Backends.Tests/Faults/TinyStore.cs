using System.Collections.Concurrent;
using System.Text;
using Litestream.TestKit.Servers;

namespace Litestream.Backends.Tests.Faults;

/// <summary>The simplest store there is: PUT, GET, HEAD, DELETE, a list in chunks, and a POST that completes.</summary>
internal sealed class TinyStore : IAsyncDisposable
{
    private readonly HttpStub _stub;

    public TinyStore() => _stub = new HttpStub(Answer);

    public ConcurrentDictionary<string, byte[]> Objects { get; } = new();

    public int Port => _stub.Port;

    public IReadOnlyList<HttpStubRequest> Requests => _stub.Requests;

    public ValueTask DisposeAsync() => _stub.DisposeAsync();

    private HttpStubResponse Answer(HttpStubRequest request)
    {
        switch (request.Method)
        {
            case "PUT":
                Objects[request.Path] = request.Body;
                return new HttpStubResponse(200, Headers: [("ETag", "\"e\"")]);

            case "DELETE":
                return new HttpStubResponse(Objects.TryRemove(request.Path, out _) ? 204 : 404);

            case "POST":
                Objects[request.Path] = request.Body;
                return HttpStubResponse.Text(200, "<CompleteMultipartUploadResult/>");

            case var _ when request.Parameter("list-type") is not null:
                string keys = string.Concat(Objects.Keys.Order().Select(key => $"<Key>{key}</Key>"));
                return new HttpStubResponse(200, Encoding.UTF8.GetBytes($"<List>{keys}</List>"), Chunked: true);

            default:
                return Objects.TryGetValue(request.Path, out byte[]? content) ? new HttpStubResponse(200, content) : new HttpStubResponse(404);
        }
    }
}
