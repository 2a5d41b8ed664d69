using Litestream.Cli.Logging;
using Litestream.Configuration;
using Litestream.Configuration.Targets;
using Litestream.Storage;
using Litestream.Storage.Transport;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Litestream.Cli;

/// <summary>
/// Creates the storage clients of a process and owns what they share: connections, pacing, time limits. A backend that is added later
/// gets its line here.
/// </summary>
internal sealed class ReplicaClients(CliHost host) : IDisposable
{
    private TransportOptions options = new() { Time = host.Clock, GetVariable = name => StorageVariables.Get(host.GetVariable, name) };
    private StorageTransport? transport;

    private StorageTransport Transport => transport ??= new StorageTransport(options);

    /// <summary>Takes the limits of a configuration; called before the first client is created.</summary>
    public void Apply(LitestreamConfiguration configuration) => options = options with
    {
        ConnectTimeout = configuration.ConnectTimeout,
        IdleTimeout = configuration.IdleTimeout,
        MaxRequestsPerSecond = configuration.MaxRequestsPerSecond,
    };

    /// <summary>Where retries and warnings of the clients go; called before the first client is created.</summary>
    public void Log(ILoggerFactory? loggers) => options = options with { Logger = loggers?.CreateLogger("storage") ?? NullLogger.Instance };

    /// <summary>The client of a target.</summary>
    /// <param name="target">Where the files are.</param>
    /// <param name="database">
    /// Database whose owner and mode a directory replica takes over and whose state directory others may use; null when there is none.
    /// </param>
    public IReplicaClient Create(ReplicaTarget target, DatabaseOptions? database = null) => target switch
    {
        FileTarget file => new FileReplicaClient(host.Files, file.Path, database?.Path),
        _ => throw new CliException($"replica type \"{target.Type}\" is not supported"),
    };

    /// <inheritdoc/>
    public void Dispose() => transport?.Dispose();
}
