using System.Buffers;
using System.Runtime.ExceptionServices;
using System.Threading.Channels;
using Litestream.Ltx;
using Litestream.Restore.Delta;
using Litestream.Storage;

namespace Litestream.Restore;

/// <summary>
/// Builds a database file from planned LTX files. Headers and page indexes are read newest file first, so that it is known of each
/// page which file has its newest image; after that parts of all files are read, decoded and written in parallel and in any order,
/// each page once. Superseded pages are decoded, too: they are part of the checksum of their file, and every planned file is verified
/// as a whole before the restore succeeds. With a local copy (<see cref="DeltaPages"/>) only the pages that it lacks are read.
/// </summary>
internal sealed class LtxDatabaseBuilder : IDisposable
{
    /// <summary>
    /// Bytes of backup files between two requests for early write-out. Without them the disk idles until the final sync; at every part
    /// they double the system's share of the work.
    /// </summary>
    private const long WritebackInterval = 32 << 20;

    private readonly IReplicaClient _client;
    private readonly TimeProvider _time;
    private readonly IReadOnlyList<LtxFileInfo> _plan;
    private readonly IFile _output;
    private readonly RestoreWidth _width;
    private readonly SemaphoreSlim _requests;
    private readonly IProgress<RestoreProgress>? _progress;
    private readonly RestoreOrigin _origin;
    private readonly DeltaPages? _delta;
    private readonly PageBitmap _claimed;
    private readonly Lock _writeTurn = new();
    private long _total;
    private LtxHeader _newest;
    private Exception? _failure;
    private long _done;

    /// <param name="client">The replica.</param>
    /// <param name="time">Clock of retry waits.</param>
    /// <param name="plan">The files, oldest first.</param>
    /// <param name="output">The new file.</param>
    /// <param name="parallelism">Parallel reads and decoders.</param>
    /// <param name="progress">Told after each part; null = nobody.</param>
    /// <param name="origin">Takes up which files were used; null = nobody asks.</param>
    /// <param name="delta">Pages that are in place already, and files that come first; null = everything comes from the plan.</param>
    internal LtxDatabaseBuilder(
        IReplicaClient client, TimeProvider time, IReadOnlyList<LtxFileInfo> plan, IFile output, int parallelism,
        IProgress<RestoreProgress>? progress, RestoreOrigin? origin = null, DeltaPages? delta = null)
    {
        _client = client;
        _time = time;
        _plan = plan;
        _output = output;
        _width = RestoreWidth.Of(client, parallelism);
        _requests = new SemaphoreSlim(_width.Requests);
        _progress = progress;
        _origin = origin ?? new RestoreOrigin();
        _delta = delta;
        _claimed = delta?.Claimed ?? new PageBitmap();
        _total = delta is null ? plan.Sum(file => file.Size) : 0;
    }

    /// <summary>Writes the database; it is complete and every file verified when this returns. Nothing is synced.</summary>
    /// <returns>Size of the database in bytes.</returns>
    /// <exception cref="LtxFileException">A planned file is damaged.</exception>
    /// <exception cref="LtxFileNotFoundException">A planned file is gone.</exception>
    internal async Task<long> BuildAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Channel<FilePart> parts = Channel.CreateBounded<FilePart>(new BoundedChannelOptions(_width.Workers) { SingleWriter = true });
        await Task.WhenAll(
            [
                RunAsync(() => FeedAsync(parts.Writer, stop), stop),
                .. Enumerable.Range(0, _width.Workers).Select(_ => RunAsync(() => WorkAsync(parts.Reader, stop.Token), stop)),
            ]);
        DisposeRest(parts.Reader);
        if (_failure is not null)
        {
            cancellationToken.ThrowIfCancellationRequested();
            ExceptionDispatchInfo.Throw(_failure);
        }

