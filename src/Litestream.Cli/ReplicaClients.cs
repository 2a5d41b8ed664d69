using Litestream.Configuration.Targets;
using Litestream.Storage;

namespace Litestream.Cli;

/// <summary>Creates the storage client of a replica target. A backend that is added later gets its line here.</summary>
internal static class ReplicaClients
{
    /// <summary>Backends of this version.</summary>
    public static IReadOnlyList<string> Available { get; } = ["file"];

    /// <summary>The client of a target.</summary>
    /// <param name="target">Where the files are.</param>
    /// <param name="files">File system for directory replicas.</param>
    /// <param name="databasePath">Database whose owner and mode a directory replica takes over; null when there is none.</param>
    /// <exception cref="CliException">This version has no such backend.</exception>
    public static IReplicaClient Create(ReplicaTarget target, IFileSystem files, string? databasePath) => target switch
    {
        FileTarget file => new FileReplicaClient(files, file.Path, databasePath),
        _ => throw new CliException(
            $"replica type \"{target.Type}\" is not yet supported in this version (available: {string.Join(", ", Available)})"),
    };
}
