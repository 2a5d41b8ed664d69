using System.Buffers;
using Litestream.Storage;

namespace Litestream.Restore;

/// <summary>
/// Writes pages to their place in the database file: neighbouring pages are decoded side by side and written with one call.
/// One per worker.
/// </summary>
/// <param name="output">The database file.</param>
/// <param name="turn">
/// Shared by all sinks of a file: one writes at a time. The kernel lets only one write into a file anyway, and burns a processor in those
/// that wait: with eight at once a restore took three times the system time.
/// </param>
/// <param name="pageSize">Bytes.</param>
internal sealed class PageSink(IFile output, Lock turn, int pageSize) : IDisposable
{
    private const int BatchSize = 1 << 18;

    private readonly byte[] _batch = ArrayPool<byte>.Shared.Rent(BatchSize + pageSize);
    private readonly int _capacity = BatchSize / pageSize;
    private uint _first;
    private int _count;

    /// <summary>Where to decode a page that is to be written.</summary>
    internal Span<byte> Reserve(uint page)
    {
        if (_count > 0 && (_count == _capacity || page != _first + (uint)_count))
        {
            Flush();
        }

        if (_count == 0)
        {
            _first = page;
        }

        return _batch.AsSpan(_count++ * pageSize, pageSize);
    }

    /// <summary>Where to decode a page that is superseded: it is only checked.</summary>
    internal Span<byte> Scratch() => _batch.AsSpan(_capacity * pageSize, pageSize);

    /// <summary>Writes what is collected.</summary>
    internal void Flush()
    {
        if (_count > 0)
        {
            lock (turn)
            {
                output.Write(_batch.AsSpan(0, _count * pageSize), (_first - 1L) * pageSize);
            }

            _count = 0;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => ArrayPool<byte>.Shared.Return(_batch);
}
