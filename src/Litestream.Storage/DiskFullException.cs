namespace Litestream.Storage;

/// <summary>No space or no quota is left (ENOSPC, EDQUOT; replication §9). Nothing was published.</summary>
public sealed class DiskFullException(string path, Exception? innerException = null)
    : IOException($"no space left on device: {path}", innerException)
{
    /// <summary>The file that could not grow.</summary>
    public string Path { get; } = path;
}

/// <summary>The name is taken (EEXIST).</summary>
public sealed class FileExistsException(string path, Exception? innerException = null)
    : IOException($"file exists: {path}", innerException)
{
    /// <summary>The taken path.</summary>
    public string Path { get; } = path;
}
