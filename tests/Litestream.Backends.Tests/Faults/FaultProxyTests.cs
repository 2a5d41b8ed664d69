using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Faults;

/// <summary>Each fault does what it says, and nothing else happens to a request: a proxy that lies would prove nothing about a client.</summary>
public sealed class FaultProxyTests : IAsyncLifetime
{
    private static readonly byte[] Content = [.. Enumerable.Range(0, 100_000).Select(i => (byte)(i * 7))];

    private readonly TinyStore _store = new();
    private readonly HttpClient _client = new(new SocketsHttpHandler { MaxConnectionsPerServer = 8 }) { Timeout = TimeSpan.FromSeconds(30) };
    private readonly List<FaultProxy> _proxies = [];
    private FaultProxy _proxy = null!;

    public ValueTask InitializeAsync()
    {
        _store.Objects["/b/there"] = Content;
        Start(new FaultProxyOptions());
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        foreach (FaultProxy proxy in _proxies)
        {
            await proxy.DisposeAsync();
        }

        await _store.DisposeAsync();
    }

    [Fact]
    public async Task Without_faults_everything_arrives_as_it_was_sent()
    {
        await PutAsync("/b/a%20b//x+y?partNumber=1");
        Assert.Equal(Content, await _client.GetByteArrayAsync(Url("/b/there")));
        Assert.Equal("<List><Key>/b/a%20b//x+y</Key><Key>/b/there</Key></List>", await _client.GetStringAsync(Url("/b?list-type=2")));
        using HttpResponseMessage head = await _client.SendAsync(new HttpRequestMessage(HttpMethod.Head, Url("/b/there")));
        Assert.Equal(Content.Length, head.Content.Headers.ContentLength);
        using HttpResponseMessage missing = await _client.GetAsync(Url("/b/missing"));
        Assert.Equal(HttpStatusCode.NotFound, missing.StatusCode);

        RecordedRequest put = _store.Requests[0];
        await UntilAsync(() => _proxy.Exchanges.Count == 5);
        Assert.Equal(("/b/a%20b//x+y?partNumber=1", $"127.0.0.1:{_proxy.Port}"), (put.Target, put["Host"]));
        Assert.Equal(Content, put.Body);
        Assert.Equal(
            ["PUT /b/a%20b//x+y?partNumber=1 200 100000 0", "GET /b/there 200 0 100000", "HEAD /b/there 200 0 0", "GET /b/missing 404 0 0"],
            _proxy.Exchanges.Where(e => !e.Target.Contains("list", StringComparison.Ordinal)).Select(e => $"{e.Method} {e.Target} {e.Status} {e.RequestBytes} {e.ResponseBytes}"));
        Assert.Equal((1, 1), (_proxy.Connections, _proxy.PeakConnections));
        Assert.All(_proxy.Hits.Values, hits => Assert.Equal(0, hits));
    }

