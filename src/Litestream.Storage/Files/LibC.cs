using System.Runtime.InteropServices;

namespace Litestream.Storage.Files;

/// <summary>
/// The system calls that the runtime does not offer as they are needed: opening without an advisory lock (replication trap C3),
/// syncing a directory (C4), identity of a file without opening it (C1), hard links. Linux, 64 bit.
/// </summary>
internal static partial class LibC
{
    internal const int CurrentDirectory = -100;
    internal const int OpenReadOnly = 0;
    internal const int OpenReadWrite = 2;
    internal const int OpenCreate = 0x40;
    internal const int OpenTruncate = 0x200;
    internal const int OpenCloseOnExec = 0x80000;

    internal const int NotPermitted = 1;
    internal const int NoEntry = 2;
    internal const int Interrupted = 4;
    internal const int WouldBlock = 11;
    internal const int Exists = 17;
    internal const int NotDirectory = 20;
    internal const int Invalid = 22;
    internal const int NoSpace = 28;
    internal const int TooManyLinks = 31;
    internal const int NotImplemented = 38;
    internal const int NotSupported = 95;
    internal const int QuotaExceeded = 122;

    /// <summary>Start write-out of dirty pages without waiting for it (<c>SYNC_FILE_RANGE_WRITE</c>).</summary>
    internal const uint StartWrite = 2;

    internal const int LockExclusive = 2;
    internal const int LockWithoutWaiting = 4;
    internal const int LockRelease = 8;

    /// <summary>O_DIRECTORY: the one flag whose value depends on the processor.</summary>
    internal static int OpenDirectory { get; } =
        RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm ? 0x4000 : 0x10000;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "close")]
    internal static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    internal static partial int Sync(int descriptor);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    internal static unsafe partial nint Read(int descriptor, byte* buffer, nint count, long offset);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    internal static unsafe partial nint Write(int descriptor, byte* buffer, nint count, long offset);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    internal static partial int Truncate(int descriptor, long length);

    [LibraryImport("libc", EntryPoint = "sync_file_range", SetLastError = true)]
    internal static partial int SyncRange(int descriptor, long offset, long length, uint flags);

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    internal static partial int ChangeMode(int descriptor, uint mode);

    [LibraryImport("libc", EntryPoint = "fchown", SetLastError = true)]
    internal static partial int ChangeOwner(int descriptor, int user, int group);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    internal static partial int Lock(int descriptor, int operation);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    internal static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Stat(int directory, string path, int flags, uint mask, out StatusRecord status);

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int MakeDirectory(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Rename(string from, string to);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Link(string existing, string created);

    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Unlink(string path);

    [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static unsafe partial int SetTimes(int directory, string path, TimeRecord* accessAndModification, int flags);

    [LibraryImport("libc", EntryPoint = "opendir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint OpenDirectoryStream(string path);

    /// <summary>The next entry; null at the end (error code 0) or after a failure.</summary>
    [LibraryImport("libc", EntryPoint = "readdir", SetLastError = true)]
    internal static unsafe partial byte* ReadDirectory(nint stream);

    [LibraryImport("libc", EntryPoint = "closedir")]
    internal static partial int CloseDirectory(nint stream);

    /// <summary>The kernel's <c>struct statx</c>, the same on every processor; the fields used here.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    internal struct StatusRecord
    {
        /// <summary>Basic fields: type, mode, owner, times, inode, size.</summary>
        internal const uint BasicMask = 0x7ff;

        [FieldOffset(20)]
        internal uint User;

        [FieldOffset(24)]
        internal uint Group;

        [FieldOffset(28)]
        internal ushort Mode;

        [FieldOffset(32)]
        internal ulong Inode;

        [FieldOffset(40)]
        internal long Size;

        [FieldOffset(112)]
        internal long ModifiedSeconds;

        [FieldOffset(120)]
        internal uint ModifiedNanoseconds;

        [FieldOffset(136)]
        internal uint DeviceMajor;

        [FieldOffset(140)]
        internal uint DeviceMinor;
    }

    /// <summary>Seconds since the Unix epoch and nanoseconds.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct TimeRecord
    {
        internal long Seconds;
        internal long Nanoseconds;
    }
}
