using System.Net;
using Litestream.Storage.Transport;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Litestream.Storage.Tests.Transport;

/// <summary>Stalls, ranges and waits of the shared HTTP layer, on a clock that stands still.</summary>
public sealed class HttpTransportTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task A_server_that_never_answers_is_given_up_and_asked_again()
    {
        int asked = 0;
        HttpTransport http = Create(async (_, token) =>
        {
            asked++;
            await Task.Delay(Timeout.InfiniteTimeSpan, token);
            return new HttpResponseMessage();
        }, attempts: 2);
        Task<int> sending = http.SendAsync("get x", () => new(HttpMethod.Get, "http://h/"), (_, _) => ValueTask.FromResult(1), CancellationToken.None).AsTask();
        await AdvanceUntilAsync(sending, TimeSpan.FromSeconds(5));
        ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(() => sending);
        Assert.Equal((2, true), (asked, error.IsTransient));
        Assert.Contains("no byte for 10 s", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_body_that_stalls_is_an_error_that_may_pass_and_a_slow_one_is_none()
    {
        var body = new DrippingStream();
        HttpTransport http = Create((_, _) => Task.FromResult(new HttpResponseMessage { Content = new StreamContent(body) }));
        await using Stream stream = await http.OpenAsync(
            "get x", _ => ValueTask.FromResult(new HttpRequestMessage(HttpMethod.Get, "http://h/")),
            (response, _) => ValueTask.FromResult(BodyRange.Of(response.StatusCode, 0, 0)!.Value), CancellationToken.None);
        byte[] buffer = new byte[4];
        for (int i = 0; i < 20; i++)
        {
            Task<int> reading = stream.ReadAsync(buffer).AsTask();
            _time.Advance(TimeSpan.FromSeconds(9));
            body.Release();
            Assert.Equal(1, await reading.WaitAsync(Patience));
        }

        Task<int> stalled = stream.ReadAsync(buffer).AsTask();
        await AdvanceUntilAsync(stalled, TimeSpan.FromSeconds(5));
        Assert.True((await Assert.ThrowsAsync<ReplicaException>(() => stalled)).IsTransient);
        Assert.Equal(0, body.Pending); // The read has ended before its buffer goes back to anybody.
    }

    [Fact]
    public async Task Backend_T30_a_server_that_ignores_the_range_is_read_from_its_offset()
    {
        byte[] content = [.. Enumerable.Range(0, 200_000).Select(n => (byte)(n % 251))];
        HttpTransport http = Create((_, _) => Task.FromResult(new HttpResponseMessage { Content = new ByteArrayContent(content) }));
        await using Stream stream = await http.OpenAsync(
            "get x", _ => ValueTask.FromResult(new HttpRequestMessage(HttpMethod.Get, "http://h/")),
            (response, _) => ValueTask.FromResult(BodyRange.Of(response.StatusCode, 150_001, 1000)!.Value), CancellationToken.None);
        var read = new MemoryStream();
        await stream.CopyToAsync(read);
        Assert.Equal(content[150_001..151_001], read.ToArray());
    }

    [Theory]
    [InlineData(0, 0, null)]
    [InlineData(5, 0, "bytes=5-")]
    [InlineData(0, 10, "bytes=0-9")]
    [InlineData(5, 10, "bytes=5-14")]
    public void Ranges_are_written_as_servers_read_them(long offset, long size, string? header) => Assert.Equal(header, BodyRange.Header(offset, size));

    [Fact]
    public async Task A_throttled_request_waits_as_long_as_the_server_says()
    {
        int asked = 0;
        HttpTransport http = Create((_, _) =>
        {
            var answer = new HttpResponseMessage(++asked == 1 ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK);
            answer.Headers.Add("Retry-After", "7");
            return Task.FromResult(answer);
        });
        http = Reading(http, out Task<int> sending);
        DateTimeOffset began = _time.GetUtcNow();
        await AdvanceUntilAsync(sending, TimeSpan.FromSeconds(1));
        Assert.Equal((1, 2), (await sending, asked));
        Assert.InRange(_time.GetUtcNow() - began, TimeSpan.FromSeconds(7), TimeSpan.FromSeconds(60));
    }

    private static HttpTransport Reading(HttpTransport http, out Task<int> sending)
    {
        sending = http.SendAsync(
            "get x", () => new HttpRequestMessage(HttpMethod.Get, "http://h/"),
            (response, _) => response.IsSuccessStatusCode ? ValueTask.FromResult(1) : throw http.Refused("get x", response, ""), CancellationToken.None).AsTask();
        return http;
    }

    private HttpTransport Create(Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> answer, int attempts = 3)
    {
        var shared = new StorageTransport(new TransportOptions
        {
            Time = _time,
            GetVariable = _ => null,
            ConnectTimeout = TimeSpan.FromSeconds(1),
            IdleTimeout = TimeSpan.FromSeconds(10),
        });
        return new HttpTransport(
            shared, new HttpMessageInvoker(new Handler(answer)), shared.CreateRetryPolicy(new RetryOptions(attempts, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(1))));
    }

    private async Task AdvanceUntilAsync(Task task, TimeSpan step)
    {
        for (int i = 0; i < 30_000 && !task.IsCompleted; i++)
        {
            _time.Advance(step);
            await Task.Delay(1); // Paces the clock by what a thread needs to answer a timer.
        }

        Assert.True(task.IsCompleted);
    }

    private sealed class Handler(Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> answer) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) => answer(request, cancellationToken);
    }

    /// <summary>Gives one byte for each release.</summary>
    private sealed class DrippingStream : MemoryStream
    {
        private readonly SemaphoreSlim _bytes = new(0);
        private int _pending;

        public int Pending => Volatile.Read(ref _pending);

        public void Release() => _bytes.Release();

        public override bool CanSeek => false;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Interlocked.Increment(ref _pending);
            try
            {
                await _bytes.WaitAsync(cancellationToken);
                return 1;
            }
            finally
            {
                Interlocked.Decrement(ref _pending);
            }
        }
    }
}
