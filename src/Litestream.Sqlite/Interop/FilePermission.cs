using System.Runtime.InteropServices;

namespace Litestream.Sqlite.Interop;

/// <summary>Permission questions that must not open the file: closing a descriptor of <c>-shm</c> drops SQLite's locks (trap C2).</summary>
internal static partial class FilePermission
{
    private const int WriteOk = 2;
    private const int NoSuchFile = 2;

    /// <summary>Whether this process may write the file, or the file is not there.</summary>
    internal static bool IsWritableOrMissing(string path) =>
        OperatingSystem.IsWindows() || Access(path, WriteOk) == 0 || Marshal.GetLastPInvokeError() == NoSuchFile;

    [LibraryImport("libc", EntryPoint = "access", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    private static partial int Access(string path, int mode);
}
