using System.Runtime.InteropServices;
using System.Text;
using Litestream.Storage.Files;

namespace Litestream.Storage;

/// <summary>The file system of this machine (Linux). Stateless; one instance serves the whole process.</summary>
public sealed class LocalFileSystem : IFileSystem
{
    private const int FileTypeMask = 0xF000;
    private const int DirectoryType = 0x4000;
    private const int RegularType = 0x8000;
    private const int PermissionMask = 0xFFF;
    private const uint DefaultFileMode = 0x180; // 0600
    private const uint ProcessFileMode = 0x1B6; // 0666, the kernel takes the umask off
    private const uint DefaultDirectoryMode = 0x1C0; // 0700

    private LocalFileSystem()
    {
    }

    /// <summary>The only instance.</summary>
    public static LocalFileSystem Instance { get; } = new();

    /// <inheritdoc/>
    public IFile OpenRead(string path) => Open(path, LibC.OpenReadOnly, 0, "open");

    /// <inheritdoc/>
    public IFile Create(string path, FileOwnership? owner = null)
    {
        bool processDefault = owner == FileOwnership.ProcessDefault;
        uint mode = processDefault ? ProcessFileMode : owner is { } given ? (uint)given.Mode : DefaultFileMode;
        LocalFile file = Open(path, LibC.OpenReadWrite | LibC.OpenCreate | LibC.OpenTruncate, (int)mode, "create", out int descriptor);
        if (owner is { } wanted && !processDefault)
        {
            Apply(descriptor, wanted);
        }

        return file;
    }

    /// <inheritdoc/>
    public FileStatus? Stat(string path)
    {
        CheckPath(path);
        if (LibC.Stat(LibC.CurrentDirectory, path, 0, LibC.StatusRecord.BasicMask, out LibC.StatusRecord status) != 0)
        {
            int code = Marshal.GetLastPInvokeError();
            return code is LibC.NoEntry or LibC.NotDirectory ? null : throw SystemCallError.Create(code, "stat", path);
        }

        DateTimeOffset modified = DateTimeOffset.FromUnixTimeSeconds(status.ModifiedSeconds).AddTicks(status.ModifiedNanoseconds / 100);
        return new FileStatus(
            KindOf(status.Mode),
            status.Size,
            modified,
            ((ulong)status.DeviceMajor << 32) | status.DeviceMinor,
            status.Inode,
            new FileOwnership(status.Mode & PermissionMask, (int)status.User, (int)status.Group));
    }

    /// <inheritdoc/>
    public IReadOnlyList<DirectoryEntry> List(string path)
    {
        CheckPath(path);
        nint stream = LibC.OpenDirectoryStream(path);
        if (stream == 0)
        {
            int code = Marshal.GetLastPInvokeError();
            return code == LibC.NoEntry ? [] : throw SystemCallError.Create(code, "list", path);
        }

        try
        {
            return ReadEntries(stream, path);
        }
        finally
        {
            _ = LibC.CloseDirectory(stream);
        }
    }

    /// <inheritdoc/>
    public void CreateDirectory(string path, FileOwnership? owner = null)
    {
        CheckPath(path);
        string directory = Path.TrimEndingDirectorySeparator(path);
        if (Stat(directory) is { } status)
        {
            if (status.Kind != FileKind.Directory)
            {
                throw new FileExistsException(directory);
            }

            return;
        }

        string parent = Path.GetDirectoryName(directory) ?? "/";
        CreateDirectory(parent, owner);
        uint mode = owner is { } given ? (uint)given.Mode : DefaultDirectoryMode;
        if (LibC.MakeDirectory(directory, mode) != 0)
        {
            int code = Marshal.GetLastPInvokeError();
            if (code != LibC.Exists || Stat(directory)?.Kind != FileKind.Directory)
            {
                throw SystemCallError.Create(code, "mkdir", directory);
            }
        }
        else if (owner is { } wanted)
        {
            WithDirectory(directory, descriptor => Apply(descriptor, wanted));
        }

        // Without it a power cut may take away the directory together with the file that was reported durable.
        SyncDirectory(parent);
    }

    /// <inheritdoc/>
    public void Rename(string from, string to)
    {
        CheckPath(from);
        CheckPath(to);
        if (LibC.Rename(from, to) != 0)
        {
            throw SystemCallError.Create("rename", to);
        }
    }

    /// <inheritdoc/>
    public void Link(string existing, string created)
    {
        CheckPath(existing);
        CheckPath(created);
        if (LibC.Link(existing, created) == 0)
        {
            return;
        }

        int code = Marshal.GetLastPInvokeError();
        throw code is LibC.NotPermitted or LibC.NotSupported or LibC.NotImplemented or LibC.TooManyLinks
            ? new NotSupportedException($"link {created}: {Marshal.GetPInvokeErrorMessage(code)}")
            : SystemCallError.Create(code, "link", created);
    }

    /// <inheritdoc/>
    public void Delete(string path)
    {
        CheckPath(path);
        if (LibC.Unlink(path) != 0)
        {
            int code = Marshal.GetLastPInvokeError();
            if (code is not (LibC.NoEntry or LibC.NotDirectory))
            {
                throw SystemCallError.Create(code, "delete", path);
            }
        }
    }

