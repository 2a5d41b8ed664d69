using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Litestream.TestKit.Servers;

namespace Litestream.Backends.Tests.Gcs;

/// <summary>
/// An HTTP server between a client and a real server, or in the place of one: it writes down every request, and a test answers, changes or
/// breaks those it wants.
/// </summary>
internal sealed class Interposer : IAsyncDisposable
{
    private readonly TcpListener _listener;
    private readonly HttpClient _forward = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false });
    private readonly Func<Exchange, Task<bool>> _handle;
    private readonly Task _loop;
    private readonly ConcurrentQueue<Exchange> _requests = new();
    private readonly ConcurrentBag<TcpClient> _clients = [];

    /// <summary>Starts listening.</summary>
    /// <param name="target">Root URL of the server behind; empty if there is none.</param>
    /// <param name="handle">Called with each request; true if it has been answered, false to pass it on unchanged.</param>
    public Interposer(string target, Func<Exchange, Task<bool>>? handle = null)
    {
        Target = target;
        _handle = handle ?? (_ => Task.FromResult(false));
        int port = FreePorts.Take(1);
        Url = $"http://127.0.0.1:{port}";
        _listener = new TcpListener(IPAddress.Loopback, port);
        _listener.Start();
        _loop = Task.Run(LoopAsync);
    }

    /// <summary>Root URL of this server.</summary>
    public string Url { get; }

    /// <summary>Root URL of the server behind.</summary>
    public string Target { get; }

    /// <summary>Requests so far, in order of arrival.</summary>
    public IReadOnlyList<Exchange> Requests => [.. _requests];

    /// <summary>What failed in here; a test that ends well has none.</summary>
    public ConcurrentQueue<Exception> Failures { get; } = new();

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _loop;
        foreach (TcpClient client in _clients)
        {
            client.Dispose();
        }

        _forward.Dispose();
    }

    internal async Task<HttpResponseMessage> SendAsync(Exchange exchange, byte[] body, IReadOnlyDictionary<string, string> changed)
    {
        using var request = new HttpRequestMessage(
            new HttpMethod(exchange.Method),
            new Uri(Target + exchange.Target, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        if (body.Length > 0 || exchange.Headers.ContainsKey("Content-Length"))
        {
            request.Content = new ByteArrayContent(body);
        }

        foreach ((string name, string value) in exchange.Headers)
        {
            string sent = changed.GetValueOrDefault(name, value);

            // MOVE within the server behind, which must then also be named by Host; otherwise Host stays, since answers may repeat it.
            if (exchange.Headers.ContainsKey("Destination"))
            {
                if (name == "Host")
                {
                    continue;
                }

                sent = sent.Replace(Url, Target, StringComparison.Ordinal);
            }

            if (sent.Length == 0)
            {
                continue;
            }

            if (name is not ("Content-Length" or "Connection" or "Expect" or "Keep-Alive") && !request.Headers.TryAddWithoutValidation(name, sent))
            {
                request.Content?.Headers.TryAddWithoutValidation(name, sent);
            }
        }

        return await _forward.SendAsync(request);
    }

    private async Task LoopAsync()
    {
        while (true)
        {
            TcpClient client;
            try
            {
                client = await _listener.AcceptTcpClientAsync();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
            {
                return;
            }

            client.NoDelay = true;
            _clients.Add(client);
            _ = Task.Run(() => ServeAsync(client));
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        try
        {
            using var input = new BufferedStream(client.GetStream(), 64 << 10);
            while (await ReadAsync(input, client) is { } exchange)
            {
                _requests.Enqueue(exchange);
                if (!await _handle(exchange))
                {
                    await exchange.ForwardAsync();
                }

                if (exchange.IsDropped)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The client went away, or was sent away: that is what such a test wants.
        }
        catch (Exception e)
        {
            Failures.Enqueue(e);
        }

        client.Dispose();
    }

    private async Task<Exchange?> ReadAsync(Stream input, TcpClient client)
    {
        var lines = new List<string>();
        var line = new StringBuilder();
        byte[] one = new byte[1];
        while (true)
        {
            if (await input.ReadAsync(one) == 0)
            {
                return null;
            }

            if (one[0] != (byte)'\n')
            {
                line.Append((char)one[0]);
                continue;
            }

            string text = line.ToString().TrimEnd('\r');
            line.Clear();
            if (text.Length > 0)
            {
                lines.Add(text);
            }
            else if (lines.Count > 0)
            {
                break;
            }
        }

        string[] first = lines[0].Split(' ');
        Dictionary<string, string> headers = new(StringComparer.OrdinalIgnoreCase);
        foreach (string[] pair in lines.Skip(1).Select(text => text.Split(':', 2)))
        {
            headers[pair[0]] = pair[1].Trim();
        }

        byte[] body = new byte[int.Parse(headers.GetValueOrDefault("Content-Length", "0"), CultureInfo.InvariantCulture)];
        await input.ReadExactlyAsync(body);
        return new Exchange(this, client, first[0], first[1], headers, body);
    }
}

/// <summary>One request on its way.</summary>
internal sealed class Exchange
{
    private readonly Interposer _server;
    private readonly TcpClient _client;

    public Exchange(Interposer server, TcpClient client, string method, string target, Dictionary<string, string> headers, byte[] body) =>
        (_server, _client, Method, Target, Headers, Body) = (server, client, method, target, headers, body);

    public string Method { get; }

    public string Target { get; }

    public Dictionary<string, string> Headers { get; }

    public byte[] Body { get; }

    /// <summary>Status that the client got; 0 if the connection was broken.</summary>
    public int Status { get; private set; }

    /// <summary>True if the connection was broken on purpose.</summary>
    public bool IsDropped { get; private set; }

    public string Text => Encoding.UTF8.GetString(Body);

    public override string ToString() => $"{Method} {Target} {Headers.GetValueOrDefault("Content-Range")}{Headers.GetValueOrDefault("Range")} -> {Status}";

    /// <summary>Passes the request on and the answer back.</summary>
    /// <param name="body">Another body.</param>
    /// <param name="headers">Headers with another value.</param>
    /// <param name="cut">Breaks the connection after so many bytes of the answer; below 0 = not.</param>
    /// <param name="edit">Changes the text of the answer.</param>
    public async Task ForwardAsync(byte[]? body = null, IReadOnlyDictionary<string, string>? headers = null, int cut = -1, Func<string, string>? edit = null)
    {
        using HttpResponseMessage answer = await _server.SendAsync(this, body ?? Body, headers ?? new Dictionary<string, string>());
        byte[] content = await answer.Content.ReadAsByteArrayAsync();
        content = edit is null ? content : Encoding.UTF8.GetBytes(edit(Encoding.UTF8.GetString(content)));
        IEnumerable<(string, string)> passed = answer.Headers.Concat(answer.Content.Headers)
            .Where(header => header.Key is not ("Content-Length" or "Connection" or "Keep-Alive" or "Transfer-Encoding"))
            .SelectMany(header => header.Value.Select(value => (header.Key, value)));
        await AnswerAsync((int)answer.StatusCode, passed, content, cut);
    }

    /// <summary>Lets the server do the request and breaks the connection instead of answering.</summary>
    public async Task LoseAnswerAsync(byte[]? body = null, IReadOnlyDictionary<string, string>? headers = null)
    {
        using HttpResponseMessage answer = await _server.SendAsync(this, body ?? Body, headers ?? new Dictionary<string, string>());
        Drop();
    }

    /// <summary>Answers in the place of the server.</summary>
    public Task RespondAsync(int status, string text = "", params (string Name, string Value)[] headers) =>
        AnswerAsync(status, headers, Encoding.UTF8.GetBytes(text), -1);

    /// <summary>Breaks the connection.</summary>
    public void Drop()
    {
        Status = 0;
        IsDropped = true;
        _client.LingerState = new LingerOption(true, 0);
        _client.Close();
    }

    private async Task AnswerAsync(int status, IEnumerable<(string Name, string Value)> headers, byte[] content, int cut)
    {
        Status = status;
        var head = new StringBuilder($"HTTP/1.1 {status} Status\r\n");
        foreach ((string name, string value) in headers)
        {
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        }

        head.Append(CultureInfo.InvariantCulture, $"{(status == 204 ? "" : $"Content-Length: {content.Length}\r\n")}\r\n");
        byte[] answer = [.. Encoding.UTF8.GetBytes(head.ToString()), .. Method == "HEAD" ? [] : cut < 0 ? content : content.AsSpan(0, Math.Min(cut, content.Length))];
        NetworkStream stream = _client.GetStream();
        await stream.WriteAsync(answer);
        if (cut >= 0)
        {
            // In order, so that what was sent arrives before the end.
            _client.Client.Shutdown(SocketShutdown.Send);
            throw new IOException("cut");
        }
    }
}
