using Litestream.Cli.Flags;
using Litestream.Cli.Logging;
using Litestream.Cli.Replication;
using Litestream.Configuration;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream replicate</c>: the daemon (§2.1).</summary>
internal sealed class ReplicateCommand : Command
{
    private readonly ConfigFlags config;
    private readonly TextFlag exec;
    private readonly BooleanFlag once;
    private readonly BooleanFlag forceSnapshot;
    private readonly BooleanFlag enforceRetention;
    private readonly TextFlag logLevel;
    private readonly BooleanFlag restoreMissing;

    public ReplicateCommand(CliHost host)
        : base(host)
    {
        config = new ConfigFlags(host, Flags);
        exec = Flags.Add(new TextFlag("exec", "CMD", "Run a program and replicate while it runs. Its exit code becomes the exit code."));
        once = Flags.Add(new BooleanFlag("once", "Sync every database once and end."));
        forceSnapshot = Flags.Add(new BooleanFlag("force-snapshot", "With -once: write a full snapshot of every database, too."));
        enforceRetention = Flags.Add(new BooleanFlag("enforce-retention", "With -once: delete expired files."));
        logLevel = Flags.Add(new TextFlag("log-level", "LEVEL", "Smallest level to log: trace, debug, info, warn, error."));
        restoreMissing = Flags.Add(new BooleanFlag(
            "restore-if-db-not-exists", "Restore every configured database whose file is missing\nbefore replication starts."));
    }

    public override string Name => "replicate";

    public override string Summary => "replicate databases until stopped";

    public override IReadOnlyList<string> Synopsis => ["replicate [arguments]", "replicate [arguments] DB_PATH REPLICA_URL"];

    public override string Description => """
        Watches the databases of the configuration file, or the one given as an argument,
        and copies every committed change to their replicas. SIGINT or SIGTERM end it
        after a final sync; a second signal does not wait for a replica that fails.
        The exit code is not 0 if the final sync failed.
        """;

    public override async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        if (forceSnapshot.Value && !once.Value)
        {
            throw new CliException("cannot specify -force-snapshot flag without -once");
        }

        if (enforceRetention.Value && !once.Value)
        {
            throw new CliException("cannot specify -enforce-retention flag without -once");
        }

        ReplicationRequest request = arguments.Count > 0 ? FromArguments(arguments) : FromConfiguration();
        string command = exec.Value.Length > 0 ? exec.Value : request.Configuration.Exec;
        if (once.Value && command.Length > 0)
        {
            throw new CliException("cannot specify -once flag with -exec");
        }

        request = request with
        {
            ExecWords = command.Length > 0 ? ShellWords.Split(command) : [],
            Once = once.Value,
            ForceSnapshot = forceSnapshot.Value,
            EnforceRetention = enforceRetention.Value,
        };
        LogSettings settings = LogSettings.Create(request.Configuration.Logging, Host.GetVariable, logLevel.Value);
        using LogSink sink = new(settings, Host);
        return await new ReplicationRun(Host, request, sink).RunAsync().ConfigureAwait(false);
    }

    private ReplicationRequest FromConfiguration()
    {
        LitestreamConfiguration configuration = config.LoadQuietly();
        if (restoreMissing.Value)
        {
            configuration.RestoreMissingDatabases();
        }

        DatabaseResolver resolver = new(configuration, Host.Configuration);
        string level = logLevel.Value.Length > 0 ? logLevel.Value : configuration.Logging.Level;
        return new ReplicationRequest(configuration, () => new ReplicationPlan(resolver.ResolveAll(), resolver.Directories, resolver.WatchedEntries()), level);
    }

    private ReplicationRequest FromArguments(IReadOnlyList<string> arguments)
    {
        if (arguments.Skip(1).FirstOrDefault(a => a.StartsWith('-')) is { } late)
        {
            throw new CliException($"flag \"{late}\" must be positioned before DB_PATH and REPLICA_URL arguments");
        }

        if (arguments.Count == 1)
        {
            throw new CliException($"must specify at least one replica URL for {arguments[0]}");
        }

        if (config.Path.Length > 0)
        {
            throw new CliException("cannot specify a replica URL and the -config flag");
        }

        ReplicaLocator.WarnOfSecret(Host, arguments[1]);
        LitestreamConfiguration configuration = new ConfigurationLoader(Host.Configuration).Parse("");
        string path = Host.Paths.Expand(arguments[0]);
        return new ReplicationRequest(
            configuration,
            () =>
            {
                if (arguments.Count > 2)
                {
                    throw new CliException("multiple replicas on a single database are no longer supported");
                }

                ConfiguredDatabase database = new DatabaseResolver(configuration, Host.Configuration).ForArguments(path, arguments[1]);
                return new ReplicationPlan([database with { RestoreIfMissing = restoreMissing.Value }], [], []);
            },
            logLevel.Value.Length > 0 ? logLevel.Value : "INFO");
    }
}
