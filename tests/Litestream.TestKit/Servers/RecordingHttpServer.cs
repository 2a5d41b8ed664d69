using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Litestream.TestKit.Servers;

/// <summary>A request exactly as it came over the wire.</summary>
/// <param name="Method">Method.</param>
/// <param name="Target">Path and query, not decoded.</param>
/// <param name="Headers">Headers in order, names as sent.</param>
/// <param name="Body">Body, chunks joined.</param>
public sealed record RecordedRequest(string Method, string Target, IReadOnlyList<(string Name, string Value)> Headers, byte[] Body)
{
    /// <summary>Path without query, not decoded.</summary>
    public string Path => Target.Split('?')[0];

    /// <summary>Query without its question mark, not decoded; may be empty.</summary>
    public string Query => Target.Contains('?', StringComparison.Ordinal) ? Target[(Target.IndexOf('?', StringComparison.Ordinal) + 1)..] : "";

    /// <summary>Value of a header; null if it was not sent.</summary>
    public string? this[string header] => Headers.FirstOrDefault(h => h.Name.Equals(header, StringComparison.OrdinalIgnoreCase)).Value;

    /// <summary>Body as text.</summary>
    public string Text => Encoding.UTF8.GetString(Body);

    /// <inheritdoc/>
    public override string ToString() => $"{Method} {Target} {Body.Length}B";
}

/// <summary>What the server answers.</summary>
/// <param name="Status">Status code; 0 = no answer, the connection is closed.</param>
/// <param name="Body">Body.</param>
/// <param name="Headers">Headers; <c>Content-Length</c> is added unless it or <c>Transfer-Encoding</c> is among them: then the body must be framed so.</param>
/// <param name="SendOnly">Bytes of the body to send before the connection is closed; negative = all.</param>
public sealed record CannedAnswer(int Status, byte[]? Body = null, IReadOnlyList<(string Name, string Value)>? Headers = null, int SendOnly = -1)
{
    /// <summary>No answer: the connection is closed, as if the request's answer were lost.</summary>
    public static CannedAnswer Lost { get; } = new(0);

    /// <summary>An answer with a text body.</summary>
    public static CannedAnswer Text(int status, string body, params (string Name, string Value)[] headers) => new(status, Encoding.UTF8.GetBytes(body), headers);
}

/// <summary>
/// An HTTP server on the loopback interface that writes down every request as it came, byte for byte, and answers as the test says:
/// for what real servers do not show (headers) or do not do on demand (faults).
/// </summary>
public sealed class RecordingHttpServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<RecordedRequest, Task<CannedAnswer>> _answer;
    private readonly Lock _gate = new();
    private readonly List<RecordedRequest> _requests = [];
    private readonly Task _accepting;
    private int _running;
    private int _mostRunning;

    /// <summary>Starts the server on a free port.</summary>
    public RecordingHttpServer(Func<RecordedRequest, CannedAnswer> answer)
        : this(request => Task.FromResult(answer(request)))
    {
    }

    /// <summary>Starts the server on a free port; answers may wait.</summary>
    public RecordingHttpServer(Func<RecordedRequest, Task<CannedAnswer>> answer)
    {
        _answer = answer;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>Port on 127.0.0.1.</summary>
    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>All requests so far, in order of arrival.</summary>
    public IReadOnlyList<RecordedRequest> Requests
    {
        get
        {
            lock (_gate)
            {
                return [.. _requests];
            }
        }
    }

    /// <summary>Most requests that were being answered at the same time.</summary>
    public int MostAtOnce => Volatile.Read(ref _mostRunning);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                Socket socket = await _listener.AcceptSocketAsync(_stop.Token);
                connections.Add(Task.Run(() => ServeAsync(socket)));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using (socket)
        {
            await using var stream = new BufferedStream(new NetworkStream(socket));
            try
            {
                while (await ReadRequestAsync(stream) is { } request)
                {
                    lock (_gate)
                    {
                        _requests.Add(request);
                        _mostRunning = Math.Max(_mostRunning, ++_running);
                    }

                    CannedAnswer answer;
                    try
                    {
                        answer = await _answer(request).WaitAsync(_stop.Token);
                    }
                    finally
                    {
                        lock (_gate)
                        {
                            _running--;
                        }
                    }

                    if (!await SendAsync(stream, request.Method, answer))
                    {
                        return;
                    }
                }
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
            {
                // The client has gone, or the server ends.
            }
        }
    }

    private async Task<RecordedRequest?> ReadRequestAsync(Stream stream)
    {
        string? start = await ReadLineAsync(stream);
        if (string.IsNullOrEmpty(start))
        {
            return null;
        }

        string[] words = start.Split(' ');
        var headers = new List<(string Name, string Value)>();
        for (string? line = await ReadLineAsync(stream); !string.IsNullOrEmpty(line); line = await ReadLineAsync(stream))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            headers.Add((line[..colon], line[(colon + 1)..].Trim()));
        }

        var head = new RecordedRequest(words[0], words[1], headers, []);
        if (head["Expect"] is not null)
        {
            await stream.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), _stop.Token);
            await stream.FlushAsync(_stop.Token);
        }

        using var body = new MemoryStream();
        if (head["Transfer-Encoding"] is not null)
        {
            for (int size = await ReadChunkSizeAsync(stream); ; size = await ReadChunkSizeAsync(stream))
            {
                await CopyAsync(stream, body, size);
                await ReadLineAsync(stream);
                if (size == 0)
                {
                    break;
                }
            }
        }
        else
        {
            await CopyAsync(stream, body, int.Parse(head["Content-Length"] ?? "0", CultureInfo.InvariantCulture));
        }

        return head with { Body = body.ToArray() };
    }

    private async Task<int> ReadChunkSizeAsync(Stream stream) =>
        int.Parse((await ReadLineAsync(stream) ?? "0").Split(';')[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private async Task CopyAsync(Stream stream, MemoryStream target, int count)
    {
        byte[] bytes = new byte[count];
        await stream.ReadExactlyAsync(bytes, _stop.Token);
        target.Write(bytes);
    }

    private async Task<string?> ReadLineAsync(Stream stream)
    {
        var line = new StringBuilder();
        byte[] one = new byte[1];
        while (await stream.ReadAsync(one, _stop.Token) == 1)
        {
            if (one[0] == '\n')
            {
                return line.ToString().TrimEnd('\r');
            }

            line.Append((char)one[0]);
        }

        return null;
    }

    private async Task<bool> SendAsync(Stream stream, string method, CannedAnswer answer)
    {
        if (answer.Status == 0)
        {
            return false;
        }

        byte[] body = answer.Body ?? [];
        var head = new StringBuilder().Append(CultureInfo.InvariantCulture, $"HTTP/1.1 {answer.Status} {(HttpStatusCode)answer.Status}\r\n");
        if (answer.Headers?.Any(h => h.Name is "Content-Length" or "Transfer-Encoding") != true)
        {
            head.Append(CultureInfo.InvariantCulture, $"Content-Length: {body.Length}\r\n");
        }

        foreach ((string name, string value) in answer.Headers ?? [])
        {
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        }

        await stream.WriteAsync(Encoding.Latin1.GetBytes(head.Append("\r\n").ToString()), _stop.Token);
        if (method != "HEAD")
        {
            await stream.WriteAsync(body.AsMemory(0, answer.SendOnly < 0 ? body.Length : answer.SendOnly), _stop.Token);
        }

        await stream.FlushAsync(_stop.Token);
        return answer.SendOnly < 0;
    }
}
