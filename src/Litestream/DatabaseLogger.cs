using Litestream.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Litestream;

/// <summary>Puts <c>system=store db=&lt;file name&gt;</c> in front of the attributes of every record (cli-config-control §10).</summary>
internal sealed class DatabaseLogger(ILogger inner, string database) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => inner.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel) => inner.IsEnabled(logLevel);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (state is not LogRecord record)
        {
            inner.Log(logLevel, eventId, state, exception, formatter);
            return;
        }

        var attributes = new LogAttribute[record.Count + 2];
        attributes[0] = new LogAttribute("system", "store");
        attributes[1] = new LogAttribute("db", database);
        for (int i = 0; i < record.Count; i++)
        {
            attributes[i + 2] = new LogAttribute(record[i].Key, record[i].Value);
        }

        inner.Log(logLevel, eventId, new LogRecord(record.Message, attributes), exception, static (r, _) => r.ToString());
    }
}
