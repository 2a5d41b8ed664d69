using Litestream.Configuration;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Logging;

/// <summary>Form of a log record.</summary>
internal enum LogFormat
{
    /// <summary><c>time=… level=INFO msg=…</c></summary>
    Text,

    /// <summary>One JSON object per line.</summary>
    Json,

    /// <summary>Short lines for people.</summary>
    Pretty,
}

/// <summary>Which records are written, how and where (cli-config-control §10).</summary>
/// <param name="Level">Smallest level.</param>
/// <param name="Format">Form.</param>
/// <param name="ToError">Standard error instead of standard output.</param>
internal sealed record LogSettings(LogLevel Level, LogFormat Format, bool ToError)
{
    public const string LevelVariable = "LOG_LEVEL";

    /// <summary>The settings without a configuration file.</summary>
    public static LogSettings Default(Func<string, string?> getVariable) => Create(new LoggingSettings(), getVariable);

    /// <summary>The settings in force: flag over variable over configuration (trap A23).</summary>
    /// <exception cref="CliException">The flag names no level (trap B38).</exception>
    public static LogSettings Create(LoggingSettings settings, Func<string, string?> getVariable, string flag = "")
    {
        if (flag.Length > 0 && Parse(flag) is null)
        {
            throw new CliException($"unknown -log-level \"{flag}\" (allowed: {string.Join(", ", LoggingSettings.Levels)})");
        }

        LogFormat format = settings.Type switch
        {
            "json" => LogFormat.Json,
            "pretty" => LogFormat.Pretty,
            _ => LogFormat.Text,
        };
        LogLevel? level = Parse(flag) ?? Parse(getVariable(LevelVariable) ?? "") ?? Parse(settings.Level);
        return new LogSettings(level ?? LogLevel.Information, format, settings.Stderr);
    }

    private static LogLevel? Parse(string word) => word.ToLowerInvariant() switch
    {
        "trace" => LogLevel.Trace,
        "debug" => LogLevel.Debug,
        "info" => LogLevel.Information,
        "warn" or "warning" => LogLevel.Warning,
        "error" => LogLevel.Error,
        _ => null,
    };
}
