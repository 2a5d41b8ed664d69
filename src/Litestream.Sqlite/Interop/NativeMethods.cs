using System.Runtime.InteropServices;

namespace Litestream.Sqlite.Interop;

/// <summary>The functions of SQLite that this product uses. Strings go in as UTF-8; nothing is marshalled on hot paths.</summary>
internal static unsafe partial class NativeMethods
{
    private const string Library = "litestream_sqlite3";

    [LibraryImport(Library, EntryPoint = "sqlite3_initialize")]
    internal static partial int Initialize();

    [LibraryImport(Library, EntryPoint = "sqlite3_libversion")]
    internal static partial byte* LibVersion();

    [LibraryImport(Library, EntryPoint = "sqlite3_libversion_number")]
    internal static partial int LibVersionNumber();

    [LibraryImport(Library, EntryPoint = "sqlite3_sourceid")]
    internal static partial byte* SourceId();

    [LibraryImport(Library, EntryPoint = "sqlite3_compileoption_used", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int CompileOptionUsed(string option);

    [LibraryImport(Library, EntryPoint = "sqlite3_open_v2", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, out nint db, int flags, nint vfs);

    [LibraryImport(Library, EntryPoint = "sqlite3_close_v2")]
    internal static partial int Close(nint db);

    [LibraryImport(Library, EntryPoint = "sqlite3_errmsg")]
    internal static partial byte* ErrorMessage(nint db);

    [LibraryImport(Library, EntryPoint = "sqlite3_errstr")]
    internal static partial byte* ErrorString(int code);

    [LibraryImport(Library, EntryPoint = "sqlite3_extended_errcode")]
    internal static partial int ExtendedErrorCode(nint db);

    [LibraryImport(Library, EntryPoint = "sqlite3_system_errno")]
    internal static partial int SystemErrno(nint db);

    [LibraryImport(Library, EntryPoint = "sqlite3_busy_timeout")]
    internal static partial int BusyTimeout(nint db, int milliseconds);

    [LibraryImport(Library, EntryPoint = "sqlite3_wal_autocheckpoint")]
    internal static partial int WalAutoCheckpoint(nint db, int frames);

    [LibraryImport(Library, EntryPoint = "sqlite3_file_control")]
    internal static partial int FileControl(nint db, byte* schema, int operation, ref int value);

    [LibraryImport(Library, EntryPoint = "sqlite3_file_control")]
    internal static partial int FileControl(nint db, byte* schema, int operation, out SqliteFile* file);

    [LibraryImport(Library, EntryPoint = "litestream_db_config")]
    internal static partial int DbConfig(nint db, int option, int value);

    [LibraryImport(Library, EntryPoint = "sqlite3_db_readonly")]
    internal static partial int DbReadOnly(nint db, byte* schema);

    [LibraryImport(Library, EntryPoint = "sqlite3_db_filename")]
    internal static partial byte* DbFileName(nint db, byte* schema);

    [LibraryImport(Library, EntryPoint = "sqlite3_db_release_memory")]
    internal static partial int DbReleaseMemory(nint db);

    [LibraryImport(Library, EntryPoint = "sqlite3_interrupt")]
    internal static partial void Interrupt(nint db);

    [LibraryImport(Library, EntryPoint = "sqlite3_txn_state")]
    internal static partial int TransactionState(nint db, byte* schema);

    [LibraryImport(Library, EntryPoint = "sqlite3_get_autocommit")]
    internal static partial int GetAutoCommit(nint db);

    [LibraryImport(Library, EntryPoint = "sqlite3_snapshot_get")]
    internal static partial int SnapshotGet(nint db, byte* schema, out byte* snapshot);

    [LibraryImport(Library, EntryPoint = "sqlite3_snapshot_free")]
    internal static partial void SnapshotFree(byte* snapshot);

    [LibraryImport(Library, EntryPoint = "sqlite3_wal_checkpoint_v2")]
    internal static partial int WalCheckpoint(nint db, byte* schema, int mode, out int log, out int backfilled);

    [LibraryImport(Library, EntryPoint = "sqlite3_prepare_v3")]
    internal static partial int Prepare(nint db, byte* sql, int length, uint flags, out nint statement, out byte* tail);

    [LibraryImport(Library, EntryPoint = "sqlite3_step")]
    internal static partial int Step(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_reset")]
    internal static partial int Reset(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_finalize")]
    internal static partial int FinalizeStatement(nint statement);

    [LibraryImport(Library, EntryPoint = "sqlite3_bind_int64")]
    internal static partial int BindInt64(nint statement, int parameter, long value);

    [LibraryImport(Library, EntryPoint = "sqlite3_bind_blob")]
    internal static partial int BindBlob(nint statement, int parameter, byte* data, int length, nint destructor);

    [LibraryImport(Library, EntryPoint = "sqlite3_bind_null")]
    internal static partial int BindNull(nint statement, int parameter);

    [LibraryImport(Library, EntryPoint = "sqlite3_autovacuum_pages")]
    internal static partial int AutoVacuumPages(nint db, delegate* unmanaged[Cdecl]<nint, byte*, uint, uint, uint, uint> choose, nint argument, nint destructor);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_int64")]
    internal static partial long ColumnInt64(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_text")]
    internal static partial byte* ColumnText(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_blob")]
    internal static partial byte* ColumnBlob(nint statement, int column);

    [LibraryImport(Library, EntryPoint = "sqlite3_column_bytes")]
    internal static partial int ColumnBytes(nint statement, int column);
}
