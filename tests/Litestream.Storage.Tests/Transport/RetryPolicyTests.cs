using System.Security.Authentication;
using Litestream.Storage.Transport;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Litestream.Storage.Tests.Transport;

/// <summary>The one retry layer (decision D30): what is tried again, how often, and how long it waits.</summary>
public sealed class RetryPolicyTests
{
    private static readonly RetryOptions Instant = new(10, TimeSpan.Zero, TimeSpan.Zero);

    [Fact]
    public async Task Backend_T15_two_hundred_failed_requests_leave_every_further_one_its_attempts()
    {
        RetryPolicy policy = Policy(Instant);
        for (int request = 0; request < 200; request++)
        {
            int tries = 0;
            ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(async () => await policy.ExecuteAsync<int>(
                "put object", _ => { tries++; throw new HttpRequestException("refused"); }, CancellationToken.None));
            Assert.Equal((10, true), (tries, error.IsTransient));
            Assert.Contains("put object: refused (after 10 attempts)", error.Message, StringComparison.Ordinal);
        }

        int late = 0;
        Assert.Equal(7, await policy.ExecuteAsync(
            "put object", _ => ++late < 10 ? throw new IOException("reset") : ValueTask.FromResult(7), CancellationToken.None));
    }

    [Fact]
    public async Task What_cannot_get_better_is_tried_once()
    {
        foreach (Exception failure in new Exception[]
        {
            new ReplicaException("wrong key", isTransient: false), new InvalidOperationException("a bug"),
            new HttpRequestException("tls", new AuthenticationException("not trusted")),
        })
        {
            int tries = 0;
            await Assert.ThrowsAnyAsync<Exception>(async () => await Policy(Instant).ExecuteAsync<int>("x", _ => { tries++; throw failure; }, CancellationToken.None));
            Assert.Equal(1, tries);
        }
    }

    [Fact]
    public async Task The_callers_cancellation_ends_it_and_stays_what_it_is()
    {
        using var stop = new CancellationTokenSource();
        int tries = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await Policy(Instant).ExecuteAsync<int>(
            "x", token => { tries++; stop.Cancel(); token.ThrowIfCancellationRequested(); return ValueTask.FromResult(0); }, stop.Token));
        Assert.Equal(1, tries);
    }

    [Fact]
    public async Task A_time_out_that_nobody_asked_for_is_tried_again()
    {
        int tries = 0;
        Assert.Equal(1, await Policy(Instant).ExecuteAsync(
            "x", _ => ++tries == 1 ? throw new OperationCanceledException() : ValueTask.FromResult(1), CancellationToken.None));
        Assert.Equal(2, tries);
    }

    [Theory]
    [InlineData(5, 5)]
    [InlineData(600, 60)]
    public void A_server_that_asks_to_wait_is_obeyed_up_to_a_minute(int asked, int waited) => Assert.Equal(
        TimeSpan.FromSeconds(waited), RetryPolicy.DelayBefore(0, new ThrottledException("slow down", TimeSpan.FromSeconds(asked)), RetryOptions.Default));

    [Fact]
    public void Waits_are_random_and_double_up_to_their_limit()
    {
        for (int failed = 0; failed < 40; failed++)
        {
            double limit = Math.Min(20, Math.Pow(2, failed));
            double[] waits = [.. Enumerable.Range(0, 50).Select(_ => RetryPolicy.DelayBefore(failed, null, RetryOptions.Default).TotalSeconds)];
            Assert.All(waits, wait => Assert.InRange(wait, 0, limit));
            Assert.True(waits.Max() > limit / 2 && waits.Distinct().Count() > 10, "retries of many processes must not come at the same moment");
        }
    }

    [Fact]
    public async Task Every_attempt_is_paced_and_a_burst_is_a_second_long()
    {
        var time = new FakeTimeProvider();
        var pacer = new RequestPacer(10, time);
        for (int i = 0; i < 10; i++)
        {
            Assert.True(Passes(pacer), "the burst goes at once");
        }

        Task[] waiting = [.. Enumerable.Range(0, 5).Select(_ => pacer.WaitAsync(CancellationToken.None).AsTask())];
        for (int done = 1; done <= 5; done++)
        {
            Assert.Equal(done - 1, waiting.Count(task => task.IsCompleted));
            time.Advance(TimeSpan.FromMilliseconds(100));
            await waiting[done - 1].WaitAsync(TimeSpan.FromSeconds(30));
        }

        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(10, Enumerable.Range(0, 20).TakeWhile(_ => Passes(pacer)).Count());
    }

    private static bool Passes(RequestPacer pacer) => pacer.WaitAsync(CancellationToken.None).AsTask().IsCompleted;

    private static RetryPolicy Policy(RetryOptions retry) =>
        new(retry, new RequestPacer(0, TimeProvider.System), new TransportOptions { GetVariable = _ => null });
}
