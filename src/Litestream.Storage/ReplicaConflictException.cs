namespace Litestream.Storage;

/// <summary>
/// Another process wrote an object that this process was about to create: two writers on one replica. Going on would mix two
/// histories, so the database stops (decision D35).
/// </summary>
public sealed class ReplicaConflictException(string location)
    : ReplicaException(
        $"second writer detected: {location} exists with other content. Stop the other process that replicates to this path, "
        + "or give this database a replica path of its own",
        isTransient: false)
{
    /// <summary>The object that exists.</summary>
    public string Location { get; } = location;
}
