using System.Runtime.InteropServices;

namespace Litestream.Sqlite.Interop;

/// <summary>The kernel's file notification and what waiting for it needs.</summary>
internal static unsafe partial class Inotify
{
    internal const uint Modify = 0x2;
    internal const uint Attributes = 0x4;
    internal const uint MovedFrom = 0x40;
    internal const uint MovedTo = 0x80;
    internal const uint Create = 0x100;
    internal const uint Delete = 0x200;
    internal const uint DeleteSelf = 0x400;
    internal const uint MoveSelf = 0x800;
    internal const uint QueueOverflow = 0x4000;
    internal const uint Unmounted = 0x2000;
    internal const uint Ignored = 0x8000;
    internal const uint IsDirectory = 0x40000000;
    internal const uint OneShot = 0x80000000;
    internal const uint OnlyDirectory = 0x01000000;

    internal const int EventHeaderSize = 16;
    internal const short PollIn = 1;
    internal const int NoSuchFile = 2;
    internal const int Interrupted = 4;
    internal const int NotADirectory = 20;

    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;

    internal static int CreateQueue() => Init(CloseOnExec | NonBlocking);

    internal static int CreateEvent() => EventFd(0, CloseOnExec | NonBlocking);

    [LibraryImport("libc", EntryPoint = "inotify_add_watch", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    internal static partial int AddWatch(int fd, string path, uint mask);

    [LibraryImport("libc", EntryPoint = "inotify_rm_watch")]
    internal static partial int RemoveWatch(int fd, int watch);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    internal static partial nint Read(int fd, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    internal static partial nint Write(int fd, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    internal static partial int Poll(PollFd* descriptors, nuint count, int timeoutMilliseconds);

    [LibraryImport("libc", EntryPoint = "close")]
    internal static partial int Close(int fd);

    [LibraryImport("libc", EntryPoint = "inotify_init1", SetLastError = true)]
    private static partial int Init(int flags);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    private static partial int EventFd(uint value, int flags);

    /// <summary>One descriptor to wait for.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PollFd
    {
        internal int Descriptor;
        internal short Events;
        internal short Returned;
    }
}