        RequireAllPages();
        long size = _newest.Commit * (long)_newest.PageSize;
        _output.SetLength(size);
        return size;
    }

    /// <summary>Runs one of the parallel loops; the first failure of any stops all and is the one that is reported.</summary>
    private Task RunAsync(Func<Task> loop, CancellationTokenSource stop) => Task.Run(async () =>
    {
        try
        {
            await loop();
        }
        catch (Exception failure)
        {
            await FailAsync(failure, stop);
        }
    });

    private async Task FailAsync(Exception failure, CancellationTokenSource stop)
    {
        if (Interlocked.CompareExchange(ref _failure, failure, null) is null)
        {
            await stop.CancelAsync();
        }
    }

    /// <summary>Loads files ahead, newest first, and hands their parts to the workers.</summary>
    private async Task FeedAsync(ChannelWriter<FilePart> writer, CancellationTokenSource stop)
    {
        var ahead = new Queue<Task<PlannedFile>>();
        try
        {
            while (_delta is not null && _delta.Loaded.TryDequeue(out PlannedFile? loaded))
            {
                await FeedAsync(writer, loaded, stop.Token);
            }

            int window = _delta is null ? _width.Ahead : 1; // An index that nobody needs costs bytes.
            for (int next = _plan.Count - 1; _delta is not { IsComplete: true } && (next >= 0 || ahead.Count > 0);)
            {
                for (; next >= 0 && ahead.Count < window; next--)
                {
                    if (_delta?.WasLoaded(_plan[next]) != true)
                    {
                        ahead.Enqueue(LoadAsync(_plan[next], stop.Token));
                    }
                }

                if (ahead.TryDequeue(out Task<PlannedFile>? first))
                {
                    await FeedAsync(writer, await first, stop.Token);
                }
            }
        }
        catch (Exception failure)
        {
            // Stops the loads ahead, too; else they would go through all their retries first.
            await FailAsync(failure, stop);
        }
        finally
        {
            writer.Complete();
            await DisposeAheadAsync(ahead);
        }
    }

    private async Task FeedAsync(ChannelWriter<FilePart> writer, PlannedFile file, CancellationToken cancellationToken)
    {
        _origin.Add(new ReplicaAnchor(file.Info, file.Checksum));
        List<FilePart> parts = Guard(file.Info, () => Claim(file));
        if (parts.Count == 0)
        {
            Finished(file);
            return;
        }

        if (_delta is not null)
        {
            Interlocked.Add(ref _total, parts.Sum(part => part.Range.End - part.Range.Start));
        }

        foreach (FilePart part in parts)
        {
            await writer.WriteAsync(part, cancellationToken);
        }
    }

    private static async Task DisposeAheadAsync(Queue<Task<PlannedFile>> ahead)
    {
        foreach (Task<PlannedFile> task in ahead)
        {
            await ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (task.IsCompletedSuccessfully)
            {
                task.Result.Dispose();
            }
        }
    }

    private async Task<PlannedFile> LoadAsync(LtxFileInfo file, CancellationToken cancellationToken)
    {
        await _requests.WaitAsync(cancellationToken);
        try
        {
            int limit = _delta is null ? PlannedFile.WholeFileLimit : PlannedFile.IndexReadSize;
            PlannedFile loaded = await PlannedFile.LoadAsync(_client, file, _time, limit, cancellationToken);
            _delta?.AddBytes(loaded.BytesLoaded);
            return loaded;
        }
        catch (LtxException damage)
        {
            throw new LtxFileException(file, damage);
        }
        finally
        {
            _requests.Release();
        }
    }

    private List<FilePart> Claim(PlannedFile file)
    {
        if (_newest.PageSize == 0)
        {
            _newest = file.Header;
            _origin.PageSize = _newest.PageSize;
        }
        else if (file.Header.PageSize != _newest.PageSize)
        {
            throw new LtxException(
                LtxErrorKind.PageSizeMismatch,
                $"it has pages of {file.Header.PageSize} bytes, the newest planned file has pages of {_newest.PageSize} bytes",
                file.Info.Name);
        }

        return file.Claim(_claimed, _newest.Commit, _width.PartSize, mayBePartial: _delta is not null);
    }

    private async Task WorkAsync(ChannelReader<FilePart> reader, CancellationToken cancellationToken)
    {
        byte[]? buffer = null;
        PageSink? sink = null;
        try
        {
            await foreach (FilePart part in reader.ReadAllAsync(cancellationToken))
            {
                int size = (int)(part.Range.End - part.Range.Start);
                if (buffer is null || buffer.Length < size)
                {
                    Return(buffer);
                    buffer = ArrayPool<byte>.Shared.Rent(Math.Max(size, _width.BufferSize));
                }

                PageSink target = sink ??= new PageSink(_output, _writeTurn, part.File.Header.PageSize);
                ReadOnlyMemory<byte> bytes = await ReadAsync(part, buffer, cancellationToken);
                _delta?.AddBytes(part.File.IsInMemory ? 0 : bytes.Length);
                if (Guard(part.File.Info, () => part.File.Complete(part.Number, Decode(part, bytes.Span, target, _newest.Commit))))
                {
                    part.File.Dispose();
                }

                Advance(size);
            }
        }
        finally
        {
            sink?.Dispose();
            Return(buffer);
        }
    }

    private async ValueTask<ReadOnlyMemory<byte>> ReadAsync(FilePart part, byte[] buffer, CancellationToken cancellationToken)
    {
        if (part.File.IsInMemory)
        {
            return await part.File.ReadAsync(part.Range, buffer, cancellationToken);
        }

        await _requests.WaitAsync(cancellationToken);
        try
        {
            return await part.File.ReadAsync(part.Range, buffer, cancellationToken);
        }
        finally
        {
            _requests.Release();
        }
    }

    private LtxSegment Decode(FilePart part, ReadOnlySpan<byte> bytes, PageSink sink, uint commit)
    {
        var reader = new LtxRangeReader(part.File.Header, part.Range.Start, bytes, part.File.Info.Name);
        int ordinal = part.FirstOrdinal;
        int end = ordinal + (int)part.Range.PageCount;
        while (reader.ReadPage())
        {
            if (ordinal == end)
            {
                throw new LtxException(LtxErrorKind.PageIndex, "more page frames than the page index says", part.File.Info.Name, reader.PageNumber);
            }

            // An index that names another page here fails the verification of the file, and nothing is published.
            if (part.Pages is { } pages && pages[ordinal - part.FirstOrdinal] != reader.PageNumber)
            {
                throw new LtxException(LtxErrorKind.PageIndex, $"the page index says page {pages[ordinal - part.FirstOrdinal]} here", part.File.Info.Name, reader.PageNumber);
            }

            bool newest = part.File.IsNewest(ordinal++) && reader.PageNumber <= commit;
            ulong digest = reader.DecompressTo(newest ? sink.Reserve(reader.PageNumber) : sink.Scratch());
            if (newest)
            {
                _delta?.Take(reader.PageNumber, digest, part.File.IsWhole, part.File.Info.Name);
            }
        }

        if (part.Pages is not null && ordinal != end)
        {
            throw new LtxException(LtxErrorKind.PageIndex, "fewer page frames than the page index says", part.File.Info.Name, offset: part.Range.Start);
        }

        sink.Flush();
        return reader.Segment;
    }

    private void RequireAllPages()
    {
        uint commit = _newest.Commit;
        uint lockPage = LtxFormat.LockPage(_newest.PageSize);
        long expected = commit - (commit >= lockPage ? 1 : 0);
        if (_claimed.Count != expected)
        {
            uint missing = _claimed.FirstUnclaimed(commit, lockPage);
            throw new LtxFileException(
                _plan[^1],
                new LtxException(LtxErrorKind.SnapshotIncomplete, "the database grew to this page, but no planned file contains it", _plan[^1].Name, missing));
        }
    }

    private void Finished(PlannedFile file)
    {
        Advance(_delta is null ? file.Info.Size : 0);
        file.Dispose();
    }

    private void Advance(long bytes)
    {
        long done = Interlocked.Add(ref _done, bytes);
        if (done / WritebackInterval != (done - bytes) / WritebackInterval)
        {
            _output.StartWriteback(0, 0);
        }

        long total = Interlocked.Read(ref _total);
        _progress?.Report(new RestoreProgress(Math.Min(done, total), total));
    }

    private static T Guard<T>(LtxFileInfo file, Func<T> action)
    {
        try
        {
            return action();
        }
        catch (LtxException damage)
        {
            throw new LtxFileException(file, damage);
        }
    }

    private static void DisposeRest(ChannelReader<FilePart> reader)
    {
        while (reader.TryRead(out FilePart? part))
        {
            part.File.Dispose();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _requests.Dispose();

    private static void Return(byte[]? buffer)
    {
        if (buffer is not null)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
