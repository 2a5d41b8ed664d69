using Litestream.Configuration;
using Litestream.Diagnostics;
using Litestream.Restore;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Cli.Replication;

/// <summary>Restores databases whose file is missing before replication starts (§2.1.1).</summary>
internal sealed class MissingDatabaseRestore(CliHost host, ILogger logger)
{
    /// <summary>Goes through the databases that ask for it.</summary>
    /// <exception cref="CliException">A backup is there but cannot be restored.</exception>
    public async Task RunAsync(IReadOnlyList<ConfiguredDatabase> databases, CancellationToken stop)
    {
        foreach (ConfiguredDatabase database in databases.Where(d => d.RestoreIfMissing))
        {
            string path = database.Options.Path;
            if (host.Files.Stat(path) is not null)
            {
                logger.Write(LogLevel.Information, "database exists, skipping restore", ("path", path));
                continue;
            }

            logger.Write(LogLevel.Information, "attempting restore before replication", ("path", path));
            await RestoreAsync(database, stop).ConfigureAwait(false);
        }
    }

    private async Task RestoreAsync(ConfiguredDatabase database, CancellationToken stop)
    {
        string path = database.Options.Path;
        IReplicaClient client = host.Replicas.Create(database.Target, database.Options);
        await using (client.ConfigureAwait(false))
        {
            try
            {
                await client.InitializeAsync(stop).ConfigureAwait(false);
                Restorer restorer = new(client, host.Files, host.Clock, logger);
                await restorer.RestoreAsync(new RestoreOptions { OutputPath = path }, null, stop).ConfigureAwait(false);
                logger.Write(LogLevel.Information, "restore completed", ("path", path));
            }
            catch (RestoreUnavailableException e) when (e.Reason == RestoreUnavailableReason.EmptyReplica)
            {
                logger.Write(LogLevel.Information, "no backup found, starting fresh", ("path", path));
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                throw new CliException($"restore failed: {e.Message}", inner: e);
            }
        }
    }
}
