using System.Runtime.InteropServices;

namespace Litestream.Storage.Files;

/// <summary>Turns the error code of a failed system call into the exception that the file-system seam promises.</summary>
internal static class SystemCallError
{
    internal static Exception Create(string operation, string path) =>
        Create(Marshal.GetLastPInvokeError(), operation, path);

    internal static Exception Create(int code, string operation, string path)
    {
        string message = $"{operation} {path}: {Marshal.GetPInvokeErrorMessage(code)}";
        return code switch
        {
            LibC.NoEntry => new FileNotFoundException(message, path),
            LibC.Exists => new FileExistsException(path),
            LibC.NoSpace or LibC.QuotaExceeded => new DiskFullException(path),
            _ => new IOException(message, code),
        };
    }
}
