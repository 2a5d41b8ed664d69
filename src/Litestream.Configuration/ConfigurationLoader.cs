using System.Text;
using Litestream.Configuration.Yaml;
using Litestream.Storage;

namespace Litestream.Configuration;

/// <summary>Reads <c>litestream.yml</c>: lookup, expansion, parsing, validation (§3.1, §3.2).</summary>
/// <param name="host">The process around it.</param>
public sealed class ConfigurationLoader(ConfigurationHost host)
{
    /// <summary>File used when neither flag nor variable names one.</summary>
    public const string DefaultPath = "/etc/litestream.yml";

    /// <summary>Name of the variable that names the file.</summary>
    public const string PathVariable = "LITESTREAM_CONFIG";

    private const int MaxFileSize = 16 << 20;

    /// <summary>The path in force: the flag, else the variable, else the default (§3.1).</summary>
    /// <param name="flag">Value of <c>-config</c>; empty = not given.</param>
    public string FindPath(string flag)
    {
        if (flag.Length > 0)
        {
            return flag;
        }

        return host.GetVariable(PathVariable) is { Length: > 0 } variable ? variable : DefaultPath;
    }

    /// <summary>Reads and validates a file.</summary>
    /// <param name="path">Path as given; it is expanded (§1.5).</param>
    /// <param name="expandEnvironment">Whether <c>$NAME</c> in the text is expanded.</param>
    /// <exception cref="ConfigurationException">The file is missing, no YAML, or invalid.</exception>
    public LitestreamConfiguration Load(string path, bool expandEnvironment = true)
    {
        string expanded = new PathExpander(host).Expand(path);
        CheckReadable(expanded);
        try
        {
            return Parse(Encoding.UTF8.GetString(TextFile.ReadBytes(host.Files, expanded, MaxFileSize)), expandEnvironment);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"cannot read config file {expanded}: {e.Message}", e);
        }
    }

    /// <summary>Parses and validates a configuration text.</summary>
    /// <param name="text">The text of the file.</param>
    /// <param name="expandEnvironment">Whether <c>$NAME</c> in it is expanded.</param>
    /// <exception cref="ConfigurationException">The text is no YAML, or invalid.</exception>
    public LitestreamConfiguration Parse(string text, bool expandEnvironment = true)
    {
        List<ConfigurationWarning> warnings = [];
        if (expandEnvironment)
        {
            text = new EnvironmentExpander(host, warnings).Expand(text);
        }

        LitestreamConfiguration configuration = new();
        if (YamlDocument.Parse(text) is { } root)
        {
            YamlDecoder decoder = new(warnings);
            decoder.Map(root, configuration, LitestreamConfiguration.Fields, "the configuration");
            decoder.ThrowIfErrors();
        }

        configuration.Warnings = [.. warnings.OrderBy(w => w.Line)];
        ConfigurationValidator.Validate(configuration, new PathExpander(host));
        configuration.Unavailable = UnavailableFeatures.Find(configuration);
        return configuration;
    }

    private void CheckReadable(string path)
    {
        switch (host.Files.Stat(path)?.Kind)
        {
            case FileKind.Directory:
                throw new ConfigurationException($"read {path}: is a directory");
            case null:
                // A parent that is a file is a mistake of another kind than a file that is not there.
                for (string? parent = Path.GetDirectoryName(path); parent is not null; parent = Path.GetDirectoryName(parent))
                {
                    if (host.Files.Stat(parent) is { Kind: not FileKind.Directory })
                    {
                        throw new ConfigurationException($"open {path}: not a directory");
                    }
                }

                throw new ConfigurationException($"config file not found: {path}");
        }
    }
}
