using System.Buffers;

namespace Litestream.Ltx;

/// <summary>Some pages that are compressed together, on one thread of the pool (see <see cref="LtxParallelWriter"/>).</summary>
internal sealed class PageBatch : IDisposable
{
    private const int Size = 256 << 10;

    private readonly int pageSize;
    private readonly (uint Number, int BlockEnd, ulong Crc)[] pages;
    private readonly Action compress;
    private byte[] content;
    private byte[] blocks;
    private int count;
    private Task compressing = Task.CompletedTask;

    public PageBatch(int pageSize)
    {
        this.pageSize = pageSize;
        pages = new (uint, int, ulong)[Math.Max(1, Size / pageSize)];
        content = ArrayPool<byte>.Shared.Rent(pages.Length * pageSize);
        blocks = ArrayPool<byte>.Shared.Rent(pages.Length * LtxFormat.MaxBlockSize(pageSize));
        compress = Compress;
    }

    public bool IsFull => count == pages.Length;

    public void Add(uint pageNumber, ReadOnlySpan<byte> page)
    {
        if (page.Length != pageSize)
        {
            throw new ArgumentException($"The page has {page.Length} bytes, the header says {pageSize}.", nameof(page));
        }

        page.CopyTo(content.AsSpan(count * pageSize));
        pages[count++].Number = pageNumber;
    }

    /// <summary>Begins to compress; until <see cref="Wait"/> has returned the batch must be left alone.</summary>
    public void Start() => compressing = Task.Run(compress);

    /// <summary>Waits until all is compressed; a batch that no thread has taken yet is compressed on this one.</summary>
    public void Wait() => compressing.GetAwaiter().GetResult();

    /// <summary>Appends the pages and empties the batch.</summary>
    public void AppendTo(LtxWriter writer)
    {
        int start = 0;
        foreach ((uint number, int end, ulong crc) in pages.AsSpan(0, count))
        {
            writer.WriteBlock(number, blocks.AsSpan(start, end - start), crc);
            start = end;
        }

        count = 0;
    }

    /// <summary>Waits until nothing uses the buffers and gives them back.</summary>
    public void Dispose()
    {
        Task.WaitAny(compressing);
        ArrayPool<byte>.Shared.Return(content);
        ArrayPool<byte>.Shared.Return(blocks);
        content = blocks = [];
    }

    private void Compress()
    {
        int end = 0;
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> page = content.AsSpan(i * pageSize, pageSize);
            end += LtxBlock.Compress(page, blocks.AsSpan(end));
            pages[i] = (pages[i].Number, end, Crc64.Append(0, page));
        }
    }
}
