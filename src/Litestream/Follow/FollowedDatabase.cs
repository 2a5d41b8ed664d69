using Litestream.Diagnostics;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Sqlite;
using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream.Follow;

/// <summary>
/// The database of a follower: applies verified files as one transaction of SQLite, then moves the side file (decision D2). Readers
/// of other processes see the state before or after, never one between, whatever happens to this process.
/// </summary>
internal sealed class FollowedDatabase : IDisposable
{
    /// <summary>How long new readers are kept out in one attempt: enough for those that keep their transactions short to end.</summary>
    private static readonly TimeSpan LockAttempt = TimeSpan.FromMilliseconds(250);

    /// <summary>Pause between attempts, in which readers get their turn.</summary>
    private static readonly TimeSpan LockPause = TimeSpan.FromMilliseconds(100);

    /// <summary>After how long a blocked transaction is reported, and how often again.</summary>
    private static readonly TimeSpan ReportBlocked = TimeSpan.FromSeconds(5);

    private readonly IFileSystem _files;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly DatabasePageWriter _writer;
    private readonly FileStatus _identity;

    /// <summary>Opens the database; a transaction that a killed follower left is rolled back before the first read.</summary>
    /// <param name="path">Absolute path.</param>
    /// <param name="current">The transaction that the side file names.</param>
    /// <param name="files">For the side file.</param>
    /// <param name="time">Clock of waits.</param>
    /// <param name="logger">Where blocking readers are reported.</param>
    /// <exception cref="FollowException">Somebody wrote to the database.</exception>
    /// <exception cref="SqliteException">It cannot be opened.</exception>
    internal FollowedDatabase(string path, Txid current, IFileSystem files, TimeProvider time, ILogger logger)
    {
        if (files.Stat(path + "-wal") is { Size: > 0 })
        {
            throw new FollowException(
                $"{path}-wal holds transactions of another program: a database that follows must be opened read-only. Delete the database to re-restore: {path}");
        }

        _files = files;
        _time = time;
        _logger = logger;
        _identity = files.Stat(path) ?? throw new FollowException($"the database is gone: {path}");
        _writer = DatabasePageWriter.Open(path);
        Current = current;
    }

    /// <summary>Last transaction that is known to be in the database.</summary>
    internal Txid Current { get; private set; }

    private string Path => _writer.Path;

    /// <summary>Applies files that continue each other as one transaction.</summary>
    /// <param name="batch">At least one; the first continues or overlaps <see cref="Current"/>.</param>
    /// <param name="cancellationToken">Ends waiting for readers; a transaction that is being written is finished or rolled back.</param>
    /// <exception cref="FollowException">The database or its history is not what was followed.</exception>
    /// <exception cref="LtxFileException">The files do not fit together. Nothing was changed.</exception>
    /// <exception cref="SqliteException">The disk is full or fails. Nothing was changed.</exception>
    internal async Task ApplyAsync(IReadOnlyList<IncomingFile> batch, CancellationToken cancellationToken)
    {
        CheckFits(batch);
        long began = _time.GetTimestamp();
        TimeSpan nextReport = ReportBlocked;
        while (!TryApply(batch))
        {
            TimeSpan blocked = _time.GetElapsedTime(began);
            if (blocked >= nextReport)
            {
                nextReport = blocked + ReportBlocked;
                _logger.Write(LogLevel.Warning, "follow: readers hold the database, waiting to apply updates",
                    ("output", Path), ("txid", batch[^1].Info.MaxTxid), ("waited", TimeSpan.FromSeconds(Math.Floor(blocked.TotalSeconds))));
            }

            await Task.Delay(LockPause, _time, cancellationToken);
        }

        Current = batch[^1].Info.MaxTxid;
        TxidFile.Write(_files, Path, Current);
    }

    /// <inheritdoc/>
    public void Dispose() => _writer.Dispose();

    private void CheckFits(IReadOnlyList<IncomingFile> batch)
    {
        if (_files.Stat(Path) is not { } now || now.Inode != _identity.Inode || now.Device != _identity.Device)
        {
            throw new FollowException($"the database was replaced or deleted while it was followed: {Path}");
        }

        Txid reached = Current;
        foreach (IncomingFile file in batch)
        {
            if (file.Header.PageSize != _writer.PageSize)
            {
                throw new FollowException(
                    $"the page size of the source changed from {_writer.PageSize} to {file.Header.PageSize} bytes with transaction {file.Info.MaxTxid}; "
                    + $"delete the database to re-restore: {Path}");
            }

            if (file.Header.Commit == 0)
            {
                throw new FollowException($"the source database was emptied with transaction {file.Info.MaxTxid}; {Path} stays as it was before");
            }

            if (file.Info.MinTxid > reached.Next || file.Info.MaxTxid <= reached)
            {
                throw new InvalidOperationException($"{file.Info.Name} (level {file.Info.Level}) does not continue transaction {reached}");
            }

            reached = file.Info.MaxTxid;
        }
    }

    private bool TryApply(IReadOnlyList<IncomingFile> batch)
    {
        // A change that does not fit into SQLite's cache is written before the commit, for which it has to be alone from the start.
        bool alone = batch.Sum(file => file.PageBytes) > DatabasePageWriter.CacheBytes;
        if (!_writer.TryBegin(alone, LockAttempt))
        {
            return false;
        }

        bool committed = false;
        try
        {
            if (_writer.IsChangedByOthers)
            {
                throw new FollowException(
                    $"another program wrote to the database: one that follows must be opened read-only. Delete the database to re-restore: {Path}");
            }

            uint commit = batch[^1].Header.Commit;
            WritePages(batch, commit);
            committed = _writer.TryCommit(commit, LockAttempt);
        }
        finally
        {
            if (!committed)
            {
                _writer.Rollback();
            }
        }

        return committed;
    }

    private void WritePages(IReadOnlyList<IncomingFile> batch, uint commit)
    {
        uint before = _writer.PageCount;
        uint lockPage = LtxFormat.LockPage(_writer.PageSize);
        var grown = new PageBitmap();
        foreach (IncomingFile file in batch)
        {
            using LtxReader reader = file.OpenReader();
            reader.ReadHeader();
            while (reader.ReadPage())
            {
                uint page = reader.PageNumber;
                if (page > commit)
                {
                    continue;
                }

                if (page > before)
                {
                    grown.TryClaim(page);
                }
                else if (file.Header.IsSnapshot && page > 1 && _writer.Read(page).SequenceEqual(reader.Page))
                {
                    continue; // Most pages of a snapshot are there already, and each one written is journaled, too.
                }

                _writer.Write(page, reader.Page);
            }

            reader.Finish();
        }

        long expected = commit > before ? commit - before - (lockPage > before && lockPage <= commit ? 1 : 0) : 0;
        if (grown.Count != expected)
        {
            throw new LtxFileException(batch[^1].Info, new LtxException(
                LtxErrorKind.SnapshotIncomplete, $"the database grew from {before} to {commit} pages, but the files hold {grown.Count} of the {expected} new ones", batch[^1].Info.Name));
        }
    }
}