    /// <inheritdoc/>
    public void DeleteTree(string path)
    {
        CheckPath(path);
        try
        {
            Directory.Delete(path, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Missing already: what was asked for.
        }
    }

    /// <inheritdoc/>
    public void SyncDirectory(string path)
    {
        CheckPath(path);
        WithDirectory(path, descriptor =>
        {
            while (LibC.Sync(descriptor) != 0)
            {
                int code = Marshal.GetLastPInvokeError();
                if (code == LibC.Invalid)
                {
                    return; // A file system without this notion (some network and user-space ones).
                }

                if (code != LibC.Interrupted)
                {
                    throw SystemCallError.Create(code, "fsync", path);
                }
            }
        });
    }

    /// <inheritdoc/>
    public IDisposable? TryLock(string path)
    {
        LocalFile file = Open(path, LibC.OpenReadWrite | LibC.OpenCreate, (int)DefaultFileMode, "open", out int descriptor);
        while (LibC.Lock(descriptor, LibC.LockExclusive | LibC.LockWithoutWaiting) != 0)
        {
            int code = Marshal.GetLastPInvokeError();
            if (code == LibC.WouldBlock)
            {
                file.Dispose();
                return null;
            }

            if (code != LibC.Interrupted)
            {
                return file; // A file system without locks (some network mounts): nobody can be kept out there.
            }
        }

        return new FileLock(file, descriptor);
    }

    /// <inheritdoc/>
    public unsafe void SetTimes(string path, DateTimeOffset time)
    {
        CheckPath(path);
        long ticks = time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks;
        long seconds = Math.DivRem(ticks, TimeSpan.TicksPerSecond, out long rest);
        if (rest < 0)
        {
            // Before 1970 the fraction still counts upward.
            seconds--;
            rest += TimeSpan.TicksPerSecond;
        }

        var record = new LibC.TimeRecord { Seconds = seconds, Nanoseconds = rest * 100 };
        LibC.TimeRecord* both = stackalloc LibC.TimeRecord[2];
        both[0] = both[1] = record;
        if (LibC.SetTimes(LibC.CurrentDirectory, path, both, 0) != 0)
        {
            throw SystemCallError.Create("set times of", path);
        }
    }

    private static LocalFile Open(string path, int flags, int mode, string operation) => Open(path, flags, mode, operation, out _);

    private static LocalFile Open(string path, int flags, int mode, string operation, out int descriptor)
    {
        CheckPath(path);
        while ((descriptor = LibC.Open(path, flags | LibC.OpenCloseOnExec, mode)) < 0)
        {
            int code = Marshal.GetLastPInvokeError();
            if (code != LibC.Interrupted)
            {
                throw SystemCallError.Create(code, operation, path);
            }
        }

        return new LocalFile(descriptor, path);
    }

    /// <summary>Sets mode and owner past the umask; a process without the right to give files away keeps them (backends §4.1).</summary>
    private static void Apply(int descriptor, FileOwnership owner)
    {
        _ = LibC.ChangeOwner(descriptor, owner.UserId, owner.GroupId);
        _ = LibC.ChangeMode(descriptor, (uint)(owner.Mode & PermissionMask));
    }

    private static void WithDirectory(string path, Action<int> action)
    {
        int descriptor = LibC.Open(path, LibC.OpenReadOnly | LibC.OpenDirectory | LibC.OpenCloseOnExec, 0);
        if (descriptor < 0)
        {
            throw SystemCallError.Create("open directory", path);
        }

        try
        {
            action(descriptor);
        }
        finally
        {
            _ = LibC.Close(descriptor);
        }
    }

    private unsafe List<DirectoryEntry> ReadEntries(nint stream, string path)
    {
        const int typeOffset = 18;
        const int nameOffset = 19;
        var entries = new List<DirectoryEntry>();
        while (true)
        {
            byte* record = LibC.ReadDirectory(stream);
            if (record == null)
            {
                int code = Marshal.GetLastPInvokeError();
                return code == 0 ? entries : throw SystemCallError.Create(code, "list", path);
            }

            string name = Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(record + nameOffset));
            if (name is "." or "..")
            {
                continue;
            }

            const byte link = 10;
            FileKind? kind = record[typeOffset] switch
            {
                4 => FileKind.Directory,
                8 => FileKind.Regular,
                0 or link => Stat(Path.Combine(path, name))?.Kind, // Unknown to this file system, or a symbolic link.
                _ => FileKind.Other,
            };
            if (kind is { } known)
            {
                entries.Add(new DirectoryEntry(name, known, record[typeOffset] == link));
            }
        }
    }

    private static FileKind KindOf(int mode) => (mode & FileTypeMask) switch
    {
        RegularType => FileKind.Regular,
        DirectoryType => FileKind.Directory,
        _ => FileKind.Other,
    };

    private static void CheckPath(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("a path cannot contain the NUL character", nameof(path));
        }
    }
}
