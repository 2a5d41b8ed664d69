using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.State;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Capture;

/// <summary>
/// Capture of one database between opening and closing it: the read lock, the WAL, the cursor, and the level-0 files. One owner
/// calls it, one call at a time. The rules are those of replication §8.7; their numbers stand at the code.
/// </summary>
internal sealed partial class CaptureSession : IDisposable
{
    /// <summary>Bytes of pages that may wait in memory for the end of a sync interval; more become a file at once.</summary>
    private const long MaxPendingBytes = 16L << 20;

    /// <summary>A segment of so many bytes of pages goes from the WAL straight into a file: its pages do not pass through memory.</summary>
    private const long LargeSegmentBytes = 16L << 20;

    private readonly DatabaseOptions options;
    private readonly IFileSystem fileSystem;
    private readonly LocalLtxDirectory directory;
    private readonly LevelZeroWriter writer;
    private readonly ILogger logger;
    private readonly TimeProvider time;
    private readonly PublishedPosition published;
    private readonly ReadLock readLock;
    private readonly WalSegment segment = new();
    private readonly PendingPages pending = new();
    private readonly string databasePath;
    private readonly FileIdentity identity;
    private WalReader? wal;
    private WalCursor captured;
    private WalCursor filed;
    private LtxHeader newest;
    private WalLook lastLook;
    private bool started;
    private string? fullCopyReason;

    private CaptureSession(
        DatabaseOptions options, EngineServices services, LocalLtxDirectory directory, PublishedPosition published, ILogger logger, ReadLock readLock)
    {
        this.options = options;
        this.directory = directory;
        this.published = published;
        this.logger = logger;
        this.readLock = readLock;
        fileSystem = services.FileSystem;
        time = services.Time;
        writer = new LevelZeroWriter(directory, services.Time);

        // SQLite resolves symbolic links: the WAL is beside the file they lead to, the state directory beside the configured path (trap B46).
        databasePath = readLock.Holder.FileName;
        identity = FileIdentity.Of(fileSystem, databasePath, out _);
        PageSize = readLock.Holder.PageSize;
        FilesAt = databasePath;
    }

    /// <summary>Page size in bytes.</summary>
    public int PageSize { get; }

    /// <summary>The database file after symbolic links.</summary>
    public string FilesAt { get; }

    /// <summary>Newest local transaction; 0 before the first pass.</summary>
    public Txid Position { get; private set; }

    /// <summary>True if something was captured that is not in a file yet.</summary>
    public bool HasPending => pending.Count > 0 || captured != filed;

