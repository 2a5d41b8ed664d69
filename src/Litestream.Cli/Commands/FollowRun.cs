using System.Runtime.InteropServices;
using Litestream.Cli.Output;
using Litestream.Diagnostics;
using Litestream.Follow;
using Litestream.Restore;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream restore -f</c>: follows a replica until a signal comes, which is success (§2.2).</summary>
internal sealed class FollowRun(CliHost host, RestoreFlags flags, ILogger logger) : IProgress<FollowProgress>
{
    private string target = "";

    /// <summary>Restores or continues the database and follows.</summary>
    /// <param name="client">The replica.</param>
    /// <param name="options">What the flags say.</param>
    /// <param name="path">Output path as the user gave it.</param>
    /// <param name="exists">Whether there is something at the output path.</param>
    /// <returns>Exit code.</returns>
    public async Task<int> RunAsync(IReplicaClient client, RestoreOptions options, string path, bool exists)
    {
        target = path;
        if (exists && flags.Force.Value)
        {
            logger.Write(LogLevel.Warning, "-force has no effect with -f: an existing database is continued; delete it and its -txid file to restore it anew",
                ("output", options.OutputPath));
        }

        long began = host.Clock.GetTimestamp();
        Follower follower = new(client, host.Files, host.Clock, logger);
        FollowOptions following = new()
        {
            OutputPath = options.OutputPath,
            Interval = flags.FollowInterval.Value,
            Parallelism = options.Parallelism,
            IntegrityCheck = options.IntegrityCheck,
        };
        using ProgressLine? progress = host.IsErrorTerminal && host.IsOutputTerminal && !flags.Json.Value ? new ProgressLine(host) : null;
        using CancellationTokenSource stop = new();
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using PosixSignalRegistration terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        try
        {
            await follower.RunAsync(following, progress, this, stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // During the first restore: nothing was left behind, and the next start begins anew.
        }
        catch (RestoreUnavailableException e) when (flags.IfReplicaExists.Value && e.Reason == RestoreUnavailableReason.EmptyReplica)
        {
            logger.Write(LogLevel.Information, "no matching backups found");
            return 0;
        }

        if (flags.Json.Value)
        {
            host.Output.Write(RestoreResultJson.Format(path, client.Type, default, host.Clock.GetElapsedTime(began), flags.IntegrityWord));
        }

        return 0;

        void Stop(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }
    }

    /// <summary>With <c>-json</c> each applied transaction is one line of JSON on standard output (decision D18).</summary>
    public void Report(FollowProgress value)
    {
        if (flags.Json.Value)
        {
            host.Output.Write(JsonOutput.FormatLine(writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("event", "applied");
                writer.WriteString("db_path", target);
                writer.WriteString("from_txid", value.From.ToString());
                writer.WriteString("to_txid", value.To.ToString());
                writer.WriteNumber("files", value.Files);
                writer.WriteNumber("lag_ms", (long)value.Lag.TotalMilliseconds);
                writer.WriteEndObject();
            }));
        }
    }
}
