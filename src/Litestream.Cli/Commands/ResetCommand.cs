using Litestream.Cli.Flags;
using Litestream.Cli.Logging;
using Litestream.Configuration;
using Litestream.Diagnostics;
using Litestream.State;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream reset</c>: forgets the local state of a database (§2.6).</summary>
internal sealed class ResetCommand : Command
{
    private readonly ConfigFlags config;
    private readonly BooleanFlag dryRun;
    private readonly BooleanFlag force;

    public ResetCommand(CliHost host)
        : base(host)
    {
        config = new ConfigFlags(host, Flags);
        dryRun = Flags.Add(new BooleanFlag("dry-run", "Only print what would be removed."));
        force = Flags.Add(new BooleanFlag("force", "Reset although a running daemon replicates the database."));
    }

    public override string Name => "reset";

    public override string Summary => "forget the local replication state of a database";

    public override IReadOnlyList<string> Synopsis => ["reset [arguments] <path>"];

    public override string Description => """
        Removes the captured files that are kept beside a database, so that replication
        starts with a fresh copy. The database itself and its replica are not touched.
        Stop the daemon first; while one replicates the database nothing is removed.
        """;

    public override Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        RequireAtMost(arguments, 1);
        if (arguments.Count == 0)
        {
            throw new CliException("database path required", "litestream reset /path/to/db");
        }

        string path = Host.Paths.MakeAbsolute(arguments[0]);
        DatabaseOptions options = new() { Path = path, MetaPath = FindMetaPath(path) };
        if (Host.Files.Stat(path) is null)
        {
            throw new CliException($"database does not exist: {path}");
        }

        string meta = options.StateDirectory;
        string ltx = meta + "/ltx";
        if (Host.Files.Stat(meta) is null)
        {
            Print($"No local state to reset for {path}\nMeta directory does not exist: {meta}\n");
        }
        else if (dryRun.Value)
        {
            Preview(path, ltx);
        }
        else
        {
            RequireUnused(options);
            Remove(path, meta, ltx);
        }

        return Task.FromResult(0);
    }

    /// <summary>The configured state directory; an absent default configuration is fine (trap B14).</summary>
    private string? FindMetaPath(string path)
    {
        ConfigurationLoader loader = new(Host.Configuration);
        string file = loader.FindPath(config.Path);
        if (file == ConfigurationLoader.DefaultPath && Host.Files.Stat(file) is null)
        {
            return null;
        }

        try
        {
            return new DatabaseResolver(config.Load(), Host.Configuration).Find(path)?.Options.MetaPath;
        }
        catch (ConfigurationException e)
        {
            throw new CliException($"cannot read config: {e.Message}", inner: e);
        }
    }

    /// <summary>Files that a daemon is about to upload must not go under its feet (trap B15).</summary>
    private void RequireUnused(DatabaseOptions options)
    {
        if (!force.Value && StateDirectoryLock.IsHeld(Host.Files, options))
        {
            throw new CliException(
                $"reset failed: a running litestream process replicates {options.Path}; stop it first", $"litestream reset -force {options.Path}");
        }
    }

    private void Preview(string path, string ltx)
    {
        Print($"Dry run: local Litestream state would be reset for: {path}\nWould remove: {ltx}\n");
        List<string> files = [.. FilesBelow(ltx)];
        if (files.Count == 0)
        {
            Print("No local LTX files would be removed.\n");
            return;
        }

        Print("Files that would be removed:\n" + string.Concat(files.Select(f => $"  {f}\n")) + "No files were removed.\n");
    }

    private void Remove(string path, string meta, string ltx)
    {
        Print($"Resetting local Litestream state for: {path}\nRemoving: {ltx}\n");
        using LogSink sink = new(LogSettings.Default(Host.GetVariable), Host);
        ILogger logger = sink.CreateLogger("");
        string name = Path.GetFileName(path);
        logger.Write(LogLevel.Information, "resetting local litestream state", ("db", name), ("meta_path", meta), ("ltx_dir", ltx));
        try
        {
            Host.Files.DeleteTree(ltx);
        }
        catch (IOException e)
        {
            throw new CliException($"reset failed: {e.Message}", inner: e);
        }

        logger.Write(LogLevel.Information, "local state reset complete, next sync will create fresh snapshot", ("db", name));
        Print("Reset complete. Next replication sync will create a fresh snapshot.\n");
    }

    private IEnumerable<string> FilesBelow(string directory)
    {
        foreach (DirectoryEntry entry in Host.Files.List(directory).OrderBy(e => e.Name, StringComparer.Ordinal))
        {
            string path = directory + "/" + entry.Name;
            if (entry.Kind != FileKind.Directory)
            {
                yield return path;
                continue;
            }

            foreach (string below in FilesBelow(path))
            {
                yield return below;
            }
        }
    }
}
