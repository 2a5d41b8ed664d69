using Litestream.Cli.Flags;
using Litestream.Cli.Logging;
using Litestream.Configuration;
using Litestream.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Commands;

/// <summary>The flags of all commands that read the configuration file, and the reading (§2).</summary>
internal sealed class ConfigFlags
{
    private readonly CliHost host;
    private readonly TextFlag path;
    private readonly BooleanFlag noExpand;

    public ConfigFlags(CliHost host, FlagSet flags)
    {
        this.host = host;
        path = flags.Add(new TextFlag("config", "PATH", $"Configuration file (default {ConfigurationLoader.DefaultPath})."));
        noExpand = flags.Add(new BooleanFlag("no-expand-env", "Leave $NAME in the configuration file as it is."));
    }

    /// <summary>Value of <c>-config</c>; empty = not given.</summary>
    public string Path => path.Value;

    /// <summary>Reads the configuration. Its warnings go to standard error, so that results on standard output stay clean.</summary>
    public LitestreamConfiguration Load()
    {
        LitestreamConfiguration configuration = LoadQuietly();
        LogSettings settings = LogSettings.Create(configuration.Logging, host.GetVariable) with { ToError = true };
        using LogSink sink = new(settings, host);
        WriteWarnings(sink.CreateLogger(""), configuration.Warnings);
        return configuration;
    }

    /// <summary>Reads the configuration and leaves its warnings to the caller.</summary>
    public LitestreamConfiguration LoadQuietly()
    {
        ConfigurationLoader loader = new(host.Configuration);
        return loader.Load(loader.FindPath(path.Value), !noExpand.Value);
    }

    /// <summary>Logs what has no effect in a configuration (trap B1).</summary>
    public static void WriteWarnings(ILogger logger, IReadOnlyList<ConfigurationWarning> warnings)
    {
        foreach (ConfigurationWarning warning in warnings)
        {
            if (warning.Hint is null)
            {
                logger.Write(LogLevel.Warning, "configuration: " + warning.Message, ("line", warning.Line), ("key", warning.Key));
            }
            else
            {
                logger.Write(
                    LogLevel.Warning, "configuration: " + warning.Message,
                    ("line", warning.Line), ("key", warning.Key), ("hint", warning.Hint));
            }
        }
    }
}
