using System.Collections;
using Microsoft.Extensions.Logging;

namespace Litestream.Diagnostics;

/// <summary>
/// Log records as scripts of existing users expect them: a constant message and attributes whose names are part of the
/// compatibility surface and are not C# identifiers (<c>sync-interval</c>, <c>txid.replica</c>; cli-config-control §10).
/// </summary>
public static class StructuredLog
{
    /// <summary>Writes one record, if the level is enabled. Nothing is formatted here; the sink does that.</summary>
    /// <param name="logger">The sink.</param>
    /// <param name="level">Severity.</param>
    /// <param name="message">Constant text, no values in it.</param>
    /// <param name="attributes">Names and values in the order of output.</param>
    public static void Write(this ILogger logger, LogLevel level, string message, params ReadOnlySpan<LogAttribute> attributes)
    {
        ArgumentNullException.ThrowIfNull(logger);
        if (logger.IsEnabled(level))
        {
            logger.Log(level, default, new LogRecord(message, attributes.ToArray()), null, static (record, _) => record.ToString());
        }
    }
}

/// <summary>A named value of a log record. A dot in the name makes a group (<c>txid.min</c>).</summary>
/// <param name="Name">Name as it is written.</param>
/// <param name="Value">Value; null is written as empty.</param>
public readonly record struct LogAttribute(string Name, object? Value)
{
    /// <summary>Lets call sites write <c>("name", value)</c>.</summary>
    public static implicit operator LogAttribute((string Name, object? Value) pair) => new(pair.Name, pair.Value);

    /// <summary>Named form of the conversion.</summary>
    public static LogAttribute FromValueTuple((string Name, object? Value) pair) => new(pair.Name, pair.Value);
}

/// <summary>The state of a record written by <see cref="StructuredLog.Write"/>; sinks look for this type.</summary>
/// <param name="message">Constant text.</param>
/// <param name="attributes">Names and values.</param>
public sealed class LogRecord(string message, LogAttribute[] attributes) : IReadOnlyList<KeyValuePair<string, object?>>
{
    /// <summary>Constant text.</summary>
    public string Message { get; } = message;

    /// <inheritdoc/>
    public int Count => attributes.Length;

    /// <inheritdoc/>
    public KeyValuePair<string, object?> this[int index] => new(attributes[index].Name, attributes[index].Value);

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, object?>> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
        {
            yield return this[i];
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Message and attributes in one line, for sinks that know nothing of the structure.</summary>
    public override string ToString() =>
        Count == 0 ? Message : $"{Message} {string.Join(' ', this.Select(a => $"{a.Key}={a.Value}"))}";
}