    [Fact]
    public async Task Chunked_requests_and_expectations_arrive()
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, Url("/b/c")) { Content = new StreamContent(new MemoryStream(Content)) };
        request.Headers.TransferEncodingChunked = true;
        request.Headers.ExpectContinue = true;
        using HttpResponseMessage answer = await _client.SendAsync(request);
        Assert.True(answer.IsSuccessStatusCode);
        Assert.Equal(Content, _store.Objects["/b/c"]);
        Assert.Null(_store.Requests[0]["Expect"]);
        Assert.NotNull(_store.Requests[0]["Transfer-Encoding"]);
    }

    [Theory]
    [InlineData(FaultKind.ResetBeforeForward, false)]
    [InlineData(FaultKind.ResetInRequestBody, false)]
    [InlineData(FaultKind.ResetAfterEffect, true)]
    public async Task Resets_of_an_upload(FaultKind kind, bool hasEffect)
    {
        _proxy.Force(kind, "PUT");
        await Assert.ThrowsAsync<HttpRequestException>(() => PutAsync("/b/up"));
        Assert.Equal(hasEffect, _store.Objects.ContainsKey("/b/up"));
        Assert.Equal(1, _proxy.Hits[kind]);
        await PutAsync("/b/up");
        Assert.Equal(Content, _store.Objects["/b/up"]);
    }

    [Fact]
    public async Task Half_of_a_request_body_reaches_the_store()
    {
        // A server that answers as soon as it has seen some of the body would show it; the stub only counts whole requests.
        _proxy.Force(FaultKind.ResetInRequestBody, "PUT");
        await Assert.ThrowsAsync<HttpRequestException>(() => PutAsync("/b/half"));
        Assert.Empty(_store.Requests);
        await UntilAsync(() => _proxy.Exchanges.Count == 1);
        Assert.Equal(Content.Length, _proxy.Exchanges.Single().RequestBytes);
    }

    [Theory]
    [InlineData(FaultKind.InternalError, 500, "InternalError")]
    [InlineData(FaultKind.SlowDown, 503, "SlowDown")]
    [InlineData(FaultKind.TooManyRequests, 429, "TooManyRequests")]
    [InlineData(FaultKind.RequestTimeout, 408, "RequestTimeout")]
    [InlineData(FaultKind.AccessDenied, 403, "AccessDenied")]
    public async Task Refusals_keep_the_request_from_the_store(FaultKind kind, int status, string code)
    {
        _proxy.Force(kind, "PUT");
        using HttpResponseMessage answer = await _client.PutAsync(Url("/b/no"), new ByteArrayContent(Content));
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Contains($"<Code>{code}</Code>", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.Empty(_store.Requests);
        await PutAsync("/b/no"); // On the same connection: the body was taken.
        Assert.Equal(1, _proxy.Connections);
    }

    [Fact]
    public async Task Retry_after_is_zero_and_one_in_turn()
    {
        _proxy.Force(FaultKind.RetryAfter, "GET", times: 2);
        foreach (int seconds in new[] { 0, 1 })
        {
            using HttpResponseMessage answer = await _client.GetAsync(Url("/b/there"));
            Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.StatusCode);
            Assert.Equal(TimeSpan.FromSeconds(seconds), answer.Headers.RetryAfter?.Delta);
        }
    }

    [Fact]
    public async Task Denial_is_a_spell()
    {
        Start(new FaultProxyOptions { Rates = Only(FaultKind.AccessDenied), MaxHitsPerKind = 1, DeniedTime = TimeSpan.FromMilliseconds(300) });
        long began = Stopwatch.GetTimestamp();
        int denied = 0;
        while ((await _client.GetAsync(Url("/b/there"))).StatusCode == HttpStatusCode.Forbidden)
        {
            denied++;
            Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(20));
        }

        Assert.Equal(denied, _proxy.Hits[FaultKind.AccessDenied]);
        Assert.True(denied > 1 && Stopwatch.GetElapsedTime(began) >= TimeSpan.FromMilliseconds(299), $"{denied}");
    }

    [Fact]
    public async Task Error_after_the_effect()
    {
        _proxy.Force(FaultKind.ErrorAfterEffect, "DELETE");
        using HttpResponseMessage answer = await _client.DeleteAsync(Url("/b/there"));
        Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        Assert.Empty(_store.Objects);
    }

    [Fact]
    public async Task A_duplicate_returns_the_second_answer()
    {
        _proxy.Force(FaultKind.DuplicateDelivery, "PUT");
        await PutAsync("/b/twice");
        Assert.Equal(2, _store.Requests.Count);
        Assert.Equal(Content, _store.Requests[1].Body);
        _proxy.Force(FaultKind.DuplicateDelivery, "DELETE");
        using HttpResponseMessage answer = await _client.DeleteAsync(Url("/b/twice"));
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Fact]
    public async Task Stall_before_the_answer()
    {
        _proxy.Force(FaultKind.StallBeforeAnswer, "PUT");
        using var idle = new CancellationTokenSource();
        Task<HttpResponseMessage> put = _client.PutAsync(Url("/b/stall"), new ByteArrayContent(Content), idle.Token);
        await UntilAsync(() => _proxy.Hits[FaultKind.StallBeforeAnswer] == 1);
        Assert.True(_store.Objects.ContainsKey("/b/stall"));
        Assert.False(put.IsCompleted);
        await idle.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => put);
    }

    [Fact]
    public async Task Stall_in_the_body()
    {
        _proxy.Force(FaultKind.StallInBody, "GET");
        long began = Stopwatch.GetTimestamp();
        using HttpResponseMessage answer = await _client.GetAsync(Url("/b/there"), HttpCompletionOption.ResponseHeadersRead);
        await using Stream body = await answer.Content.ReadAsStreamAsync();
        byte[] half = new byte[Content.Length / 2];
        await body.ReadExactlyAsync(half);
        Assert.Equal(Content[..half.Length], half);
        await body.ReadExactlyAsync(half); // A patient client gets the rest.
        Assert.Equal(Content[half.Length..], half);
        Assert.True(Stopwatch.GetElapsedTime(began) >= TimeSpan.FromSeconds(1.9));
    }

    [Theory]
    [InlineData(FaultKind.TruncatedBody)]
    [InlineData(FaultKind.ResetInBody)]
    public async Task Half_of_an_answer(FaultKind kind)
    {
        _proxy.Force(kind, "GET");
        using HttpResponseMessage answer = await _client.GetAsync(Url("/b/there"), HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal(Content.Length, answer.Content.Headers.ContentLength);
        await using Stream body = await answer.Content.ReadAsStreamAsync();
        byte[] read = new byte[Content.Length];
        Exception failure = await Assert.ThrowsAnyAsync<Exception>(async () => await body.ReadExactlyAsync(read));
        Assert.Equal(kind == FaultKind.ResetInBody, failure.GetBaseException() is SocketException { SocketErrorCode: SocketError.ConnectionReset });
        await UntilAsync(() => _proxy.Exchanges.Count == 1);
        Assert.Equal(Content.Length / 2, _proxy.Exchanges.Single().ResponseBytes);
    }

    [Fact]
    public async Task Dripping_answers_are_whole()
    {
        _proxy.Force(FaultKind.SlowBytes, "GET");
        long began = Stopwatch.GetTimestamp();
        Assert.Equal(Content, await _client.GetByteArrayAsync(Url("/b/there")));
        Assert.True(Stopwatch.GetElapsedTime(began) >= TimeSpan.FromMilliseconds(350));
    }

    [Fact]
    public async Task A_stale_list_is_the_earlier_one()
    {
        string before = await _client.GetStringAsync(Url("/b?list-type=2"));
        await PutAsync("/b/new");
        _proxy.Force(FaultKind.StaleList, "GET", "list-type");
        Assert.Equal(before, await _client.GetStringAsync(Url("/b?list-type=2")));
        Assert.NotEqual(before, await _client.GetStringAsync(Url("/b?list-type=2")));
        Assert.Equal(1, _proxy.Hits[FaultKind.StaleList]);
    }

    [Fact]
    public async Task Garbage_is_no_list_or_half_of_one()
    {
        _proxy.Force(FaultKind.GarbageList, "GET", "list-type", times: 2);
        Assert.Contains("html", await _client.GetStringAsync(Url("/b?list-type=2")), StringComparison.Ordinal);
        string half = await _client.GetStringAsync(Url("/b?list-type=2"));
        Assert.Equal("<List><Key>/b/there</Key></List>"[..half.Length], half);
        Assert.Equal(16, half.Length);
    }

    [Fact]
    public async Task An_error_in_an_ok_has_no_effect()
    {
        _proxy.Force(FaultKind.ErrorInOk, "POST", "uploadId=");
        using HttpResponseMessage answer = await _client.PostAsync(Url("/b/multi?uploadId=1"), new ByteArrayContent(Content));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("<Error>", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        Assert.False(_store.Objects.ContainsKey("/b/multi"));
    }

    [Fact]
    public async Task Connections_are_refused_for_a_while()
    {
        Start(new FaultProxyOptions { RefusedTime = TimeSpan.FromMilliseconds(500) });
        _proxy.Force(FaultKind.ConnectionRefused, "GET");
        await Assert.ThrowsAsync<HttpRequestException>(() => _client.GetAsync(Url("/b/there")));
        int refused = 0;
        await UntilAsync(async () =>
        {
            try
            {
                return (await _client.GetByteArrayAsync(Url("/b/there"))).Length == Content.Length;
            }
            catch (HttpRequestException e) when (e.GetBaseException() is SocketException socket)
            {
                // One that comes while the port is being closed is reset.
                refused += socket.SocketErrorCode == SocketError.ConnectionRefused ? 1 : 0;
                return false;
            }
        });
        Assert.True(refused > 0);
    }

    [Fact]
    public async Task Extra_latency_and_latency_add_up()
    {
        Start(new FaultProxyOptions { Latency = TimeSpan.FromMilliseconds(100), ExtraLatency = TimeSpan.FromMilliseconds(300) });
        _proxy.Force(FaultKind.ExtraLatency, "GET");
        long began = Stopwatch.GetTimestamp();
        Assert.Equal(Content, await _client.GetByteArrayAsync(Url("/b/there")));
        Assert.True(Stopwatch.GetElapsedTime(began) >= TimeSpan.FromMilliseconds(395));
    }

    [Fact]
    public async Task Bandwidth_is_limited_per_connection()
    {
        Start(new FaultProxyOptions { BytesPerSecond = 200_000 });
        long began = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async _ => Assert.Equal(Content, await _client.GetByteArrayAsync(Url("/b/there")))));
        TimeSpan took = Stopwatch.GetElapsedTime(began);
        Assert.True(took >= TimeSpan.FromMilliseconds(400), $"{took}");
        Assert.True(_proxy.PeakConnections is > 1 and <= 4);
    }

    [Fact]
    public async Task Equal_seeds_give_equal_faults()
    {
        List<string> runs = [];
        foreach (int seed in new[] { 7, 7, 8 })
        {
            Start(new FaultProxyOptions { Seed = seed, Rates = FaultProxyOptions.Every(0, (FaultKind.InternalError, 0.3), (FaultKind.RequestTimeout, 0.3)) });
            var order = new StringBuilder();
            foreach (int request in Enumerable.Range(0, 60))
            {
                using HttpResponseMessage answer = await _client.GetAsync(Url($"/b/there?n={request % 20}"));
                order.Append((int)answer.StatusCode).Append(' ');
            }

            runs.Add(order.ToString());
        }

        Assert.Equal(runs[0], runs[1]);
        Assert.NotEqual(runs[0], runs[2]);
    }

    [Fact]
    public async Task Rates_can_be_switched_off_and_changed()
    {
        Start(new FaultProxyOptions { Rates = Only(FaultKind.InternalError) });
        Assert.Equal(HttpStatusCode.InternalServerError, (await _client.GetAsync(Url("/b/there"))).StatusCode);
        _proxy.IsOn = false;
        Assert.Equal(HttpStatusCode.OK, (await _client.GetAsync(Url("/b/there"))).StatusCode);
        _proxy.IsOn = true;
        _proxy.SetRate(FaultKind.InternalError, 0);
        Assert.Equal(HttpStatusCode.OK, (await _client.GetAsync(Url("/b/there"))).StatusCode);
    }

    private static Dictionary<FaultKind, double> Only(FaultKind kind) => new() { [kind] = 1 };

    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        long began = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(30), "waited in vain");
            await Task.Delay(5);
        }
    }

    private static Task UntilAsync(Func<bool> condition) => UntilAsync(() => Task.FromResult(condition()));

    private void Start(FaultProxyOptions options)
    {
        _proxy = FaultProxy.Start(_store.Port, options);
        _proxies.Add(_proxy);
    }

    private Uri Url(string target) => new($"http://127.0.0.1:{_proxy.Port}{target}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });

    private async Task PutAsync(string target)
    {
        using HttpResponseMessage answer = await _client.PutAsync(Url(target), new ByteArrayContent(Content));
        answer.EnsureSuccessStatusCode();
    }
}
