using System.Runtime.InteropServices;

namespace Litestream.Sqlite.Interop;

/// <summary>SQLite's open file (<c>sqlite3_file</c>): what this product uses of it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SqliteFile
{
    internal SqliteFileMethods* Methods;
}

/// <summary>Its operations (<c>sqlite3_io_methods</c>) up to the last one that is used.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SqliteFileMethods
{
    internal int Version;
    internal nint Close;
    internal nint Read;
    internal nint Write;
    internal delegate* unmanaged[Cdecl]<SqliteFile*, long, int> Truncate;
    internal nint Sync;
    internal delegate* unmanaged[Cdecl]<SqliteFile*, out long, int> FileSize;
}
