using Litestream.Storage;

namespace Litestream.State;

/// <summary>Small additions to the file-system seam.</summary>
internal static class FileSystemExtensions
{
    /// <summary>Removes a file on a path where a first failure is already on its way up and must not be replaced by a second one.</summary>
    public static void TryDelete(this IFileSystem fileSystem, string path)
    {
        try
        {
            fileSystem.Delete(path);
        }
        catch (IOException)
        {
        }
        catch (UnauthorizedAccessException)
        {
        }
    }
}
