using Litestream.Configuration;
using Litestream.Configuration.Targets;

namespace Litestream.Cli.Commands;

/// <summary>Finds the replica that an argument of <c>ltx</c> or <c>restore</c> names: a URL, or a configured database (§2.2, §2.5).</summary>
internal static class ReplicaLocator
{
    /// <summary>The database of an argument; for a URL its path is empty.</summary>
    /// <param name="host">The process.</param>
    /// <param name="config">Flags of the command.</param>
    /// <param name="argument">Database path or replica URL.</param>
    /// <exception cref="CliException">The database is not configured, or URL and <c>-config</c> are given together.</exception>
    public static ConfiguredDatabase Find(CliHost host, ConfigFlags config, string argument)
    {
        if (!IsUrl(argument))
        {
            string path = host.Paths.Expand(argument);
            return new DatabaseResolver(config.Load(), host.Configuration).Find(path)
                ?? throw new CliException($"database not found in config: {path}");
        }

        if (config.Path.Length > 0)
        {
            throw new CliException("cannot specify a replica URL and the -config flag");
        }

        return new DatabaseResolver(new ConfigurationLoader(host.Configuration).Parse(""), host.Configuration).ForArguments("", argument);
    }

    /// <summary>Whether a word is a replica URL: <c>^\w+://</c>.</summary>
    public static bool IsUrl(string argument) => ReplicaTarget.IsUrl(argument);
}
