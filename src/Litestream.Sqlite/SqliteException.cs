using System.Runtime.InteropServices;
using Litestream.Sqlite.Interop;

namespace Litestream.Sqlite;

/// <summary>SQLite refused or failed. The message names the operation, the database and SQLite's own words.</summary>
public sealed unsafe class SqliteException : Exception
{
    /// <summary>Creates the exception from codes and a finished message.</summary>
    /// <param name="resultCode">Primary result code, 1-255.</param>
    /// <param name="extendedCode">Extended result code; its low byte is the primary one.</param>
    /// <param name="message">What happened, where.</param>
    public SqliteException(int resultCode, int extendedCode, string message)
        : base(message)
    {
        ResultCode = resultCode & 0xff;
        ExtendedCode = extendedCode;
    }

    /// <summary>Primary result code (SQLITE_BUSY = 5, SQLITE_FULL = 13, …).</summary>
    public int ResultCode { get; }

    /// <summary>Extended result code, e.g. SQLITE_BUSY_RECOVERY = 261.</summary>
    public int ExtendedCode { get; }

    /// <summary>The operating system's error number behind an I/O error; 0 when there is none.</summary>
    public int SystemError { get; private init; }

    /// <summary>Somebody else holds a lock: trying again later is the right answer. Covers BUSY, its variants and LOCKED.</summary>
    public bool IsBusy => ResultCode is SqliteConstants.Busy or SqliteConstants.Locked;

    /// <summary>The database or its disk is full (SQLITE_FULL, or an I/O error with ENOSPC or EDQUOT).</summary>
    public bool IsDiskFull => ResultCode == SqliteConstants.Full || SystemError is 28 or 122;

    /// <summary>The file is damaged or no database (SQLITE_CORRUPT, SQLITE_NOTADB).</summary>
    public bool IsCorrupt => ResultCode is SqliteConstants.Corrupt or SqliteConstants.NotADatabase;

    /// <summary>Builds the exception for the last error of a connection.</summary>
    internal static SqliteException From(nint db, int code, string operation, string path)
    {
        string words = db == 0 || NativeMethods.ExtendedErrorCode(db) != code
            ? Marshal.PtrToStringUTF8((nint)NativeMethods.ErrorString(code)) ?? "unknown error"
            : Marshal.PtrToStringUTF8((nint)NativeMethods.ErrorMessage(db)) ?? "unknown error";
        int errno = db == 0 ? 0 : NativeMethods.SystemErrno(db);
        string system = errno == 0 ? "" : $", errno {errno}";
        return new SqliteException(code & 0xff, code, $"{operation} {path}: {words} (SQLite code {code}{system})") { SystemError = errno };
    }
}
