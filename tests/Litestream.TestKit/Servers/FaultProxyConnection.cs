using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Litestream.TestKit.Servers;

/// <summary>Serves one connection of a client of <see cref="FaultProxy"/>; it has one connection to the store.</summary>
internal sealed class FaultProxyConnection(FaultProxy proxy, FaultProxyPlan plan, int number, Socket socket, CancellationToken stop) : IDisposable
{
    private readonly FaultProxyWire _client = new(socket, plan.Options.BytesPerSecond);
    private FaultProxyWire? _store;

    // Of the exchange that is going on.
    private FaultProxyHead _request = null!;
    private long _requestBytes;
    private long _responseBytes;
    private int _status;
    private FaultKind? _injected;

    public async Task ServeAsync()
    {
        try
        {
            while (await _client.ReadHeadAsync(stop) is { } request)
            {
                (_request, _requestBytes, _responseBytes, _status, _injected) = (request, 0, 0, 0, null);
                bool goOn = false;
                try
                {
                    goOn = await ExchangeAsync();
                }
                finally
                {
                    proxy.Remember(new FaultProxyExchange(
                        number, request.Method, request.Target, _status, _requestBytes, _responseBytes, _injected));
                }

                if (!goOn)
                {
                    return;
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException or InvalidDataException or FormatException)
        {
            // The client has given up, or the store is gone: the client sees a broken connection.
            _client.Reset();
        }
    }

    public void Dispose()
    {
        _store?.Dispose();
        _client.Dispose();
    }

    /// <summary>One request and its answer; false if the connection must end.</summary>
    private async ValueTask<bool> ExchangeAsync()
    {
        (FaultKind Kind, int Variant)? fault = plan.Choose(_request);
        if (plan.Options.Latency > TimeSpan.Zero)
        {
            await Task.Delay(plan.Options.Latency, stop);
        }

        switch (fault?.Kind)
        {
            case FaultKind.ResetBeforeForward:
                Hit(FaultKind.ResetBeforeForward);
                _client.Reset();
                return false;

            case FaultKind.ConnectionRefused:
                Hit(FaultKind.ConnectionRefused);
                proxy.Refuse(); // First: the client may be back before the reset is over.
                _client.Reset();
                return false;

            case FaultKind.ResetInRequestBody:
                return await ResetInRequestBodyAsync();

            case { } kind when Canned(kind, fault.Value.Variant) is { } answer:
                Hit(kind);
                await DrainRequestAsync();
                return await AnswerAsync(answer.Status, answer.Headers, answer.Body) && !_request.Closes;

            case FaultKind.StaleList when plan.Lists.TryGetValue(_request.Target, out byte[]? earlier):
                Hit(FaultKind.StaleList);
                await DrainRequestAsync();
                _status = 200;
                await SendAsync(earlier);
                return !_request.Closes;

            case FaultKind.ExtraLatency:
                Hit(FaultKind.ExtraLatency);
                await Task.Delay(plan.Options.ExtraLatency, stop);
                break;

            default:
                break;
        }

        FaultProxyHead response = await ForwardAsync(twice: fault?.Kind == FaultKind.DuplicateDelivery);
        return await ReturnAsync(response, fault?.Kind);
    }

    /// <summary>Sends the request to the store and reads the head of its answer.</summary>
    private async ValueTask<FaultProxyHead> ForwardAsync(bool twice)
    {
        FaultProxyWire store = await ConnectAsync();
        await store.WriteAsync(_request.ExpectsContinue ? _request.Without("Expect") : _request.Bytes, stop);
        await ContinueAsync();
        if (twice)
        {
            Hit(FaultKind.DuplicateDelivery);
            byte[] body = await _client.ReadBodyAsync(_request.RequestBody, stop);
            _requestBytes = body.Length;
            await store.WriteAsync(body, stop);
            FaultProxyHead first = await ReadAnswerAsync(store);
            await store.ReadBodyAsync(first.ResponseBodyTo(_request.Method), stop);
            store = first.Closes ? await ReconnectAsync() : store;
            await store.WriteAsync(_request.ExpectsContinue ? _request.Without("Expect") : _request.Bytes, stop);
            await store.WriteAsync(body, stop);
            return await ReadAnswerAsync(store);
        }

        bool takes = true;
        await _client.CopyBodyAsync(
            _request.RequestBody,
            async piece =>
            {
                _requestBytes += piece.Length;
                if (takes)
                {
                    try
                    {
                        await store.WriteAsync(piece, stop);
                    }
                    catch (SocketException)
                    {
                        takes = false; // It has answered before the end of the body and closed: the answer may still be there.
                    }
                }
            },
            stop);
        return await ReadAnswerAsync(store);
    }

    /// <summary>Hands the answer to the client, or what the fault makes of it.</summary>
    private async ValueTask<bool> ReturnAsync(FaultProxyHead response, FaultKind? fault)
    {
        FaultProxyWire store = _store!;
        long length = response.ResponseBodyTo(_request.Method);
        bool goOn = !_request.Closes && !response.Closes && length != FaultProxyWire.UntilClose;
        if (!FaultProxyPlan.IsList(_request) && (fault is null or FaultKind.DuplicateDelivery or FaultKind.ExtraLatency))
        {
            _status = response.Status;
            await SendAsync(response.Bytes, isHead: true);
            await store.CopyBodyAsync(length, piece => SendAsync(piece), stop);
            return goOn;
        }

        byte[] body = await store.ReadBodyAsync(length, stop);
        if (response.Closes)
        {
            _store = null;
            store.Dispose();
        }

        if (FaultProxyPlan.IsList(_request) && response.Status == 200)
        {
            plan.Lists[_request.Target] = [.. response.Bytes, .. body];
        }

        switch (fault)
        {
            case FaultKind.ResetAfterEffect:
                Hit(FaultKind.ResetAfterEffect);
                _client.Reset();
                return false;

            case FaultKind.ErrorAfterEffect:
                Hit(FaultKind.ErrorAfterEffect);
                return await AnswerAsync("500 Internal Server Error", "", Document("InternalError")) && goOn;

            case FaultKind.StallBeforeAnswer:
                Hit(FaultKind.StallBeforeAnswer);
                await _client.StallAsync(plan.Options.StallTime, stop);
                break;

            case FaultKind.GarbageList:
                Hit(FaultKind.GarbageList);
                byte[] list = length == FaultProxyWire.Chunked ? FaultProxyWire.Unchunk(body) : body;
                return await AnswerAsync("200 OK", "", list[..(list.Length / 2)]) && goOn;

            case { } kind when body.Length >= 2 && kind is FaultKind.StallInBody or FaultKind.TruncatedBody or FaultKind.ResetInBody or FaultKind.SlowBytes:
                return await SendSlowlyOrInPartAsync(kind, response, body) && goOn;

            default:
                break;
        }

        _status = response.Status;
        await SendAsync(response.Bytes, isHead: true);
        await SendAsync(body);
        return goOn;
    }

    private async ValueTask<bool> SendSlowlyOrInPartAsync(FaultKind kind, FaultProxyHead response, byte[] body)
    {
        Hit(kind);
        _status = response.Status;
        await SendAsync(response.Bytes, isHead: true);
        if (kind == FaultKind.SlowBytes)
        {
            const int pieces = 20;
            for (int i = 0; i < pieces; i++)
            {
                await SendAsync(body.AsMemory(body.Length * i / pieces, (body.Length * (i + 1) / pieces) - (body.Length * i / pieces)));
                await Task.Delay(plan.Options.DripTime / pieces, stop);
            }

            return true;
        }

        await SendAsync(body.AsMemory(0, body.Length / 2));
        if (kind == FaultKind.StallInBody)
        {
            await _client.StallAsync(plan.Options.StallTime, stop);
            await SendAsync(body.AsMemory(body.Length / 2));
            return true;
        }

        if (kind == FaultKind.ResetInBody)
        {
            _client.Reset();
        }

        return false;
    }

    private async ValueTask<bool> ResetInRequestBodyAsync()
    {
        Hit(FaultKind.ResetInRequestBody);
        FaultProxyWire store = await ConnectAsync();
        await store.WriteAsync(_request.ExpectsContinue ? _request.Without("Expect") : _request.Bytes, stop);
        await ContinueAsync();
        byte[] body = await _client.ReadBodyAsync(_request.RequestBody, stop);
        _requestBytes = body.Length;
        await store.WriteAsync(body.AsMemory(0, body.Length / 2), stop);
        store.Reset();
        _client.Reset();
        return false;
    }

    /// <summary>The answer of a fault that keeps the request from the store; null for other faults.</summary>
    private static (string Status, string Headers, byte[] Body)? Canned(FaultKind kind, int variant) => kind switch
    {
        FaultKind.InternalError => ("500 Internal Server Error", "", Document("InternalError")),
        FaultKind.SlowDown => ("503 Slow Down", "", Document("SlowDown")),
        FaultKind.RetryAfter => ("503 Service Unavailable", $"Retry-After: {variant % 2}\r\n", Document("ServiceUnavailable")),
        FaultKind.TooManyRequests => ("429 Too Many Requests", "", Document("TooManyRequests")),
        FaultKind.RequestTimeout => ("408 Request Timeout", "", Document("RequestTimeout")),
        FaultKind.AccessDenied => ("403 Forbidden", "", Document("AccessDenied")),
        FaultKind.ErrorInOk => ("200 OK", "", Document("InternalError")),
        FaultKind.GarbageList when variant % 2 == 0 => ("200 OK", "", "<html><body>login required<br></body></html>"u8.ToArray()),
        _ => null,
    };

    private static byte[] Document(string code) =>
        Encoding.UTF8.GetBytes($"<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>injected</Message><RequestId>0</RequestId></Error>");

    private async ValueTask<bool> AnswerAsync(string status, string headers, byte[] body)
    {
        _status = int.Parse(status[..3], CultureInfo.InvariantCulture);
        string head = $"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\n{headers}Content-Length: {body.Length}\r\n\r\n";
        await SendAsync(Encoding.Latin1.GetBytes(head), isHead: true);
        if (_request.Method != "HEAD")
        {
            await SendAsync(body);
        }

        return true;
    }

    private async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, bool isHead = false)
    {
        await _client.WriteAsync(bytes, stop);
        _responseBytes += isHead ? 0 : bytes.Length;
    }

    private async ValueTask DrainRequestAsync()
    {
        await ContinueAsync();
        await _client.CopyBodyAsync(
            _request.RequestBody,
            piece =>
            {
                _requestBytes += piece.Length;
                return ValueTask.CompletedTask;
            },
            stop);
    }

    // The proxy takes the body in any case, so it says so itself.
    private async ValueTask ContinueAsync()
    {
        if (_request.ExpectsContinue)
        {
            await _client.WriteAsync("HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(), stop);
        }
    }

    private async ValueTask<FaultProxyHead> ReadAnswerAsync(FaultProxyWire store)
    {
        while (true)
        {
            FaultProxyHead head = await store.ReadHeadAsync(stop) ?? throw new IOException("the store closed the connection without an answer");
            if (head.Status >= 200)
            {
                return head;
            }
        }
    }

    private async ValueTask<FaultProxyWire> ConnectAsync() => _store is { IsAlive: true } store ? store : await ReconnectAsync();

    private async ValueTask<FaultProxyWire> ReconnectAsync()
    {
        _store?.Dispose();
        _store = null;
        var connection = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await connection.ConnectAsync(System.Net.IPAddress.Loopback, proxy.StorePort, stop);
        }
        catch
        {
            connection.Dispose();
            throw;
        }

        return _store = new FaultProxyWire(connection, plan.Options.BytesPerSecond);
    }

    private void Hit(FaultKind kind)
    {
        _injected = kind;
        plan.Count(kind);
    }
}
