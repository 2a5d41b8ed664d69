using System.Runtime.InteropServices;
using Litestream.Sqlite.Interop;

namespace Litestream.Sqlite;

/// <summary>The SQLite that is linked into this process.</summary>
public static unsafe class SqliteLibrary
{
    /// <summary>Version of the linked library, such as <c>3.53.2</c>.</summary>
    public static string Version => Marshal.PtrToStringUTF8((nint)NativeMethods.LibVersion())!;

    /// <summary>Version as one number: major × 1,000,000 + minor × 1,000 + patch.</summary>
    public static int VersionNumber => NativeMethods.LibVersionNumber();

    /// <summary>Check-in time and hash of the source that was compiled.</summary>
    public static string SourceId => Marshal.PtrToStringUTF8((nint)NativeMethods.SourceId())!;

    /// <summary>
    /// Whether a version is free of the WAL-reset bug, which corrupts databases when two connections checkpoint
    /// (replication §17): 3.51.3 and later, and the back-ports 3.50.7… and 3.44.6….
    /// </summary>
    /// <param name="versionNumber">Version as one number, see <see cref="VersionNumber"/>.</param>
    public static bool IsSafeVersion(int versionNumber) =>
        versionNumber is >= 3_051_003 or (>= 3_050_007 and <= 3_050_999) or (>= 3_044_006 and <= 3_044_999);

    /// <summary>Initialises the library and checks that it is the one this product needs. Called by every open; cheap.</summary>
    /// <exception cref="SqliteException">The library does not initialise, has the WAL-reset bug, or lacks a required feature.</exception>
    public static void Initialize() => _ = Checked.Done;

    private static bool Check()
    {
        int code = NativeMethods.Initialize();
        if (code != SqliteConstants.Ok)
        {
            throw new SqliteException(code, code, "SQLite does not initialise");
        }

        if (!IsSafeVersion(VersionNumber))
        {
            throw new SqliteException(SqliteConstants.Error, SqliteConstants.Error,
                $"the linked SQLite {Version} has the WAL-reset bug; 3.51.3 or later is needed");
        }

        foreach (string option in (ReadOnlySpan<string>)["ENABLE_SNAPSHOT", "ENABLE_DBPAGE_VTAB"])
        {
            if (NativeMethods.CompileOptionUsed(option) == 0)
            {
                throw new SqliteException(SqliteConstants.Error, SqliteConstants.Error,
                    $"the linked SQLite {Version} was compiled without SQLITE_{option}; build it with eng/native/build-sqlite.sh");
            }
        }

        return true;
    }

    private static class Checked
    {
        internal static readonly bool Done = Check();
    }
}
