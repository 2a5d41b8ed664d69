namespace Litestream.Storage;

/// <summary>Opens bytes from an offset on.</summary>
/// <param name="offset">First byte.</param>
/// <param name="size">Bytes wanted; more may come.</param>
/// <param name="cancellationToken">Cancels the open and later reads.</param>
public delegate ValueTask<Stream> OpenRange(long offset, long size, CancellationToken cancellationToken);

/// <summary>
/// Reads ranges of one file of known size and opens it again where a read broke off (store-and-restore §11.2). Thread-safe; ranges
/// of one file share the budget of retries.
/// </summary>
/// <remarks>
/// Three retries without progress, then the file fails; a mebibyte of progress refills the budget, so that a long restore survives
/// many drops while a store that sends one byte per connection does not cause connections for ever (traps P9, P10).
/// </remarks>
public sealed class ResumableReader
{
    private const int MaxRetries = 3;
    private const long RefillBytes = 1 << 20;

    private readonly Lock _gate = new();
    private readonly OpenRange _open;
    private readonly string _what;
    private readonly TimeProvider _time;
    private int _failures;
    private long _progress;

    /// <summary>Creates a reader; nothing is opened yet.</summary>
    /// <param name="open">Opens the file.</param>
    /// <param name="size">Size of the file as listed; an end before it is a broken read.</param>
    /// <param name="what">The file, for messages.</param>
    /// <param name="time">Clock of the waits.</param>
    public ResumableReader(OpenRange open, long size, string what, TimeProvider time)
    {
        _open = open;
        Size = size;
        _what = what;
        _time = time;
    }

    /// <summary>Size of the file in bytes, as listed.</summary>
    public long Size { get; }

    /// <summary>A reader of a file of a replica.</summary>
    public static ResumableReader ForReplica(IReplicaClient client, LtxFileInfo file, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(client);
        return new ResumableReader(
            (offset, size, token) => client.OpenAsync(file.Level, file.MinTxid, file.MaxTxid, offset, size, token),
            file.Size,
            $"ltx file (level={file.Level}, min={file.MinTxid}, max={file.MaxTxid}",
            time);
    }

    /// <summary>Fills the buffer from an offset.</summary>
    /// <returns>Bytes read: fewer than asked only where the listed size ends.</returns>
    /// <exception cref="LtxFileNotFoundException">The file is gone; not retried.</exception>
    /// <exception cref="ReplicaException">Retries are used up.</exception>
    public async ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        int wanted = (int)Math.Clamp(Size - offset, 0, destination.Length);
        int done = 0;
        while (done < wanted)
        {
            IOException? failure = null;
            try
            {
                await using Stream stream = await _open(offset + done, wanted - done, cancellationToken);
                while (done < wanted)
                {
                    int count = await stream.ReadAsync(destination[done..wanted], cancellationToken);
                    if (count == 0)
                    {
                        break;
                    }

                    done += count;
                    AddProgress(count);
                }
            }
            catch (IOException error) when (IsResumable(error))
            {
                failure = error;
            }

            if (done < wanted)
            {
                await WaitAsync(offset + done, failure, cancellationToken);
            }
        }

        return done;
    }

    /// <summary>
    /// The whole file as a forward stream, asynchronous only: one request if nothing breaks, where <see cref="ReadAsync"/> makes one per
    /// call. Errors and retries are those of <see cref="ReadAsync"/>. Nothing is opened before the first read.
    /// </summary>
    public Stream AsStream() => new ResumableStream(this);

    internal static bool IsResumable(IOException error) => error is not (LtxFileNotFoundException or ReplicaException { IsTransient: false });

    internal ValueTask<Stream> OpenAsync(long offset, long size, CancellationToken cancellationToken) => _open(offset, size, cancellationToken);

    internal void AddProgress(int count)
    {
        lock (_gate)
        {
            _progress += count;
            if (_progress >= RefillBytes)
            {
                _failures = 0;
                _progress = 0;
            }
        }
    }

    internal async ValueTask WaitAsync(long offset, IOException? failure, CancellationToken cancellationToken)
    {
        int failures;
        lock (_gate)
        {
            failures = ++_failures;
        }

        if (failures > MaxRetries)
        {
            throw new ReplicaException(
                $"max retries exceeded reading {_what}, offset={offset}): {failure?.Message ?? $"the data ends there, the listing says {Size} bytes"}",
                innerException: failure);
        }

        // 250, 500, 1000 ms: without waits all retries fall into one throttling window of the store (trap P11).
        await Task.Delay(TimeSpan.FromMilliseconds(125 << failures), _time, cancellationToken);
    }
}
