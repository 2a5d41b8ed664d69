namespace Litestream.Storage.Sftp;

/// <summary>Small local files read whole.</summary>
internal static class LocalText
{
    /// <summary>Content of a file.</summary>
    /// <exception cref="IOException">It cannot be read or is larger than the limit.</exception>
    internal static byte[] Read(IFileSystem files, string path, int limit)
    {
        using IFile file = files.OpenRead(path);
        long length = file.Length;
        if (length > limit)
        {
            throw new IOException($"{path} has {length} bytes, more than {limit}");
        }

        byte[] content = new byte[length];
        int count = 0;
        int read;
        while (count < content.Length && (read = file.Read(content.AsSpan(count), count)) > 0)
        {
            count += read;
        }

        return content[..count];
    }
}
