using System.Collections.Concurrent;
using Litestream.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Litestream.Tests.Support;

/// <summary>Keeps every log record, so that a test can say what a user would have read.</summary>
internal sealed class RecordingLogs : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> records = new();
    private volatile TaskCompletionSource added = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public IReadOnlyList<(LogLevel Level, string Text)> Records => [.. records];

    public bool Contains(string text) => Count(text) > 0;

    /// <summary>True if something was said that a user should read: a full copy of a database whose continuity broke, for example.</summary>
    public bool HasWarnings => records.Any(r => r.Level >= LogLevel.Warning);

    public int Count(string text) => records.Count(r => r.Text.Contains(text, StringComparison.Ordinal));

    /// <summary>Waits until a text was logged so often.</summary>
    public async Task WaitForAsync(string text, int count = 1)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(40));
        while (true)
        {
            Task next = added.Task;
            if (Count(text) >= count)
            {
                return;
            }

            try
            {
                await next.WaitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"not logged {count} times: {text}; but: {string.Join('\n', records.TakeLast(20))}");
            }
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        records.Enqueue((logLevel, formatter(state, exception)));
        Interlocked.Exchange(ref added, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult();
    }

    public void Dispose()
    {
    }
}
