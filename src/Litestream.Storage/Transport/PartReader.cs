namespace Litestream.Storage.Transport;

/// <summary>
/// Cuts the bytes of an upload into parts of equal size, the last one shorter. Buffers come from a pool and grow with what is read, so that
/// a small file never costs a part's worth of memory; what outgrows the memory of the spool goes on in a file.
/// </summary>
/// <param name="head">The first bytes, read already.</param>
/// <param name="source">The rest.</param>
/// <param name="partSize">Bytes per part; <see cref="long.MaxValue"/> = everything is one part.</param>
/// <param name="spool">How much of a part stays in memory, and where larger ones go.</param>
public sealed class PartReader(LtxUploadHead head, Stream source, long partSize, UploadSpool spool)
{
    private const int FirstBuffer = 64 << 10;

    private readonly byte[] next = new byte[1];
    private readonly long bound = UploadPartSize.BoundOf(source) + head.Bytes.Length ?? long.MaxValue;
    private ReadOnlyMemory<byte> ahead = head.Bytes;
    private bool ended;
    private int number;
    private long start;

    /// <summary>Length and last bytes of what was read, of everything once the last part is there.</summary>
    public TrailerTap Tap { get; } = new();

    /// <summary>Parts to be sent at a time: as many as wanted, as far as the memory of the spool allows, at least 1. Parts in files go one after the other.</summary>
    public int Concurrency(int wanted) => (int)Math.Clamp(spool.MemoryLimit / partSize, 1, Math.Max(1, wanted));

    /// <summary>The next part; null behind the last one. An empty source gives one empty part.</summary>
    /// <exception cref="IOException">The source failed.</exception>
    /// <exception cref="ReplicaException">The part cannot be spooled: the disk is full, or the directory cannot be written to.</exception>
    public async ValueTask<UploadPart?> NextAsync(CancellationToken cancellationToken)
    {
        if (ended)
        {
            return null;
        }

        number++;
        start = Tap.Length;

        // Where parts do not fit into memory and there is more than one, none is tried there first.
        bool spooled = partSize > spool.MemoryLimit && (number > 1 || (bound > partSize && bound < long.MaxValue));
        int most = (int)Math.Min(spooled ? UploadSpool.SliceBytes : partSize, spool.MemoryLimit);
        byte[] buffer = spool.Pool.Rent(number == 1 && !spooled ? Math.Min(most, FirstBuffer) : most);
        IFile file;
        int count = 0;
        try
        {
            while (true)
            {
                count += await FillAsync(buffer.AsMemory(count, Math.Min(most, buffer.Length) - count), cancellationToken).ConfigureAwait(false);
                if (ended || count == most)
                {
                    break;
                }

                byte[] larger = spool.Pool.Rent((int)Math.Min(most, 2L * buffer.Length));
                buffer.AsSpan(0, count).CopyTo(larger);
                spool.Pool.Return(buffer);
                buffer = larger;
            }

            await LookAheadAsync(cancellationToken).ConfigureAwait(false);
            if (ended || most == partSize)
            {
                var part = new UploadPart(spool.Pool, buffer, count) { Number = number, IsLast = ended };
                buffer = [];
                return part;
            }

            file = Spool(buffer.AsSpan(0, count));
        }
        finally
        {
            if (buffer.Length > 0)
            {
                spool.Pool.Return(buffer);
            }
        }

        return await SpoolRestAsync(file, count, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads what is left and keeps nothing of it but <see cref="Tap"/>: an object of this name is there already.</summary>
    /// <exception cref="IOException">The source failed.</exception>
    public async ValueTask ReadToEndAsync(CancellationToken cancellationToken)
    {
        byte[] buffer = spool.Pool.Rent(UploadSpool.SliceBytes);
        try
        {
            while (!ended)
            {
                await FillAsync(buffer, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            spool.Pool.Return(buffer);
        }
    }

    /// <summary>Begins the file of a part.</summary>
    private IFile Spool(ReadOnlySpan<byte> begin)
    {
        IFile? file = null;
        try
        {
            file = spool.Create();
            file.Write(begin, 0);
            return file;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            throw Failed(e);
        }
    }

    /// <summary>Goes on with a part in its file, which is closed on a failure.</summary>
    private async ValueTask<UploadPart> SpoolRestAsync(IFile file, long length, CancellationToken cancellationToken)
    {
        byte[] buffer = spool.Pool.Rent(UploadSpool.SliceBytes);
        try
        {
            while (!ended && length < partSize)
            {
                int most = (int)Math.Min(UploadSpool.SliceBytes, partSize - length);
                int count = await FillAsync(buffer.AsMemory(0, most), cancellationToken).ConfigureAwait(false);
                try
                {
                    file.Write(buffer.AsSpan(0, count), length);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    throw Failed(e);
                }

                length += count;
            }

            await LookAheadAsync(cancellationToken).ConfigureAwait(false);
            return new UploadPart(spool.Pool, file, length) { Number = number, IsLast = ended };
        }
        catch
        {
            file.Dispose();
            throw;
        }
        finally
        {
            spool.Pool.Return(buffer);
        }
    }

    private ReplicaException Failed(Exception cause)
    {
        long most = Math.Min(partSize, bound - start);
        string size = most < long.MaxValue - start ? $"up to {most} bytes" : $"more than {Tap.Length - start} bytes";
        return cause is DiskFullException
            ? new ReplicaException(
                $"no space left in {spool.Directory}, where part {number} of an upload waits until it is sent: a part has {size}, and two may wait at a time; "
                + "free space there, or move the directory (meta-path; TMPDIR where there is no state directory)",
                isTransient: true, cause)
            : new ReplicaException(
                $"part {number} of an upload ({size}) is too large for memory and cannot wait in {spool.Directory}: {cause.Message}; this process must be able to write there",
                isTransient: true, cause);
    }

    /// <summary>Reads until the target is full or the source has ended.</summary>
    private async ValueTask<int> FillAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        int count = 0;
        while (count < target.Length)
        {
            int read = await ReadAsync(target[count..], cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                ended = true;
                break;
            }

            count += read;
        }

        Tap.Add(target.Span[..count]);
        return count;
    }

    /// <summary>One byte more tells whether a full part is the last one.</summary>
    private async ValueTask LookAheadAsync(CancellationToken cancellationToken)
    {
        if (!ended && ahead.IsEmpty)
        {
            ended = await source.ReadAsync(next, cancellationToken).ConfigureAwait(false) == 0;
            ahead = ended ? default : next;
        }
    }

    private async ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        if (ahead.IsEmpty)
        {
            return await source.ReadAsync(target, cancellationToken).ConfigureAwait(false);
        }

        int count = Math.Min(ahead.Length, target.Length);
        ahead[..count].CopyTo(target);
        ahead = ahead[count..];
        return count;
    }
}
