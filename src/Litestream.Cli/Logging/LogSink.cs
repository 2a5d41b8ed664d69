using Litestream.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Logging;

/// <summary>
/// Writes log records as one line each to one of the two streams. It is provider and factory in one: there is only one sink
/// in the process, and records carry their origin as attributes (cli-config-control §10).
/// </summary>
internal sealed class LogSink : ILoggerFactory, ILoggerProvider, ILogger
{
    private readonly Lock gate = new();
    private readonly LogSettings settings;
    private readonly TextWriter writer;
    private readonly TimeProvider clock;
    private readonly bool colors;

    public LogSink(LogSettings settings, CliHost host)
    {
        this.settings = settings;
        writer = settings.ToError ? host.Error : host.Output;
        colors = settings.ToError ? host.IsErrorTerminal : host.IsOutputTerminal;
        clock = host.Clock;
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("the command line has one log sink");

    public bool IsEnabled(LogLevel logLevel) => logLevel >= settings.Level && logLevel != LogLevel.None;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        LogRecord? record = state as LogRecord;
        string message = record?.Message ?? formatter(state, exception);
        List<KeyValuePair<string, object?>> attributes = record is null ? [] : [.. record];
        if (exception is not null)
        {
            attributes.Add(new("error", exception));
        }

        DateTimeOffset time = clock.GetLocalNow();
        string line = settings.Format switch
        {
            LogFormat.Json => JsonLogLine.Format(time, logLevel, message, attributes),
            LogFormat.Pretty => PrettyLogLine.Format(time, logLevel, message, attributes, colors),
            _ => TextLogLine.Format(time, logLevel, message, attributes),
        };

        // One call per record: lines of several threads never mix.
        lock (gate)
        {
            writer.Write(line);
        }
    }

    public void Dispose()
    {
    }
}
