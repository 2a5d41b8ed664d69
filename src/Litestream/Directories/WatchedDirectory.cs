using Litestream.Storage;

namespace Litestream.Directories;

/// <summary>A directory whose databases are replicated as they come and go.</summary>
public sealed record WatchedDirectory
{
    /// <summary>Absolute path.</summary>
    public required string Path { get; init; }

    /// <summary>Whether directories below it count.</summary>
    public bool Recursive { get; init; }

    /// <summary>Whether the name of a file is one of those looked for.</summary>
    public required Func<string, bool> Matches { get; init; }

    /// <summary>Directories that are not entered: file replicas and state directories inside the tree (cli trap B39).</summary>
    public required Func<string, bool> IsExcluded { get; init; }

    /// <summary>
    /// Settings and replica of a database that was found, by its absolute path. May throw <see cref="InvalidOperationException"/>: the
    /// database is then reported and left out.
    /// </summary>
    public required Func<string, (DatabaseOptions Options, IReplicaClient Client)> Configure { get; init; }

    /// <summary>How often the directory is read where change notification does not work. Default 1 s; longer if reading it takes long.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(1);
}
