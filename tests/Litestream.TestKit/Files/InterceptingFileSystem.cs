using Litestream.Storage;

namespace Litestream.TestKit.Files;

/// <summary>A file system around another one that sees every call before and after it happens.</summary>
public abstract class InterceptingFileSystem(IFileSystem inner) : IFileSystem
{
    /// <inheritdoc/>
    public IFile OpenRead(string path) => Around(FileOperation.OpenRead, path, () => Wrap(inner.OpenRead(path)));

    /// <inheritdoc/>
    public IFile Create(string path, FileOwnership? owner = null) =>
        Around(FileOperation.Create, path, () => Wrap(inner.Create(path, owner)));

    /// <inheritdoc/>
    public FileStatus? Stat(string path) => Around(FileOperation.Stat, path, () => inner.Stat(path));

    /// <inheritdoc/>
    public IReadOnlyList<DirectoryEntry> List(string path) => Around(FileOperation.List, path, () => inner.List(path));

    /// <inheritdoc/>
    public void CreateDirectory(string path, FileOwnership? owner = null) =>
        Around(FileOperation.CreateDirectory, path, () => inner.CreateDirectory(path, owner));

    /// <inheritdoc/>
    public void Rename(string from, string to) => Around(FileOperation.Rename, to, () => inner.Rename(from, to));

    /// <inheritdoc/>
    public void Link(string existing, string created) => Around(FileOperation.Link, created, () => inner.Link(existing, created));

    /// <inheritdoc/>
    public void Delete(string path) => Around(FileOperation.Delete, path, () => inner.Delete(path));

    /// <inheritdoc/>
    public void DeleteTree(string path) => Around(FileOperation.DeleteTree, path, () => inner.DeleteTree(path));

    /// <inheritdoc/>
    public void SyncDirectory(string path) => Around(FileOperation.SyncDirectory, path, () => inner.SyncDirectory(path));

    /// <inheritdoc/>
    public IDisposable? TryLock(string path) => inner.TryLock(path);

    /// <inheritdoc/>
    public void SetTimes(string path, DateTimeOffset time) => Around(FileOperation.SetTimes, path, () => inner.SetTimes(path, time));

    /// <summary>Called before a call; an exception prevents it.</summary>
    protected abstract void Before(FileOperation operation, string path);

    /// <summary>Called after a call succeeded; an exception hides its success.</summary>
    protected abstract void After(FileOperation operation, string path);

    private InterceptedFile Wrap(IFile file) => new(this, file);

    private void Around(FileOperation operation, string path, Action action) => Around(operation, path, () =>
    {
        action();
        return 0;
    });

    private T Around<T>(FileOperation operation, string path, Func<T> action)
    {
        Before(operation, path);
        T result = action();
        try
        {
            After(operation, path);
        }
        catch
        {
            (result as IDisposable)?.Dispose();
            throw;
        }

        return result;
    }

    private sealed class InterceptedFile(InterceptingFileSystem owner, IFile file) : IFile
    {
        public string Path => file.Path;

        public long Length => file.Length;

        public int Read(Span<byte> buffer, long offset)
        {
            owner.Before(FileOperation.Read, Path);
            int count = file.Read(buffer, offset);
            owner.After(FileOperation.Read, Path);
            return count;
        }

        public void Write(ReadOnlySpan<byte> buffer, long offset)
        {
            owner.Before(FileOperation.Write, Path);
            file.Write(buffer, offset);
            owner.After(FileOperation.Write, Path);
        }

        public void Sync() => owner.Around(FileOperation.Sync, Path, file.Sync);

        public void StartWriteback(long offset, long length) => file.StartWriteback(offset, length);

        public void SetLength(long length) => owner.Around(FileOperation.SetLength, Path, () => file.SetLength(length));

        public void Dispose()
        {
            file.Dispose();
            owner.After(FileOperation.Close, Path); // A close cannot fail for its caller.
        }
    }
}
