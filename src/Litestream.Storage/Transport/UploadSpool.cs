using System.Buffers;
using System.Security.Cryptography;

namespace Litestream.Storage.Transport;

/// <summary>
/// Where parts of uploads wait that are too large for memory (decision D34). Their files lose their name as soon as they are open, so that
/// whatever ends the process also removes them; a kill in that instant leaves an empty file with the ending of all temporary files, which
/// the next start of the daemon removes.
/// </summary>
/// <param name="Files">File system of the directory.</param>
/// <param name="Directory">Absolute path, of the state directory of a database where there is one; created when needed.</param>
public sealed record UploadSpool(IFileSystem Files, string Directory)
{
    /// <summary>Bytes that are read from or written to a file at a time.</summary>
    internal const int SliceBytes = 256 << 10;

    /// <summary>The directory of the machine for temporary files: for uploads of a process that has no state directory.</summary>
    public static UploadSpool Temporary { get; } = new(LocalFileSystem.Instance, Path.GetFullPath(Path.GetTempPath()));

    /// <summary>Most bytes of one part in memory, at most <see cref="UploadPartSize.MaxBytesInFlight"/>, which is the default; what is larger goes to a file.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not from 1 to <see cref="UploadPartSize.MaxBytesInFlight"/>.</exception>
    public long MemoryLimit
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, UploadPartSize.MaxBytesInFlight);
            field = value;
        }
    } = UploadPartSize.MaxBytesInFlight;

    /// <summary>Where buffers come from.</summary>
    internal ArrayPool<byte> Pool { get; init; } = ArrayPool<byte>.Shared;

    /// <summary>The same place for parts that may hold less memory.</summary>
    /// <param name="bytes">The limit; a smaller one that is set already stays.</param>
    public UploadSpool WithMemory(long bytes) => this with { MemoryLimit = Math.Min(MemoryLimit, bytes) };

    /// <summary>A new, empty file without a name.</summary>
    /// <exception cref="IOException">It cannot be created.</exception>
    internal IFile Create()
    {
        string path = Path.Combine(Directory, $"upload-{RandomNumberGenerator.GetHexString(16, lowercase: true)}.tmp");
        IFile file = CreateNamed(path);
        try
        {
            Files.Delete(path);
        }
        catch
        {
            file.Dispose();
            throw;
        }

        return file;
    }

    private IFile CreateNamed(string path)
    {
        try
        {
            return Files.Create(path);
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            Files.CreateDirectory(Directory);
            return Files.Create(path);
        }
    }
}
