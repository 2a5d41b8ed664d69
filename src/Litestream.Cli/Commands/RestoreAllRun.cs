using System.Globalization;
using Litestream.Cli.Logging;
using Litestream.Cli.Output;
using Litestream.Configuration;
using Litestream.Diagnostics;
using Litestream.Restore;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream restore -all</c>: every configured database, a few at a time (decision D15).</summary>
internal sealed class RestoreAllRun(CliHost host, ConfigFlags config, RestoreFlags flags)
{
    /// <summary>Databases at once: enough to hide the waits of a store, few enough for a small machine.</summary>
    private const int MaxAtOnce = 4;

    private readonly Lock gate = new();

    /// <summary>Restores all; one that fails does not stop the others.</summary>
    /// <returns>Exit code.</returns>
    /// <exception cref="CliException">Arguments that make no sense together; or some failed.</exception>
    public async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        RefuseContradictions(arguments);
        LitestreamConfiguration configuration = config.Load();
        DatabaseResolver resolver = new(configuration, host.Configuration);
        IReadOnlyList<ConfiguredDatabase> databases = resolver.ResolveAll(allowEmptyDirectories: true);
        foreach (ScannedDirectory empty in resolver.Directories.Where(directory => directory.Count == 0))
        {
            host.Error.Write(
                $"Warning: no database is in {empty.Directory} ({empty.Pattern}): those of a directory are known by their files; restore missing ones by replica URL\n");
        }

        LogSettings settings = LogSettings.Create(configuration.Logging, host.GetVariable);
        using LogSink sink = new(settings with { ToError = true }, host);
        host.Replicas.Apply(configuration);
        host.Replicas.Log(sink);
        ILogger logger = sink.CreateLogger("");
        int atOnce = Math.Clamp(databases.Count, 1, MaxAtOnce);
        int failed = 0;
        using SignalCancellation signals = new();
        await signals.RunAsync(async token =>
        {
            ParallelOptions options = new() { MaxDegreeOfParallelism = atOnce, CancellationToken = token };
            await Parallel.ForEachAsync(databases, options, async (database, stop) =>
            {
                if (!await TryRestoreAsync(database, atOnce, logger, stop).ConfigureAwait(false))
                {
                    Interlocked.Increment(ref failed);
                }
            }).ConfigureAwait(false);
            return 0;
        }).ConfigureAwait(false);
        return failed == 0 ? 0 : throw new CliException(
            string.Create(CultureInfo.InvariantCulture, $"{failed} of {databases.Count} databases could not be restored"));
    }

    private void RefuseContradictions(IReadOnlyList<string> arguments)
    {
        if (arguments.Count > 0)
        {
            throw new CliException("cannot specify a database or replica URL with -all");
        }

        string? conflict = (flags.Txid.Value.IsNone, flags.Follow.Value, flags.Delta.Value.Length > 0, flags.DryRun.Value) switch
        {
            (false, _, _, _) => "-txid",
            (_, true, _, _) => "-f",
            (_, _, true, _) => "-delta",
            (_, _, _, true) => "-dry-run",
            _ => null,
        };
        if (conflict is not null)
        {
            throw new CliException($"cannot use -all with {conflict}");
        }

        flags.ToOptions("/", isUrl: false);
    }

    private async Task<bool> TryRestoreAsync(ConfiguredDatabase database, int atOnce, ILogger logger, CancellationToken stop)
    {
        long began = host.Clock.GetTimestamp();
        string output = Output(database.Options.Path);
        RestoreOptions options = flags.ToOptions(output, isUrl: false);
        options = options with { Parallelism = Math.Max(1, options.Parallelism / atOnce) };
        try
        {
            if (flags.IfDatabaseMissing.Value && host.Files.Stat(output) is not null)
            {
                Report(output, database.Target.Type, default, began, "skipped", "database already exists");
                return true;
            }

            IReplicaClient client = host.Replicas.Create(database.Target, asOf: flags.AsOf);
            await using (client.ConfigureAwait(false))
            {
                await client.InitializeAsync(stop).ConfigureAwait(false);
                RestoreResult result = await new Restorer(client, host.Files, host.Clock, logger).RestoreAsync(options, null, stop).ConfigureAwait(false);
                lock (gate)
                {
                    RestoreCommand.WriteWarnings(host, result, logger);
                }

                Report(output, client.Type, result.Txid, began, "restored", "");
                return true;
            }
        }
        catch (RestoreUnavailableException e) when (flags.IfReplicaExists.Value && e.Reason == RestoreUnavailableReason.EmptyReplica)
        {
            Report(output, database.Target.Type, default, began, "skipped", "no matching backups found");
            return true;
        }
        catch (Exception e) when (!stop.IsCancellationRequested && (e is CliException || CommandLine.IsExpected(e)))
        {
            Report(output, database.Target.Type, default, began, "failed", e.Message);
            return false;
        }
    }

    /// <summary>
    /// Where a database goes: its own path, or that whole path below the directory of <c>-o</c>. Paths differ, so outputs do, too.
    /// </summary>
    private string Output(string path)
    {
        if (flags.Output.Value.Length == 0)
        {
            return path;
        }

        // "/data/app.db" goes to "DIR/data/app.db", a path with a drive to "DIR/C/data/app.db".
        string root = Path.GetPathRoot(path) ?? "";
        string drive = root.Replace(":", "", StringComparison.Ordinal).Trim('/', '\\');
        return Path.Join(host.Paths.MakeAbsolute(flags.Output.Value), drive, path[root.Length..]);
    }

    private void Report(string path, string replica, Ltx.Txid txid, long began, string status, string message)
    {
        lock (gate)
        {
            if (flags.Json.Value)
            {
                host.Output.Write(JsonOutput.FormatLine(writer =>
                {
                    writer.WriteStartObject();
                    RestoreResultJson.Write(writer, path, replica, txid, host.Clock.GetElapsedTime(began), flags.IntegrityWord);
                    writer.WriteString("status", status);
                    writer.WriteString("message", message);
                    writer.WriteEndObject();
                }));
                return;
            }

            string detail = (txid.IsNone, message.Length) switch { (false, _) => $" to {txid}", (true, > 0) => $": {message}", _ => "" };
            host.Output.Write($"{path}: {status}{detail}\n");
        }
    }
}
