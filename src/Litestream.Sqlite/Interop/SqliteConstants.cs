namespace Litestream.Sqlite.Interop;

/// <summary>Numbers of SQLite's C interface, by their names there.</summary>
internal static class SqliteConstants
{
    internal const int Ok = 0;
    internal const int Error = 1;
    internal const int Busy = 5;
    internal const int Locked = 6;
    internal const int Interrupt = 9;
    internal const int Corrupt = 11;
    internal const int Full = 13;
    internal const int CantOpen = 14;
    internal const int Protocol = 15;
    internal const int NotADatabase = 26;
    internal const int Row = 100;
    internal const int Done = 101;

    internal const int BusyRecovery = Busy | (1 << 8);

    internal const int OpenReadWrite = 0x00000002;
    internal const int OpenCreate = 0x00000004;
    internal const int OpenNoMutex = 0x00008000;
    internal const int OpenExtendedResultCodes = 0x02000000;

    internal const uint PreparePersistent = 1;

    internal const int FileControlFilePointer = 7;
    internal const int FileControlPersistWal = 10;
    internal const int ConfigNoCheckpointOnClose = 1006;

    internal const int TransactionNone = 0;
    internal const int TransactionWrite = 2;

    /// <summary>Size of <c>sqlite3_snapshot</c>, which is a copy of the wal-index header.</summary>
    internal const int SnapshotSize = 48;
}
