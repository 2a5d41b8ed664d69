using BenchmarkDotNet.Attributes;
using Litestream.Ltx;

namespace Litestream.Benchmarks;

/// <summary>The inner loops of the LTX library on 4 KiB pages of word text. Each call handles <see cref="Bytes"/> of page data.</summary>
[MemoryDiagnoser]
public class LtxKernels : IPageSource, IDisposable
{
    // 2 MiB: one call is shorter than a time slice, so the best of many is undisturbed on a busy machine.
    private const int PageCountOfRun = 512;

    private readonly byte[] text = WordText.Create(PageCountOfRun, 4096);
    private readonly byte[] block = new byte[LtxFormat.MaxBlockSize(4096)];
    private readonly byte[] page = new byte[4096];
    private readonly List<byte[]> blocks = [];
    private readonly MemoryStream output = new(PageCountOfRun * 4200);
    private byte[] snapshot = [];
    private byte[][] mergeInputs = [];
    private PageIndex? index;

    /// <summary>Page data of one call in bytes.</summary>
    public static long Bytes => PageCountOfRun * 4096L;

    /// <inheritdoc/>
    public int PageSize => 4096;

    /// <inheritdoc/>
    public uint PageCount => PageCountOfRun;

    /// <summary>Prepares the inputs of all kernels.</summary>
    [GlobalSetup]
    public void Setup()
    {
        for (uint i = 1; i <= PageCount; i++)
        {
            blocks.Add(block.AsSpan(0, LtxBlock.Compress(ReadPage(i), block)).ToArray());
        }

        Encode();
        snapshot = output.ToArray();
        mergeInputs = [Build(1, 1, i => true), Build(2, 2, i => i % 4 == 0), Build(3, 3, i => i % 8 == 0), Build(4, 4, i => i % 16 == 0)];
        index = PageIndex.LoadAsync(snapshot.Length, ReadSnapshot).AsTask().GetAwaiter().GetResult();
    }

    /// <inheritdoc/>
    public ReadOnlySpan<byte> ReadPage(uint pageNumber) => text.AsSpan((int)(pageNumber - 1) * 4096, 4096);

    /// <summary>CRC-64 of everything, page by page.</summary>
    [Benchmark]
    public ulong CrcOfPages()
    {
        ulong crc = 0;
        for (uint i = 1; i <= PageCount; i++)
        {
            crc = Crc64.Append(crc, ReadPage(i));
        }

        return crc;
    }

    /// <summary>CRC-64 without carry-less multiplication.</summary>
    [Benchmark]
    public ulong CrcScalar() => Crc64.AppendScalar(0, text);

    /// <summary>The LZ4 encoder alone.</summary>
    [Benchmark]
    public int Lz4Encode()
    {
        int total = 0;
        for (uint i = 1; i <= PageCount; i++)
        {
            total += LtxBlock.Compress(ReadPage(i), block);
        }

        return total;
    }

    /// <summary>The LZ4 decoder alone.</summary>
    [Benchmark]
    public bool Lz4Decode()
    {
        bool good = true;
        foreach (byte[] b in blocks)
        {
            good &= LtxBlock.TryDecompress(b, page);
        }

        return good;
    }

    /// <summary>A database to a snapshot in memory.</summary>
    [Benchmark]
    public long Encode()
    {
        output.SetLength(0);
        return LtxSnapshot.Encode(this, Header(1, 1), output);
    }

    /// <summary>A snapshot read and verified from memory, page by page.</summary>
    [Benchmark]
    public long Read()
    {
        using var reader = new LtxReader(new MemoryStream(snapshot));
        reader.ReadHeader();
        while (reader.ReadPage())
        {
            reader.DecompressTo(page);
        }

        reader.Finish();
        return reader.PageCount;
    }

    /// <summary>A snapshot decoded in parts out of memory and verified.</summary>
    [Benchmark]
    public long ReadParts()
    {
        LtxHeader header = LtxHeader.Parse(snapshot);
        var all = new LtxSegment(LtxFormat.HeaderSize);
        foreach (LtxFrameRange range in index!.Split(1 << 20))
        {
            var reader = new LtxRangeReader(header, range.Start, snapshot.AsSpan((int)range.Start, (int)(range.End - range.Start)));
            while (reader.ReadPage())
            {
                reader.DecompressTo(page);
            }

            all.Join(header, reader.Segment);
        }

        index.Verify(snapshot, all);
        return all.PageCount;
    }

    /// <summary>A snapshot and three increments merged; <see cref="MergedBytes"/> of page data are decompressed and hashed.</summary>
    [Benchmark]
    public long Merge()
    {
        output.SetLength(0);
        LtxReader[] readers = [.. mergeInputs.Select(f => new LtxReader(new MemoryStream(f)))];
        LtxMergeResult result = LtxMerger.MergeAsync(readers, output).AsTask().GetAwaiter().GetResult();
        foreach (LtxReader reader in readers)
        {
            reader.Dispose();
        }

        return result.Size;
    }

    /// <summary>Page data of all inputs of <see cref="Merge"/> in bytes.</summary>
    internal static long MergedBytes => (long)(Bytes * (1 + 0.25 + 0.125 + 0.0625));

    /// <summary>Frees the memory.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        index?.Dispose();
        output.Dispose();
        GC.SuppressFinalize(this);
    }

    private byte[] Build(ulong min, ulong max, Func<uint, bool> has)
    {
        var file = new MemoryStream();
        using var writer = new LtxWriter(file, Header(min, max));
        for (uint i = 1; i <= PageCount; i++)
        {
            if (has(i))
            {
                writer.WritePage(i, ReadPage(i));
            }
        }

        writer.Finish();
        return file.ToArray();
    }

    private LtxHeader Header(ulong min, ulong max) => new()
    {
        Flags = LtxFormat.NoChecksum,
        PageSize = PageSize,
        Commit = PageCount,
        MinTxid = new Txid(min),
        MaxTxid = new Txid(max),
    };

    private ValueTask<int> ReadSnapshot(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        snapshot.AsSpan((int)offset, destination.Length).CopyTo(destination.Span);
        return ValueTask.FromResult(destination.Length);
    }
}
