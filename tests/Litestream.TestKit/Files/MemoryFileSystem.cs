using Litestream.Storage;

namespace Litestream.TestKit.Files;

/// <summary>
/// A file system in memory that knows what a power cut takes away: file content since the last <see cref="IFile.Sync"/> and names
/// since the last <see cref="IFileSystem.SyncDirectory"/> of their directory. It is stricter than real ones on purpose: syncing a
/// file does not make its name durable.
/// </summary>
public sealed class MemoryFileSystem : IFileSystem
{
    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly HashSet<string> _locks = [];
    private MemoryDirectory _root;
    private ulong _nextInode = 1;
    private int _epoch;

    /// <summary>Creates an empty file system with a root directory.</summary>
    /// <param name="time">Clock for modification times.</param>
    public MemoryFileSystem(TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        _root = new MemoryDirectory(_nextInode++, Now);
    }

    internal DateTimeOffset Now => _time.GetUtcNow();

    /// <summary>Number of files open right now; a test that ends with more than 0 has found a leak.</summary>
    public int OpenFiles { get; private set; }

    /// <summary>
    /// Cuts the power: open files become unusable and the tree falls back to what was made durable. With a source of randomness
    /// each unsynced change survives or not by itself, as on a real disk.
    /// </summary>
    public void PowerCut(Random? random = null)
    {
        lock (_gate)
        {
            _epoch++;
            OpenFiles = 0;
            _locks.Clear();
            _root = _root.AfterPowerCut(random);
        }
    }

    /// <inheritdoc/>
    public IFile OpenRead(string path)
    {
        lock (_gate)
        {
            return Find(path) switch
            {
                MemoryNode node => OpenHandle(node, path, writable: false),
                null => throw new FileNotFoundException($"open {path}: no such file or directory", path),
                _ => throw new IOException($"open {path}: is a directory"),
            };
        }
    }

    /// <inheritdoc/>
    public IFile Create(string path, FileOwnership? owner = null)
    {
        lock (_gate)
        {
            MemoryDirectory parent = FindParent(path, "create");
            string name = Path.GetFileName(path);
            switch (parent.Live.GetValueOrDefault(name))
            {
                case MemoryNode existing:
                    existing.SetLength(0, Now);
                    return OpenHandle(existing, path, writable: true);
                case null:
                    var node = new MemoryNode(_nextInode++, owner ?? new FileOwnership(0x180, 0, 0), Now);
                    parent.Live[name] = node;
                    return OpenHandle(node, path, writable: true);
                default:
                    throw new IOException($"create {path}: is a directory");
            }
        }
    }

