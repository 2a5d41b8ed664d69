using Litestream.Storage;
using Litestream.Storage.S3;
using Litestream.Storage.Transport;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>Leases by conditional writes (library only).</summary>
[Collection(CephGroup.Name)]
public sealed class S3LeaseTests(CephServer server)
{
    [Fact]
    public async Task Backend_T17_Of_many_who_ask_at_once_one_gets_the_lease()
    {
        S3Options options = server.Options;
        bool[] won = await Task.WhenAll(Enumerable.Range(0, 8).Select(n => Task.Run(async () =>
        {
            try
            {
                S3LeaseTerm lease = await new S3Lease(options, server.Transport, $"host:{n}").AcquireAsync(CancellationToken.None);
                Assert.Equal((1L, $"host:{n}"), (lease.Generation, lease.Owner));
                return true;
            }
            catch (S3LeaseException e)
            {
                Assert.Contains("lease already held by host:", e.Message, StringComparison.Ordinal);
                return false;
            }
        })));
        Assert.Equal(1, won.Count(w => w));
    }

    [Fact]
    public async Task Backend_T17_A_lease_is_renewed_released_and_lost()
    {
        await using var store = new LockStore();
        using var transport = new StorageTransport(new TransportOptions { GetVariable = _ => null, Time = new FixedTime(() => store.Now), Retry = new RetryOptions(1, TimeSpan.Zero, TimeSpan.Zero) });
        S3Options options = store.Options;
        var mine = new S3Lease(options, transport, "a:1");
        var other = new S3Lease(options, transport, "b:2");
        S3LeaseTerm first = await mine.AcquireAsync(CancellationToken.None);
        Assert.Equal("{\"generation\":1,\"expires_at\":\"2026-01-02T03:04:35Z\",\"owner\":\"a:1\"}", store.Content);
        S3LeaseException held = await Assert.ThrowsAsync<S3LeaseException>(async () => await other.AcquireAsync(CancellationToken.None));
        Assert.Contains("lease already held by a:1 until 2026-01-02T03:04:35Z", held.Message, StringComparison.Ordinal);

        store.Now += TimeSpan.FromSeconds(20);
        S3LeaseTerm renewed = await mine.RenewAsync(first, CancellationToken.None);
        Assert.Equal((1L, store.Now + S3Lease.TimeToLive), (renewed.Generation, renewed.ExpiresAt));
        Assert.Equal(first.Tag, store.Server.Requests[^1]["If-Match"]);

        store.Now += TimeSpan.FromSeconds(31);
        S3LeaseTerm taken = await other.AcquireAsync(CancellationToken.None);
        Assert.Equal(2, taken.Generation);
        Assert.Equal(renewed.Tag, store.Server.Requests[^1]["If-Match"]);
        Assert.Contains("lease not held", (await Assert.ThrowsAsync<S3LeaseException>(async () => await mine.RenewAsync(renewed, CancellationToken.None))).Message, StringComparison.Ordinal);
        Assert.Contains("lease not held", (await Assert.ThrowsAsync<S3LeaseException>(async () => await mine.ReleaseAsync(renewed, CancellationToken.None))).Message, StringComparison.Ordinal);

        await other.ReleaseAsync(taken, CancellationToken.None);
        Assert.Equal(("DELETE", taken.Tag), (store.Server.Requests[^1].Method, store.Server.Requests[^1]["If-Match"]));
        Assert.Contains("already released", (await Assert.ThrowsAsync<S3LeaseException>(async () => await other.ReleaseAsync(taken, CancellationToken.None))).Message, StringComparison.Ordinal);
        Assert.Equal(1, (await mine.AcquireAsync(CancellationToken.None)).Generation);
        await Assert.ThrowsAsync<ArgumentException>(async () => await mine.RenewAsync(first with { Tag = "" }, CancellationToken.None));
        await Assert.ThrowsAsync<ArgumentNullException>(async () => await mine.ReleaseAsync(null!, CancellationToken.None));
    }

    [Fact]
    public async Task An_object_that_is_no_lease_is_an_error()
    {
        await using var store = new LockStore { Content = "{\"generation\":\"x\"}" };
        using StorageTransport transport = FakeS3.CreateTransport();
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(async () => await new S3Lease(store.Options, transport).AcquireAsync(CancellationToken.None));
        Assert.False(failure.IsTransient);
    }

    /// <summary>One object with conditions as S3 has them.</summary>
    private sealed class LockStore : IAsyncDisposable
    {
        private int _version = 1;

        public LockStore() => Server = new RecordingHttpServer(Answer);

        public RecordingHttpServer Server { get; }

        public string? Content { get; set; }

        public DateTimeOffset Now { get; set; } = new(2026, 1, 2, 3, 4, 5, TimeSpan.Zero);

        public S3Options Options => new() { Bucket = "b", Path = "db", Endpoint = $"http://127.0.0.1:{Server.Port}", AccessKeyId = "k", SecretAccessKey = "s" };

        public ValueTask DisposeAsync() => Server.DisposeAsync();

        private CannedAnswer Answer(RecordedRequest request)
        {
            Assert.Equal("/b/db/lock.json", request.Target);
            string tag = $"\"v{_version}\"";
            switch (request.Method)
            {
                case "GET":
                    return Content is null ? FakeS3.Error(404, "NoSuchKey") : CannedAnswer.Text(200, Content, ("ETag", tag));
                case "PUT" when request["If-None-Match"] == "*" ? Content is not null : Content is null || request["If-Match"] != tag:
                case "DELETE" when Content is not null && request["If-Match"] != tag:
                    return FakeS3.Error(412, "PreconditionFailed");
                case "PUT":
                    Assert.Equal("application/json", request["Content-Type"]);
                    Content = request.Text;
                    return new CannedAnswer(200, Headers: [("ETag", $"\"v{++_version}\"")]);
                default:
                    bool was = Content is not null;
                    Content = null;
                    return was ? new CannedAnswer(204) : FakeS3.Error(404, "NoSuchKey");
            }
        }
    }

    private sealed class FixedTime(Func<DateTimeOffset> now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now();
    }
}
