namespace Litestream.Restore;

/// <summary>The output path is taken. Nothing was fetched and nothing was changed.</summary>
public sealed class RestoreOutputException(string message, string path) : IOException(message)
{
    /// <summary>The path in the way.</summary>
    public string Path { get; } = path;
}