    /// <summary>Opens the database and takes the lock, before anything is decided (§8.7 rule 2).</summary>
    /// <exception cref="SqliteException">The database cannot be opened or locked now.</exception>
    public static CaptureSession Open(
        DatabaseOptions options, EngineServices services, LocalLtxDirectory directory, PublishedPosition published, ILogger logger)
    {
        var before = new WalLook(services.FileSystem.Stat(options.Path + "-wal"), services.Time.GetUtcNow());
        ReadLock readLock = ReadLock.Acquire(options.Path, options.BusyTimeout);
        try
        {
            return new CaptureSession(options, services, directory, published, logger, readLock) { lastLook = before };
        }
        catch
        {
            readLock.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Decides how to continue. Afterwards passes may run.
    /// </summary>
    /// <param name="position">Newest transaction, local or remote: the next one is position + 1, always (§4).</param>
    /// <param name="local">Header of the local file of that transaction; null if there is none.</param>
    /// <param name="distrust">Why a full copy has to be taken whatever the files say; null if they may decide.</param>
    public void Start(Txid position, LtxHeader? local, string? distrust)
    {
        Position = position;
        started = true;
        if (local is not { } header)
        {
            fullCopyReason = position.IsNone ? "no position yet" : "no local file of the last transaction";
            return;
        }

        newest = header;
        if (distrust is not null)
        {
            fullCopyReason = distrust;
            return;
        }

        Continue(header);

        // With nothing between the last file and the lock there is nothing for a first pass to do, nor for the connection it would open.
        firstPassDone = fullCopyReason is null && captured == CursorOf(readLock.Position, captured.Commit);
        Remember(lastLook);
    }

    /// <summary>
    /// What the WAL looked like when all of it was captured. Frames that are there and not visible yet become so without a further
    /// write, however long their writer is held up in between: then no look from outside may ever take the place of a pass (trap C13).
    /// </summary>
    private void Remember(in WalLook look) => lastLook = look.IsCertain && FileIsAhead() ? default : look;

    private void Continue(in LtxHeader header)
    {
        OpenWal();
        WalCursor? cursor = StartContinuity.Check(directory, header, wal, readLock.Position, PageSize, out string reason);
        if (cursor is { } found)
        {
            captured = filed = found;
            return;
        }

        if (ContentComparison.IsCopyOf(directory, header, readLock.Holder))
        {
            // The WAL cannot tell any more, but the newest file holds the whole database and the database is still that: an
            // application that was closed properly has removed its WAL, and nothing has been written since.
            captured = filed = CursorOf(readLock.Position, header.Commit);
            return;
        }

        fullCopyReason = reason;
    }

    /// <summary>
    /// One pass: everything committed since the last one is captured, and the lock moves to the position reached.
    /// </summary>
    /// <param name="publish">True to write what was captured since the last file as the next one; false to keep it in memory for now.</param>
    /// <param name="cancellationToken">Checked between files of a limited pass.</param>
    /// <exception cref="LockLostException">Open the database again.</exception>
    public PassResult Pass(bool publish, CancellationToken cancellationToken) => Pass(publish, mayCopy: true, cancellationToken);

    private PassResult Pass(bool publish, bool mayCopy, CancellationToken cancellationToken)
    {
        WalLook look = EnsureLockGuards();
        PassResult first = default;
        if (fullCopyReason is null && !firstPassDone)
        {
            // The first lock may sit on slot 0: what lies between the cursor and its position may be overwritten while it is read
            // (trap B15). The check against exactly that position decides.
            first = CaptureUpTo(readLock.Position, publish, cancellationToken, out string? broken);
            fullCopyReason = broken;
            firstPassDone = true;
        }

        SqliteConnection next = readLock.BeginNext(out WalPosition? position);
        try
        {
            PassResult result = default;
            string? broken = fullCopyReason;
            if (broken is null)
            {
                result = CaptureUpTo(position, publish, cancellationToken, out broken);
            }

            if (broken is not null && !mayCopy)
            {
                // A copy of the whole database must not run under the write lock: the next pass takes it.
                fullCopyReason = broken;
                readLock.AbandonNext();
                return default;
            }

            if (broken is not null)
            {
                result = FullCopy(next, position, broken, cancellationToken);
            }

            firstPassDone = true;
            if (!readLock.TryHandOver(position))
            {
                logger.Write(LogLevel.Debug, "hand-over postponed, another checkpointer is at work");
            }

            Remember(look);

            return result with { Advanced = result.Advanced || first.Advanced, WalBytes = result.WalBytes + first.WalBytes };
        }
        catch
        {
            readLock.AbandonNext();
            throw;
        }
    }

    /// <summary>
    /// Writes what was captured and still waits in memory as a file, also when the database is not there any more: it was committed.
    /// </summary>
    /// <exception cref="LocalLtxException">The file cannot be written.</exception>
    public void SealPending()
    {
        if (fullCopyReason is null)
        {
            PublishPending(publish: true);
        }
    }

    /// <summary>
    /// True if nothing is left to do here and the WAL file is as it was before the last pass looked at it. Costs three calls of stat
    /// and opens nothing: what the audit of an idle database is allowed to cost (decision D12). Never true for a WAL that was written
    /// less than a second before that pass: within the granularity of file times a second write need not show.
    /// </summary>
    /// <exception cref="LockLostException">Open the database again.</exception>
    public bool IsUntouched() =>
        EnsureLockGuards().IsSameAs(lastLook)
        && firstPassDone && fullCopyReason is null && !HasPending && UnbackfilledFrames == 0 && !NeedsHandOver;

    /// <summary>
    /// True if the WAL file seems to hold a commit that is not visible yet: the notification comes before the index is written
    /// (§8.7 rule 0, trap C13), and that step raises no event.
    /// </summary>
    public bool FileIsAhead()
    {
        OpenWal();
        return wal is { } open && open.HoldsMoreThan(readLock.Position);
    }

    /// <summary>
    /// Committed frames that are not captured yet, without capturing them. On the way the lock is handed over where it may be: an application's
    /// own RESTART or TRUNCATE may be waiting for exactly that (§8.7 rule 7). That is so when there are none, and also when the WAL was
    /// restarted under the lock, which is at the end of the old generation then, all captured: the sooner our PASSIVE has come back since the
    /// restart (rule 5), the less likely it meets a TRUNCATE, and the two wait for each other until that gives up. The frames before the new
    /// lock cannot be overwritten while it lives, and no pass lets go of it before they are captured (rule 1).
    /// </summary>
    public uint PendingFrames()
    {
        EnsureLockGuards();
        readLock.BeginNext(out WalPosition? position);
        uint pendingFrames = position is not { } p ? 0
            : IsGenerationOf(p) ? p.MaxFrame - Math.Min(captured.Frame, p.MaxFrame)
            : p.MaxFrame;
        bool mayMove = firstPassDone && fullCopyReason is null && position is { } now && (IsAtEndOfCaptured(now) || (!IsGenerationOf(now) && HasCapturedItsMark));
        if (!mayMove || !readLock.TryHandOver(position))
        {
            readLock.AbandonNext();
        }

        return pendingFrames;
    }

    private bool HasCapturedItsMark => readLock.Position is { } mark && IsGenerationOf(mark) && mark.MaxFrame <= captured.Frame;

    private bool IsAtEndOfCaptured(in WalPosition position) =>
        IsGenerationOf(position) && position.MaxFrame == captured.Frame
        && position.Checksum1 == captured.Checksum1 && position.Checksum2 == captured.Checksum2;

    /// <summary>
    /// Gives back what only a busy database needs: an idle one is the one connection that holds the lock. Opening and closing the WAL
    /// file is harmless, unlike the other two (traps C1, C2).
    /// </summary>
    public void Trim()
    {
        wal?.Dispose();
        wal = null;
        segment.Trim();
        pending.Trim();
        readLock.Trim();
        fallbackWriter?.Dispose();
        fallbackWriter = null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        fallbackWriter?.Dispose();
        readLock.Dispose();
        wal?.Dispose();
        segment.Dispose();
        pending.Dispose();
    }

    private bool firstPassDone;

    /// <summary>Fails if the lock guards nothing any more; otherwise says what the WAL file looks like before anything is read from it.</summary>
    private WalLook EnsureLockGuards()
    {
        if (!started)
        {
            throw new InvalidOperationException("the session was not started");
        }

        if (!readLock.IsHeld)
        {
            throw new LockLostException("read lock lost: SQLite ended the read transaction", filesReplaced: false);
        }

        if (FileIdentity.Of(fileSystem, databasePath, out FileStatus? walFile) != identity)
        {
            throw new LockLostException($"read lock lost: {databasePath} or its -wal or -shm was replaced or removed", filesReplaced: true);
        }

        return new WalLook(walFile, time.GetUtcNow());
    }

    private bool IsGenerationOf(in WalPosition position) =>
        captured.HasGeneration && captured.Salt1 == position.Salt1 && captured.Salt2 == position.Salt2;

    private static WalCursor CursorOf(WalPosition? position, uint pageCount) => position is { } p
        ? new WalCursor(true, p.Salt1, p.Salt2, p.MaxFrame, p.Checksum1, p.Checksum2, pageCount)
        : WalCursor.Empty(pageCount);

    private void OpenWal()
    {
        string path = databasePath + "-wal";
        if (wal is null && fileSystem.Stat(path) is not null)
        {
            wal = new WalReader(fileSystem, path, PageSize);
        }
    }

    /// <summary>Captures frames up to exactly a position (§8.7 rule 0), or says why that is impossible.</summary>
    private PassResult CaptureUpTo(WalPosition? target, bool publish, CancellationToken cancellationToken, out string? broken)
    {
        broken = null;
        if (target is not { } position)
        {
            broken = captured.HasGeneration ? "wal lost its header while the read lock was held" : null;
            return default;
        }

        if (!IsGenerationOf(position) && position.MaxFrame == 0)
        {
            // The index restarts before the file: a new generation begins when its header can be read, not before.
            return PublishPending(publish);
        }

        OpenWal();
        if (wal?.ReadHeader() is not { } header || header.Salt1 != position.Salt1 || header.Salt2 != position.Salt2 || header.PageSize != PageSize)
        {
            broken = IsGenerationOf(position) && position.MaxFrame == captured.Frame ? null : "wal header is not the one in use";
            return broken is null ? PublishPending(publish) : default;
        }

        return CaptureFrames(header, position, publish, cancellationToken, out broken);
    }

    private PassResult CaptureFrames(in WalHeader header, in WalPosition position, bool publish, CancellationToken cancellationToken, out string? broken)
    {
        // Rule 2: a changed header under a lock that was never dropped is continuous, whatever the salts.
        WalCursor from = IsGenerationOf(position)
            ? captured
            : new WalCursor(true, header.Salt1, header.Salt2, 0, header.Checksum1, header.Checksum2, captured.Commit);
        if (position.MaxFrame < from.Frame)
        {
            broken = $"wal position went back from frame {from.Frame} to {position.MaxFrame}";
            return default;
        }

        bool advanced = false;
        long bytes = 0;
        broken = null;
        while (from.Frame < position.MaxFrame)
        {
            cancellationToken.ThrowIfCancellationRequested();
            broken = wal!.Read(header, from, position.MaxFrame, options.MaxSyncWalBytes, segment);
            broken ??= MismatchAtEnd(position, segment.End);
            if (broken is not null)
            {
                return default;
            }

            segment.Seal(PageSize);
            if (!segment.CoversGrowth(from.Commit, PageSize))
            {
                broken = $"growth from {from.Commit} to {segment.End.Commit} pages has pages without a frame";
                return default;
            }

            // A piece that was cut at the size limit becomes a file of its own, and so do the pieces behind it (trap A22).
            publish |= segment.End.Frame < position.MaxFrame;
            long read = (long)(segment.End.Frame - from.Frame) * (WalOffsets.FrameHeaderSize + PageSize);
            try
            {
                Take(publish);
            }
            catch (WalOverwrittenException e)
            {
                broken = e.Message;
                return default;
            }

            bytes += read;
            Statistics.WalBytes += read;
            from = captured;
            advanced = true;
        }

        if (!advanced && IsGenerationOf(position) && captured.Frame > 0
            && (position.Checksum1 != captured.Checksum1 || position.Checksum2 != captured.Checksum2))
        {
            broken = "checksum of the last captured wal frame changed";
            return default;
        }

        return advanced ? new PassResult(true, bytes, null, false) : PublishPending(publish);
    }

    private static string? MismatchAtEnd(in WalPosition position, in WalCursor end)
    {
        if (end.Frame < position.MaxFrame)
        {
            return null;
        }

        return end.Checksum1 == position.Checksum1 && end.Checksum2 == position.Checksum2 && end.Commit == position.PageCount
            ? null
            : "the frames read do not end at the position of the read transaction";
    }

    /// <summary>Writes the segment, with what waits in memory, as the next file; or lets its pages wait too.</summary>
    private void Take(bool publish)
    {
        if (publish || (long)segment.PageCount * PageSize > LargeSegmentBytes || pending.Bytes > MaxPendingBytes)
        {
            Publish();
            return;
        }

        try
        {
            using var pages = new SegmentPages(segment, wal!, PageSize);
            while (pages.MoveNext())
            {
                pending.Add(pages.PageNumber, pages.Page);
            }
        }
        catch
        {
            // Some pages that wait are newer now than what was captured: no file may be made of them.
            fullCopyReason = "reading the wal was interrupted";
            throw;
        }

        Advance(segment.End);
    }

    /// <summary>Writes what waits in memory, if anything does and it is due, although no new frame came.</summary>
    private PassResult PublishPending(bool publish)
    {
        if (publish && HasPending)
        {
            segment.Reset(captured);
            segment.Seal(PageSize);
            Publish();
        }

        return default;
    }

    /// <summary>
    /// Everything captured since the last file becomes the next one. If the write fails, even behind its rename, nothing was
    /// published: the same transaction is written again, with whatever came since.
    /// </summary>
    private void Publish()
    {
        Txid txid = Position.Next;
        newest = writer.Write(txid, PageSize, filed, pending, segment, wal!);
        pending.Clear();
        Position = txid;
        Advance(segment.End);
        filed = captured;
        published.Advance(txid);
    }

    private void Advance(in WalCursor end)
    {
        if (!captured.HasGeneration || captured.Salt1 != end.Salt1 || captured.Salt2 != end.Salt2)
        {
            backfilled = 0;
        }

        captured = end;
        onSlotZero = false;
    }

    /// <summary>Copies the whole database as of a read transaction whose position is known.</summary>
    private PassResult FullCopy(SqliteConnection connection, WalPosition? position, string reason, CancellationToken cancellationToken)
    {
        fullCopyReason = reason;
        bool pageSizeChanged = newest.PageSize != 0 && newest.PageSize != PageSize;
        uint pageCount = position is { PageCount: > 0 and uint pages } ? pages : connection.PageCount;
        WalCursor end = CursorOf(position, pageCount);
        if (pageCount == 0)
        {
            return default;
        }

        Txid txid = Position.Next;
        logger.Write(
            txid.Value == 1 ? LogLevel.Debug : LogLevel.Warning, "taking a full copy of the database", ("reason", reason), ("txid", txid.ToString()));
        // Before the copy exists: nothing between its rename and its publication may fail (trap C8).
        OpenWal();
        newest = writer.WriteFullCopy(txid, connection, end, cancellationToken);
        pending.Clear();
        Position = txid;
        fullCopyReason = null;
        Advance(end);
        filed = captured;
        published.Advance(txid);
        return new PassResult(true, 0, reason, pageSizeChanged);
    }
}
