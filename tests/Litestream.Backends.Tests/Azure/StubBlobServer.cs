using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Litestream.Backends.Tests.Azure;

/// <summary>A request as it arrived.</summary>
internal sealed record StubRequest(string Method, string Target, IReadOnlyDictionary<string, string> Headers, byte[] Body);

/// <summary>What to answer.</summary>
/// <param name="Status">Status code.</param>
/// <param name="Body">The bytes to send.</param>
/// <param name="Headers">Headers besides the length.</param>
/// <param name="Length">Length to claim; -1 = that of the body. A longer one breaks off, or stalls with <paramref name="Stall"/>.</param>
/// <param name="Stall">True: the connection stays open without another byte.</param>
internal sealed record StubAnswer(int Status, byte[] Body, (string Name, string Value)[]? Headers = null, int Length = -1, bool Stall = false)
{
    public StubAnswer(int status, string body = "", params (string, string)[] headers)
        : this(status, Encoding.UTF8.GetBytes(body), headers)
    {
    }

    public static StubAnswer Error(int status, string code, params (string, string)[] headers) =>
        new(status, "", [.. headers, ("x-ms-error-code", code)]);
}

/// <summary>A server that answers what a test says and remembers what was asked: for faults that the emulator does not have.</summary>
internal sealed class StubBlobServer : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource stop = new();
    private readonly ConcurrentQueue<StubRequest> requests = [];
    private readonly ConcurrentDictionary<TcpClient, Task> connections = [];
    private readonly Func<StubRequest, Task<StubAnswer?>> answer;
    private readonly Task accepting;
    private int open;
    private int mostOpen;

    /// <summary>Starts; an answer of null leaves the request unanswered.</summary>
    public StubBlobServer(Func<StubRequest, Task<StubAnswer?>> answer)
    {
        this.answer = answer;
        listener.Start();
        accepting = AcceptAsync();
    }

    public StubBlobServer(Func<StubRequest, StubAnswer?> answer)
        : this(request => Task.FromResult(answer(request)))
    {
    }

    /// <summary>True: bodies of requests are not read and nothing is answered.</summary>
    public bool NeverReadsBodies { get; init; }

    public string Endpoint => $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";

    public IReadOnlyList<StubRequest> Requests => [.. requests];

    /// <summary>Most connections that were open at a time.</summary>
    public int MostOpen => Volatile.Read(ref mostOpen);

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        listener.Dispose();
        foreach (TcpClient client in connections.Keys)
        {
            client.Dispose();
        }

        await Task.WhenAll([accepting, .. connections.Values]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            TcpClient client = await listener.AcceptTcpClientAsync(stop.Token);
            lock (requests)
            {
                mostOpen = Math.Max(mostOpen, ++open);
            }

            connections[client] = ServeAsync(client);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        await Task.Yield();
        try
        {
            using NetworkStream stream = client.GetStream();
            while (await ReadAsync(stream) is { } request)
            {
                requests.Enqueue(request);
                if (await answer(request) is not { } reply)
                {
                    await Task.Delay(Timeout.Infinite, stop.Token);
                    return;
                }

                await WriteAsync(stream, reply);
                if (reply.Stall)
                {
                    await Task.Delay(Timeout.Infinite, stop.Token);
                }

                if (reply.Length > reply.Body.Length)
                {
                    return;
                }
            }
        }
        finally
        {
            client.Dispose();
            lock (requests)
            {
                open--;
            }
        }
    }

    private async Task<StubRequest?> ReadAsync(NetworkStream stream)
    {
        var head = new StringBuilder();
        byte[] one = new byte[1];
        while (head.Length < 4 || head.ToString(head.Length - 4, 4) != "\r\n\r\n")
        {
            if (await stream.ReadAsync(one, stop.Token) == 0)
            {
                return null;
            }

            head.Append((char)one[0]);
        }

        string[] lines = head.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (string line in lines[1..])
        {
            headers[line[..line.IndexOf(':', StringComparison.Ordinal)]] = line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
        }

        byte[] body = new byte[int.Parse(headers.GetValueOrDefault("Content-Length", "0"), CultureInfo.InvariantCulture)];
        if (NeverReadsBodies)
        {
            await Task.Delay(Timeout.Infinite, stop.Token);
        }

        await stream.ReadExactlyAsync(body, stop.Token);
        string[] first = lines[0].Split(' ');
        return new StubRequest(first[0], first[1], headers, body);
    }

    private async Task WriteAsync(NetworkStream stream, StubAnswer reply)
    {
        var head = new StringBuilder(string.Create(CultureInfo.InvariantCulture, $"HTTP/1.1 {reply.Status} Status\r\n"));
        head.Append(CultureInfo.InvariantCulture, $"Content-Length: {(reply.Length < 0 ? reply.Body.Length : reply.Length)}\r\n");
        foreach ((string name, string value) in reply.Headers ?? [])
        {
            head.Append(CultureInfo.InvariantCulture, $"{name}: {value}\r\n");
        }

        await stream.WriteAsync(Encoding.ASCII.GetBytes(head.Append("\r\n").ToString()), stop.Token);
        await stream.WriteAsync(reply.Body, stop.Token);
    }
}