    /// <inheritdoc/>
    public FileStatus? Stat(string path)
    {
        lock (_gate)
        {
            return Find(path) switch
            {
                MemoryNode node => new FileStatus(FileKind.Regular, node.Length, node.ModifiedAt, 1, node.Inode, node.Ownership),
                MemoryDirectory directory => new FileStatus(
                    FileKind.Directory, 0, directory.ModifiedAt, 1, directory.Inode, new FileOwnership(0x1C0, 0, 0)),
                _ => null,
            };
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<DirectoryEntry> List(string path)
    {
        lock (_gate)
        {
            return Find(path) switch
            {
                MemoryDirectory directory => [.. directory.Live.Select(
                    entry => new DirectoryEntry(entry.Key, entry.Value is MemoryNode ? FileKind.Regular : FileKind.Directory))],
                null => [],
                _ => throw new IOException($"list {path}: not a directory"),
            };
        }
    }

    /// <inheritdoc/>
    public void CreateDirectory(string path, FileOwnership? owner = null)
    {
        lock (_gate)
        {
            MemoryDirectory current = _root;
            foreach (string name in Split(path))
            {
                switch (current.Live.GetValueOrDefault(name))
                {
                    case MemoryDirectory existing:
                        current = existing;
                        break;
                    case null:
                        var created = new MemoryDirectory(_nextInode++, Now);
                        current.Live[name] = created;
                        current.Durable[name] = created; // The contract: every created one is durable in its parent.
                        current = created;
                        break;
                    default:
                        throw new FileExistsException(path);
                }
            }
        }
    }

    /// <inheritdoc/>
    public void Rename(string from, string to)
    {
        lock (_gate)
        {
            object moved = Find(from) ?? throw new FileNotFoundException($"rename {from}: no such file or directory", from);
            MemoryDirectory target = FindParent(to, "rename");
            FindParent(from, "rename").Live.Remove(Path.GetFileName(from));
            target.Live[Path.GetFileName(to)] = moved;
        }
    }

    /// <inheritdoc/>
    public void Link(string existing, string created)
    {
        lock (_gate)
        {
            object node = Find(existing) ?? throw new FileNotFoundException($"link {existing}: no such file or directory", existing);
            if (!FindParent(created, "link").Live.TryAdd(Path.GetFileName(created), node))
            {
                throw new FileExistsException(created);
            }
        }
    }

    /// <inheritdoc/>
    public void Delete(string path)
    {
        lock (_gate)
        {
            if (Find(path) is MemoryDirectory)
            {
                throw new IOException($"delete {path}: is a directory");
            }

            (Find(Path.GetDirectoryName(path)!) as MemoryDirectory)?.Live.Remove(Path.GetFileName(path));
        }
    }

    /// <inheritdoc/>
    public void DeleteTree(string path)
    {
        lock (_gate)
        {
            (Find(Path.GetDirectoryName(path)!) as MemoryDirectory)?.Live.Remove(Path.GetFileName(path));
        }
    }

    /// <inheritdoc/>
    public void SyncDirectory(string path)
    {
        lock (_gate)
        {
            if (Find(path) is not MemoryDirectory directory)
            {
                throw new FileNotFoundException($"open directory {path}: no such file or directory", path);
            }

            directory.Sync();
        }
    }

    /// <inheritdoc/>
    public IDisposable? TryLock(string path)
    {
        lock (_gate)
        {
            if (Find(path) is null)
            {
                FindParent(path, "lock").Live[Path.GetFileName(path)] = new MemoryNode(_nextInode++, new FileOwnership(0x180, 0, 0), Now);
            }

            return _locks.Add(path) ? new MemoryLock(this, path, _epoch) : null;
        }
    }

    /// <inheritdoc/>
    public void SetTimes(string path, DateTimeOffset time)
    {
        lock (_gate)
        {
            if (Find(path) is not MemoryNode node)
            {
                throw new FileNotFoundException($"set times of {path}: no such file or directory", path);
            }

            node.ModifiedAt = time;
        }
    }

    /// <summary>Runs one access of an open file under the lock of the file system; refuses files opened before a power cut.</summary>
    internal T Access<T>(int epoch, string path, Func<T> action)
    {
        lock (_gate)
        {
            return epoch == _epoch ? action() : throw new IOException($"{path}: the power was cut since this file was opened");
        }
    }

    internal void Closed(int epoch)
    {
        lock (_gate)
        {
            OpenFiles -= epoch == _epoch ? 1 : 0;
        }
    }

    private static string[] Split(string path) =>
        Path.IsPathRooted(path)
            ? path.Split('/', StringSplitOptions.RemoveEmptyEntries)
            : throw new ArgumentException($"path is not absolute: {path}", nameof(path));

    private MemoryFile OpenHandle(MemoryNode node, string path, bool writable)
    {
        OpenFiles++;
        return new MemoryFile(this, node, path, _epoch, writable);
    }

    private object? Find(string path)
    {
        object? current = _root;
        foreach (string name in Split(path))
        {
            current = (current as MemoryDirectory)?.Live.GetValueOrDefault(name);
        }

        return current;
    }

    private MemoryDirectory FindParent(string path, string operation) =>
        Find(Path.GetDirectoryName(path)!) as MemoryDirectory
        ?? throw new FileNotFoundException($"{operation} {path}: no such file or directory", path);

    private sealed class MemoryLock(MemoryFileSystem owner, string path, int epoch) : IDisposable
    {
        public void Dispose()
        {
            lock (owner._gate)
            {
                if (owner._epoch == epoch)
                {
                    owner._locks.Remove(path);
                }
            }
        }
    }
}
