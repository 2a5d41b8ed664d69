namespace Litestream.Capture;

/// <summary>The read lock does not protect the WAL any more; the database is opened anew and continuity is decided from nothing.</summary>
internal sealed class LockLostException(string message) : IOException(message);
