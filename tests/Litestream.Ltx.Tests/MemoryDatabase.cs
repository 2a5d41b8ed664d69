namespace Litestream.Ltx.Tests;

/// <summary>A database in memory: source, sink and store.</summary>
internal sealed class MemoryDatabase : IPageStore, IPageSink
{
    internal byte[] Bytes { get; set; } = [];

    internal bool IsComplete { get; private set; }

    public int PageSize { get; set; }

    public uint PageCount => PageSize == 0 ? 0 : (uint)(Bytes.Length / PageSize);

    public ReadOnlySpan<byte> ReadPage(uint pageNumber) => Bytes.AsSpan(checked((int)(pageNumber - 1) * PageSize), PageSize);

    public void WritePage(uint pageNumber, ReadOnlySpan<byte> page)
    {
        PageSize = page.Length;
        if (pageNumber > PageCount)
        {
            SetPageCount(pageNumber, page.Length);
        }

        page.CopyTo(Bytes.AsSpan(checked((int)(pageNumber - 1) * PageSize)));
    }

    public void SetPageCount(uint pageCount, int pageSize)
    {
        byte[] resized = new byte[checked((int)pageCount * pageSize)];
        Bytes.AsSpan(0, Math.Min(Bytes.Length, resized.Length)).CopyTo(resized);
        Bytes = resized;
        PageSize = pageCount == 0 ? 0 : pageSize;
    }

    public Span<byte> Reserve(uint pageNumber, int pageSize)
    {
        Assert.False(IsComplete);
        Assert.Equal(PageCount + 1, pageNumber);
        var undefined = new byte[pageSize];
        undefined.AsSpan().Fill(0xEE);
        WritePage(pageNumber, undefined);
        return Bytes.AsSpan(Bytes.Length - pageSize);
    }

    public void Complete(uint pageCount, int pageSize)
    {
        Assert.Equal(pageCount, PageCount);
        IsComplete = true;
    }
}
