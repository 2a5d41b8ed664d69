using System.Net.Sockets;
using System.Security.Authentication;
using Litestream.Diagnostics;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;

namespace Litestream.Storage.Transport;

/// <summary>
/// The one retry layer of all backends (decision D30): full jitter, a server's <c>Retry-After</c> honoured, every attempt paced. What is
/// retried: a transient <see cref="ReplicaException"/>, broken connections, and a time-out that is not the caller's cancellation.
/// There is no quota over requests: after a long outage it would fail the first request that could succeed (trap T15).
/// </summary>
public sealed class RetryPolicy
{
    private static readonly ResiliencePropertyKey<string> What = new("what");

    private readonly ResiliencePipeline pipeline;
    private readonly RequestPacer pacer;
    private readonly int attempts;

    /// <summary>Creates a policy.</summary>
    /// <param name="retry">Values of the backend.</param>
    /// <param name="pacer">Pacer of the process.</param>
    /// <param name="options">Clock and log; their retry values win over <paramref name="retry"/>.</param>
    public RetryPolicy(RetryOptions retry, RequestPacer pacer, TransportOptions options)
    {
        ArgumentNullException.ThrowIfNull(retry);
        ArgumentNullException.ThrowIfNull(pacer);
        ArgumentNullException.ThrowIfNull(options);
        RetryOptions used = options.Retry ?? retry;
        this.pacer = pacer;
        attempts = Math.Max(1, used.Attempts);
        var builder = new ResiliencePipelineBuilder { TimeProvider = options.Time };
        if (attempts > 1)
        {
            builder.AddRetry(new RetryStrategyOptions
            {
                MaxRetryAttempts = attempts - 1,
                ShouldHandle = arguments => ValueTask.FromResult(
                    arguments.Outcome.Exception is { } error && IsTransient(error, arguments.Context.CancellationToken)),
                DelayGenerator = arguments => ValueTask.FromResult<TimeSpan?>(DelayBefore(arguments.AttemptNumber, arguments.Outcome.Exception, used)),
                OnRetry = arguments =>
                {
                    options.Logger.Write(
                        LogLevel.Debug, "storage request failed, trying again",
                        ("request", arguments.Context.Properties.GetValue(What, "")), ("attempt", arguments.AttemptNumber + 1),
                        ("wait", arguments.RetryDelay), ("error", arguments.Outcome.Exception?.Message));
                    return ValueTask.CompletedTask;
                },
            });
        }

        pipeline = builder.Build();
    }

    /// <summary>Runs a request until it succeeds, fails for good, or its attempts are used up.</summary>
    /// <param name="what">The request and its object, for messages; no secrets.</param>
    /// <param name="attempt">One attempt. It must be repeatable from the start.</param>
    /// <param name="cancellationToken">Ends attempts and waits.</param>
    /// <exception cref="ReplicaException">It failed; transient if another try later may succeed.</exception>
    public async ValueTask<T> ExecuteAsync<T>(string what, Func<CancellationToken, ValueTask<T>> attempt, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(attempt);
        ResilienceContext context = ResilienceContextPool.Shared.Get(continueOnCapturedContext: false, cancellationToken);
        context.Properties.Set(What, what);
        try
        {
            return await pipeline.ExecuteAsync(
                async (c, run) =>
                {
                    await run.pacer.WaitAsync(c.CancellationToken).ConfigureAwait(false);
                    return await run.attempt(c.CancellationToken).ConfigureAwait(false);
                },
                context,
                (pacer, attempt)).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is not ReplicaException && IsOfTransport(failure, cancellationToken))
        {
            bool transient = IsTransient(failure, cancellationToken);
            throw new ReplicaException(
                $"{what}: {Describe(failure)}{(transient && attempts > 1 ? $" (after {attempts} attempts)" : "")}", transient, failure);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    /// <summary>Whether another attempt may succeed. The caller's own cancellation never is (trap T15).</summary>
    internal static bool IsTransient(Exception failure, CancellationToken caller) => failure switch
    {
        _ when caller.IsCancellationRequested => false,
        ReplicaException replica => replica.IsTransient,
        HttpRequestException { InnerException: AuthenticationException } => false,
        HttpRequestException or IOException or SocketException or TimeoutException or OperationCanceledException => true,
        _ => false,
    };

    /// <summary>Wait before the next attempt: what the server asks for, else a random part of the doubled base.</summary>
    internal static TimeSpan DelayBefore(int failedAttempts, Exception? failure, RetryOptions options)
    {
        if (failure is ThrottledException { RetryAfter: { } asked })
        {
            return asked < RetryOptions.MaxRetryAfter ? asked : RetryOptions.MaxRetryAfter;
        }

        double most = Math.Min(options.MaxDelay.TotalMilliseconds, options.BaseDelay.TotalMilliseconds * Math.Pow(2, Math.Min(failedAttempts, 30)));
        return TimeSpan.FromMilliseconds(most * Jitter());
    }

    private static bool IsOfTransport(Exception failure, CancellationToken caller) =>
        failure is HttpRequestException or IOException or SocketException or TimeoutException
        || (failure is OperationCanceledException && !caller.IsCancellationRequested);

    private static string Describe(Exception failure) => failure switch
    {
        HttpRequestException { InnerException: AuthenticationException inner } =>
            $"the server's certificate was refused: {inner.InnerException?.Message ?? inner.Message}",
        OperationCanceledException => "no answer in time",
        HttpRequestException { InnerException: { } inner } http => $"{http.Message}: {inner.Message}",
        _ => failure.Message,
    };

    // Jitter only spreads retries of many processes; nothing depends on its values.
    private static double Jitter() => System.Security.Cryptography.RandomNumberGenerator.GetInt32(1_000_001) / 1_000_000.0;
}
