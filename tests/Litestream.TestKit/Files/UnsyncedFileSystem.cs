using Litestream.Storage;

namespace Litestream.TestKit.Files;

/// <summary>A file system that never waits for the disk: for tests about content that write many or large files.</summary>
public sealed class UnsyncedFileSystem(IFileSystem inner) : IFileSystem
{
    /// <inheritdoc/>
    public IFile OpenRead(string path) => inner.OpenRead(path);

    /// <inheritdoc/>
    public IFile Create(string path, FileOwnership? owner = null) => new UnsyncedFile(inner.Create(path, owner));

    /// <inheritdoc/>
    public FileStatus? Stat(string path) => inner.Stat(path);

    /// <inheritdoc/>
    public IReadOnlyList<DirectoryEntry> List(string path) => inner.List(path);

    /// <inheritdoc/>
    public void CreateDirectory(string path, FileOwnership? owner = null) => Directory.CreateDirectory(path);

    /// <inheritdoc/>
    public void Rename(string from, string to) => inner.Rename(from, to);

    /// <inheritdoc/>
    public void Link(string existing, string created) => inner.Link(existing, created);

    /// <inheritdoc/>
    public void Delete(string path) => inner.Delete(path);

    /// <inheritdoc/>
    public void DeleteTree(string path) => inner.DeleteTree(path);

    /// <inheritdoc/>
    public void SyncDirectory(string path)
    {
    }

    /// <inheritdoc/>
    public IDisposable? TryLock(string path) => inner.TryLock(path);

    /// <inheritdoc/>
    public void SetTimes(string path, DateTimeOffset time) => inner.SetTimes(path, time);

    private sealed class UnsyncedFile(IFile file) : IFile
    {
        public string Path => file.Path;

        public long Length => file.Length;

        public int Read(Span<byte> buffer, long offset) => file.Read(buffer, offset);

        public void Write(ReadOnlySpan<byte> buffer, long offset) => file.Write(buffer, offset);

        public void Sync()
        {
        }

        public void StartWriteback(long offset, long length)
        {
        }

        public void SetLength(long length) => file.SetLength(length);

        public void Dispose() => file.Dispose();
    }
}
