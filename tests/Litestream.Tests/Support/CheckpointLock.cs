using System.Runtime.InteropServices;

namespace Litestream.Tests.Support;

/// <summary>
/// Holds the lock that every checkpoint takes, as an application's long checkpoint does. A lock of the open file, not of the process, so that
/// it stands in the way of SQLite in this process too. To be disposed after SQLite has closed the database: closing a descriptor drops its locks.
/// </summary>
internal sealed partial class CheckpointLock : IDisposable
{
    private const int SetLock = 37;
    private const short Exclusive = 1;
    private const short None = 2;

    /// <summary>WAL_CKPT_LOCK: byte 121 of the index.</summary>
    private const long Offset = 121;

    private readonly FileStream index;

    public CheckpointLock(string database) =>
        index = new FileStream(database + "-shm", new FileStreamOptions { Mode = FileMode.Open, Access = FileAccess.ReadWrite, Share = FileShare.ReadWrite | FileShare.Delete });

    public void Take() => Set(Exclusive);

    public void Release() => Set(None);

    public void Dispose() => index.Dispose();

    private void Set(short type)
    {
        var range = new Range { Type = type, Start = Offset, Length = 1 };
        if (Control((int)index.SafeFileHandle.DangerousGetHandle(), SetLock, ref range) != 0)
        {
            throw new IOException($"cannot set the checkpoint lock: error {Marshal.GetLastPInvokeError()}");
        }
    }

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Control(int descriptor, int command, ref Range range);

    [StructLayout(LayoutKind.Sequential)]
    private struct Range
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int Process;
    }
}
