using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Litestream.TestKit.Servers;

namespace Litestream.Backends.Tests.Gcs;

/// <summary>
/// An HTTP server between a client and a real server, or in the place of one: it writes down every request, and a test answers, changes or
/// breaks those it wants.
/// </summary>
internal sealed class Interposer : IAsyncDisposable
{
    private readonly HttpListener _listener = new();
    private readonly HttpClient _forward = new(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false });
    private readonly Func<Exchange, Task<bool>> _handle;
    private readonly Task _loop;
    private readonly ConcurrentQueue<Exchange> _requests = new();

    /// <summary>Starts listening.</summary>
    /// <param name="target">Root URL of the server behind; empty if there is none.</param>
    /// <param name="handle">Called with each request; true if it has been answered, false to pass it on unchanged.</param>
    public Interposer(string target, Func<Exchange, Task<bool>>? handle = null)
    {
        Target = target;
        _handle = handle ?? (_ => Task.FromResult(false));
        int port = FreePorts.Take(1);
        Url = $"http://127.0.0.1:{port}";
        _listener.Prefixes.Add(Url + "/");
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
        _listener.Close();
        await _loop;
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
            if (name is not ("Content-Length" or "Connection" or "Expect" or "Keep-Alive") && !request.Headers.TryAddWithoutValidation(name, sent))
            {
                request.Content?.Headers.TryAddWithoutValidation(name, sent);
            }
        }

        return await _forward.SendAsync(request);
    }

    private async Task LoopAsync()
    {
        while (_listener.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                return;
            }

            _ = Task.Run(() => AnswerAsync(context));
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        try
        {
            using var body = new MemoryStream();
            await context.Request.InputStream.CopyToAsync(body);
            var exchange = new Exchange(this, context, body.ToArray());
            _requests.Enqueue(exchange);
            if (!await _handle(exchange))
            {
                await exchange.ForwardAsync();
            }
        }
        catch (Exception e) when (e is HttpListenerException or IOException or ObjectDisposedException)
        {
            // The client went away: that is what such a test wants.
            context.Response.Abort();
        }
        catch (Exception e)
        {
            Failures.Enqueue(e);
            context.Response.Abort();
        }
    }
}

/// <summary>One request on its way.</summary>
internal sealed class Exchange
{
    private readonly Interposer _server;
    private readonly HttpListenerContext _context;

    public Exchange(Interposer server, HttpListenerContext context, byte[] body)
    {
        (_server, _context, Body) = (server, context, body);
        Method = context.Request.HttpMethod;
        Target = context.Request.RawUrl ?? "";
        foreach (string? name in context.Request.Headers.AllKeys)
        {
            Headers[name!] = context.Request.Headers[name] ?? "";
        }
    }

    public string Method { get; }

    public string Target { get; }

    public Dictionary<string, string> Headers { get; } = new(StringComparer.OrdinalIgnoreCase);

    public byte[] Body { get; }

    /// <summary>Status that the client got; 0 if the connection was broken.</summary>
    public int Status { get; private set; }

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
        Status = (int)answer.StatusCode;
        _context.Response.StatusCode = Status;
        foreach ((string name, IEnumerable<string> values) in answer.Headers.Concat(answer.Content.Headers))
        {
            if (name is not ("Content-Length" or "Connection" or "Keep-Alive" or "Date" or "Server" or "Transfer-Encoding"))
            {
                foreach (string value in values)
                {
                    _context.Response.Headers.Add(name, value);
                }
            }
        }

        _context.Response.ContentLength64 = content.Length;
        if (cut >= 0)
        {
            await _context.Response.OutputStream.WriteAsync(content.AsMemory(0, Math.Min(cut, content.Length)));
            await _context.Response.OutputStream.FlushAsync();
            Drop();
            return;
        }

        if (Method != "HEAD")
        {
            await _context.Response.OutputStream.WriteAsync(content);
        }

        _context.Response.Close();
    }

    /// <summary>Lets the server do the request and breaks the connection instead of answering.</summary>
    public async Task LoseAnswerAsync(byte[]? body = null, IReadOnlyDictionary<string, string>? headers = null)
    {
        using HttpResponseMessage answer = await _server.SendAsync(this, body ?? Body, headers ?? new Dictionary<string, string>());
        Drop();
    }

    /// <summary>Answers in the place of the server.</summary>
    public async Task RespondAsync(int status, string text = "", params (string Name, string Value)[] headers)
    {
        Status = status;
        _context.Response.StatusCode = status;
        foreach ((string name, string value) in headers)
        {
            _context.Response.Headers.Add(name, value);
        }

        byte[] content = Encoding.UTF8.GetBytes(text);
        _context.Response.ContentLength64 = content.Length;
        await _context.Response.OutputStream.WriteAsync(content);
        _context.Response.Close();
    }

    /// <summary>Breaks the connection.</summary>
    public void Drop()
    {
        Status = 0;
        _context.Response.Abort();
    }
}
