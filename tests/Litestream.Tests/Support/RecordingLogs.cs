using System.Collections.Concurrent;
using Litestream.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Litestream.Tests.Support;

/// <summary>Keeps every log record, so that a test can say what a user would have read.</summary>
internal sealed class RecordingLogs : ILoggerFactory, ILogger
{
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> records = new();

    public IReadOnlyList<(LogLevel Level, string Text)> Records => [.. records];

    public bool Contains(string text) => records.Any(r => r.Text.Contains(text, StringComparison.Ordinal));

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        records.Enqueue((logLevel, formatter(state, exception)));

    public void Dispose()
    {
    }
}
