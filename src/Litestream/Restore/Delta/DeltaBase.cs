using System.Buffers;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Restore.Delta;

/// <summary>
/// An older or damaged copy of the database, with the digests of its pages. It is only read; whatever happens to it meanwhile, a page is
/// taken over only with the content that its digest says.
/// </summary>
internal sealed class DeltaBase : IDisposable
{
    private const int BufferSize = 1 << 20;

    private readonly IFile _file;
    private long _damaged;

    private DeltaBase(IFile file, PageDigestFile digests) => (_file, Digests) = (file, digests);

    /// <summary>What its side file says.</summary>
    internal PageDigestFile Digests { get; }

    /// <summary>Pages that should have been taken over and were not what their digest says.</summary>
    internal long Damaged => _damaged;

    /// <summary>Opens a copy with its side file.</summary>
    /// <returns>Null if there is no usable copy; <paramref name="problem"/> says why.</returns>
    internal static DeltaBase? Open(IFileSystem files, string path, out string problem)
    {
        problem = $"there is no {path}";
        if (files.Stat(path) is not { Kind: FileKind.Regular } || PageDigestFile.Open(files, path, out problem) is not { } digests)
        {
            return null;
        }

        try
        {
            return new DeltaBase(files.OpenRead(path), digests);
        }
        catch
        {
            digests.Dispose();
            throw;
        }
    }

    /// <summary>Copies the pages that did not change and are as their digests say, and claims them.</summary>
    /// <param name="output">The new database.</param>
    /// <param name="changed">Pages that differ, or may.</param>
    /// <param name="claimed">Pages that are in place.</param>
    /// <param name="commit">Size of the new database in pages.</param>
    /// <param name="cancellationToken">Stops between two reads.</param>
    internal void CopyTo(IFile output, ChangedPages changed, PageBitmap claimed, uint commit, CancellationToken cancellationToken)
    {
        int pageSize = Digests.PageSize;
        uint last = (uint)Math.Min(Math.Min(commit, Digests.PageCount), _file.Length / pageSize);
        uint lockPage = LtxFormat.LockPage(pageSize);
        int perRead = BufferSize / pageSize;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(perRead * pageSize);
        ulong[] digests = new ulong[perRead];
        try
        {
            for (long first = 1; first <= last; first += perRead)
            {
                cancellationToken.ThrowIfCancellationRequested();
                int count = Read((uint)first, (int)Math.Min(perRead, last - first + 1), buffer);
                Digests.Read((uint)first, digests.AsSpan(0, count));
                int from = 0;
                for (int i = 0; i < count; i++)
                {
                    uint page = (uint)(first + i);
                    bool unchanged = page != lockPage && !changed.Contains(page);
                    bool good = unchanged && digests[i] != 0 && Crc64.Append(0, buffer.AsSpan(i * pageSize, pageSize)) == digests[i];
                    _damaged += unchanged && !good ? 1 : 0;
                    if (good)
                    {
                        claimed.TryClaim(page);
                        continue;
                    }

                    Write(output, buffer, first, from, i);
                    from = i + 1;
                }

                Write(output, buffer, first, from, count);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Whether fetched content may be what the page holds: an unchanged page must have its digest.</summary>
    internal bool Accepts(uint page, ulong digest)
    {
        if (page > Digests.PageCount)
        {
            return true;
        }

        Span<ulong> known = stackalloc ulong[1];
        Digests.Read(page, known);
        return known[0] == 0 || known[0] == digest;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file.Dispose();
        Digests.Dispose();
    }

    private int Read(uint first, int count, byte[] buffer)
    {
        int pageSize = Digests.PageSize;
        int done = 0;
        while (done < count * pageSize)
        {
            int read = _file.Read(buffer.AsSpan(done, (count * pageSize) - done), ((first - 1L) * pageSize) + done);
            if (read == 0)
            {
                // Somebody cut it meanwhile: what is left in the buffer fails its digests.
                buffer.AsSpan(done, (count * pageSize) - done).Clear();
                break;
            }

            done += read;
        }

        return count;
    }

    private void Write(IFile output, byte[] buffer, long first, int from, int to)
    {
        if (to > from)
        {
            output.Write(buffer.AsSpan(from * Digests.PageSize, (to - from) * Digests.PageSize), (first - 1 + from) * Digests.PageSize);
        }
    }
}
