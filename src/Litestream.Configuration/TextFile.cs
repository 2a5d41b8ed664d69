using Litestream.Storage;

namespace Litestream.Configuration;

/// <summary>Reading of small files through the file-system seam.</summary>
internal static class TextFile
{
    /// <summary>All bytes of a file.</summary>
    /// <exception cref="ConfigurationException">The file is larger than the limit.</exception>
    public static byte[] ReadBytes(IFileSystem files, string path, int limit)
    {
        using IFile file = files.OpenRead(path);
        if (file.Length > limit)
        {
            throw new ConfigurationException($"read {path}: file is larger than {limit} bytes");
        }

        byte[] content = new byte[file.Length];
        int filled = 0;
        while (filled < content.Length)
        {
            int count = file.Read(content.AsSpan(filled), filled);
            if (count == 0)
            {
                Array.Resize(ref content, filled);
            }

            filled += count;
        }

        return content;
    }
}
