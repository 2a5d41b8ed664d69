using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Litestream.TestKit.Servers;

/// <summary>A request that came to an <see cref="HttpStub"/>.</summary>
public sealed class HttpStubRequest
{
    private readonly FaultProxyHead _head;

    internal HttpStubRequest(FaultProxyHead head, byte[] body) => (_head, Body) = (head, body);

    /// <summary>E.g. <c>PUT</c>.</summary>
    public string Method => _head.Method;

    /// <summary>Path and query as sent.</summary>
    public string Target => _head.Target;

    /// <summary>Path as sent, still escaped.</summary>
    public string Path => Target.Split('?')[0];

    /// <summary>Parameters of the query, unescaped, in the order sent; one without a value has the empty one.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Query =>
    [
        .. Target.Split('?', 2).Skip(1).SelectMany(query => query.Split('&', StringSplitOptions.RemoveEmptyEntries)).Select(parameter => parameter.Split('=', 2)).Select(
            pair => KeyValuePair.Create(Uri.UnescapeDataString(pair[0]), pair.Length > 1 ? Uri.UnescapeDataString(pair[1]) : "")),
    ];

    /// <summary>All headers as sent.</summary>
    public IReadOnlyList<(string Name, string Value)> Headers => _head.Headers;

    /// <summary>Content.</summary>
    public byte[] Body { get; }

    /// <summary>A header; null if it was not sent.</summary>
    public string? Header(string name) => _head.Header(name);

    /// <summary>A parameter of the query; null if it was not sent.</summary>
    public string? Parameter(string name) => Query.Where(pair => pair.Key == name).Select(pair => pair.Value).FirstOrDefault();
}

/// <summary>What an <see cref="HttpStub"/> answers.</summary>
/// <param name="Status">E.g. 200.</param>
/// <param name="Body">Content; for HEAD only its length is sent.</param>
/// <param name="Headers">Headers besides <c>Content-Length</c>.</param>
/// <param name="Chunked">True: the content travels in chunks.</param>
public sealed record HttpStubResponse(int Status, ReadOnlyMemory<byte> Body = default, IReadOnlyList<(string Name, string Value)>? Headers = null, bool Chunked = false)
{
    /// <summary>An answer with text.</summary>
    public static HttpStubResponse Text(int status, string text, params (string Name, string Value)[] headers) =>
        new(status, Encoding.UTF8.GetBytes(text), headers);
}

/// <summary>A minimal HTTP/1.1 server on 127.0.0.1 for servers that exist only in a test. Handlers run side by side.</summary>
public sealed class HttpStub : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentQueue<HttpStubRequest> _requests = new();
    private readonly Func<HttpStubRequest, HttpStubResponse> _answer;
    private readonly Task _listening;

    /// <summary>Starts the server.</summary>
    /// <param name="answer">Answers a request.</param>
    public HttpStub(Func<HttpStubRequest, HttpStubResponse> answer)
    {
        _answer = answer;
        _listener.Start();
        _listening = ListenAsync();
    }

    /// <summary>Port on 127.0.0.1.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>The requests so far.</summary>
    public IReadOnlyList<HttpStubRequest> Requests => [.. _requests];

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _listening;
        _listener.Dispose();
        _stop.Dispose();
    }

    private async Task ListenAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptSocketAsync(_stop.Token);
                socket.NoDelay = true;
                connections.RemoveAll(task => task.IsCompleted);
                connections.Add(Task.Run(() => ServeAsync(socket)));
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using var wire = new FaultProxyWire(socket, 0);
        try
        {
            while (await wire.ReadHeadAsync(_stop.Token) is { } head)
            {
                if (head.ExpectsContinue)
                {
                    await wire.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), _stop.Token);
                }

                byte[] body = await wire.ReadBodyAsync(head.RequestBody, _stop.Token);
                var request = new HttpStubRequest(head, head.IsChunked ? FaultProxyWire.Unchunk(body) : body);
                _requests.Enqueue(request);
                await wire.WriteAsync(Format(_answer(request), head.Method), _stop.Token);
                if (head.Closes)
                {
                    return;
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException or InvalidDataException)
        {
            // The client has broken off, or the test is over.
        }
    }

    private static byte[] Format(HttpStubResponse response, string method)
    {
        StringBuilder head = new StringBuilder().Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {response.Status} {(HttpStatusCode)response.Status}\r\n");
        foreach ((string name, string value) in response.Headers ?? [])
        {
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        }

        if (response.Chunked)
        {
            string start = $"{head}Transfer-Encoding: chunked\r\n\r\n";
            int half = response.Body.Length / 2;
            byte[] first = half == 0 ? [] : [.. Encoding.ASCII.GetBytes($"{half:x}\r\n"), .. response.Body.Span[..half], .. "\r\n"u8];
            return
            [
                .. Encoding.Latin1.GetBytes(start), .. first,
                .. Encoding.ASCII.GetBytes($"{response.Body.Length - half:x}\r\n"), .. response.Body.Span[half..], .. "\r\n0\r\n\r\n"u8,
            ];
        }

        if (response.Status != 204)
        {
            head.Append(CultureInfo.InvariantCulture, $"Content-Length: {response.Body.Length}\r\n");
        }

        byte[] bytes = Encoding.Latin1.GetBytes($"{head}\r\n");
        return method == "HEAD" ? bytes : [.. bytes, .. response.Body.Span];
    }
}
