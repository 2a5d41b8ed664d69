using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Litestream.Storage.Transport;

/// <summary>What all network backends of a process share (backends §2, decisions D30, D39).</summary>
public sealed record TransportOptions
{
    /// <summary>Clock of time-outs, waits and pacing.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Where retries and warnings are written.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Environment of the process: credentials, emulators, certificate bundles.</summary>
    public Func<string, string?> GetVariable { get; init; } = Environment.GetEnvironmentVariable;

    /// <summary>Longest wait for a connection. Default 30 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Longest time without a byte in either direction while a request runs. Default 60 s.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Requests per second over all databases and backends, every attempt counted; 0 = no limit.</summary>
    public int MaxRequestsPerSecond { get; init; }

    /// <summary>
    /// Connections to one server at a time. Default 256: merges of files that are only on the replica hold up to 8 each, 24 of them can run, and
    /// uploads need some beside them. A restore uses no more than its parallelism.
    /// </summary>
    public int MaxConnections { get; init; } = 256;

    /// <summary>Retries of every backend instead of its own values; null = the backend's own.</summary>
    public RetryOptions? Retry { get; init; }
}

/// <summary>How often a request is tried and how long to wait in between (backends §2). Attempts are never shared between requests.</summary>
/// <param name="Attempts">Attempts in total, at least 1.</param>
/// <param name="BaseDelay">Upper bound of the first wait; it doubles with each further one.</param>
/// <param name="MaxDelay">Upper bound of every wait.</param>
public sealed record RetryOptions(int Attempts, TimeSpan BaseDelay, TimeSpan MaxDelay)
{
    /// <summary>10 attempts, 1 s doubling to 20 s: the values of S3, used where nothing else is said.</summary>
    public static RetryOptions Default { get; } = new(10, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(20));

    /// <summary>Longest wait that a server may ask for (<c>Retry-After</c>, decision D39).</summary>
    public static TimeSpan MaxRetryAfter { get; } = TimeSpan.FromSeconds(60);
}
