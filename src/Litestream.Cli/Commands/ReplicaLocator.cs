using Litestream.Configuration;
using Litestream.Configuration.Targets;

namespace Litestream.Cli.Commands;

/// <summary>Finds the replica that an argument of <c>ltx</c> or <c>restore</c> names: a URL, or a configured database (§2.2, §2.5).</summary>
internal static class ReplicaLocator
{
    /// <summary>Whether a word is a replica URL: <c>^\w+://</c>.</summary>
    public static bool IsUrl(string argument) => ReplicaTarget.IsUrl(argument);

    /// <summary>The database of an argument; for a URL its path is empty.</summary>
    public static ConfiguredDatabase Find(CliHost host, ConfigFlags config, string argument) =>
        IsUrl(argument) ? FindUrl(host, config, argument) : FindPath(host, config.Load(), argument);

    /// <summary>A replica outside any configuration.</summary>
    /// <exception cref="CliException">A configuration is given, too.</exception>
    public static ConfiguredDatabase FindUrl(CliHost host, ConfigFlags config, string url)
    {
        if (config.Path.Length > 0)
        {
            throw new CliException("cannot specify a replica URL and the -config flag");
        }

        WarnOfSecret(host, url);
        LitestreamConfiguration empty = new ConfigurationLoader(host.Configuration).Parse("");
        return new DatabaseResolver(empty, host.Configuration).ForArguments("", url);
    }

    /// <summary>Says on standard error that a password among the arguments can be seen by every user of the machine (decision D37).</summary>
    public static void WarnOfSecret(CliHost host, string url)
    {
        if (SecretsInUrl.Has(url))
        {
            host.Error.WriteLine(
                $"Warning: the replica URL {SecretsInUrl.Redact(url)} holds a secret, which every user of this machine can read in the list of processes; write it into the configuration file or the environment");
        }
    }

    /// <summary>A configured database.</summary>
    /// <exception cref="CliException">The configuration says nothing about it.</exception>
    public static ConfiguredDatabase FindPath(CliHost host, LitestreamConfiguration configuration, string argument)
    {
        host.Replicas.Apply(configuration);
        string path = host.Paths.Expand(argument);
        return new DatabaseResolver(configuration, host.Configuration).Find(path)
            ?? throw new CliException($"database not found in config: {path}");
    }
}
