namespace Litestream.Ltx;

/// <summary>
/// Appends pages to a file whose blocks are compressed on several threads; the file is the same, byte for byte. Compression is three
/// quarters of the work of writing a file, and the only part that need not be in order.
/// </summary>
/// <remarks>
/// Memory: two buffers of 256 KiB for each of <see cref="Parallelism"/> and for two more: one is filled, and one lies ready, since waking a
/// thread takes as long as half a batch. The caller's thread helps when it would have to wait, so that nothing stalls in a pool without a
/// free thread. Not thread-safe.
/// </remarks>
public sealed class LtxParallelWriter : IDisposable
{
    private readonly LtxWriter writer;
    private readonly Queue<PageBatch> running = new();
    private readonly Stack<PageBatch> free = new();
    private PageBatch filling;

    /// <summary>Appends to a writer, which must not be used otherwise until <see cref="Complete"/> has returned.</summary>
    /// <param name="writer">The file; stays open.</param>
    public LtxParallelWriter(LtxWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        this.writer = writer;
        filling = new PageBatch(writer.Header.PageSize);
    }

    /// <summary>
    /// Threads that batches are made for: half of the processors, for the application beside us has the other half, but at least 2
    /// and at most 4, which is more than disks and stores take.
    /// </summary>
    public static int Parallelism { get; } = Math.Clamp(Environment.ProcessorCount / 2, 2, 4);

    /// <summary>Takes a page; its bytes are copied.</summary>
    /// <param name="pageNumber">As for <see cref="LtxWriter.WritePage"/>.</param>
    /// <param name="page">Exactly one page.</param>
    /// <exception cref="LtxException">An earlier page, or this one, must not come here.</exception>
    public void WritePage(uint pageNumber, ReadOnlySpan<byte> page)
    {
        filling.Add(pageNumber, page);
        if (filling.IsFull)
        {
            Start();
        }
    }

    /// <summary>Appends everything that is under way. Must be called before <see cref="LtxWriter.Finish"/>.</summary>
    /// <exception cref="LtxException">A page must not come here.</exception>
    public void Complete()
    {
        Start();
        while (running.Count > 0)
        {
            AppendOldest();
        }
    }

    /// <summary>Waits for what is being compressed and gives back the buffers.</summary>
    public void Dispose()
    {
        foreach (PageBatch batch in running)
        {
            batch.Dispose();
        }

        running.Clear();
        while (free.TryPop(out PageBatch? batch))
        {
            batch.Dispose();
        }

        filling.Dispose();
    }

    private void Start()
    {
        filling.Start();
        running.Enqueue(filling);
        if (running.Count > Parallelism)
        {
            AppendOldest();
        }

        filling = free.TryPop(out PageBatch? used) ? used : new PageBatch(writer.Header.PageSize);
    }

    private void AppendOldest()
    {
        PageBatch oldest = running.Peek();
        oldest.Wait();
        oldest.AppendTo(writer);
        free.Push(running.Dequeue());
    }
}
