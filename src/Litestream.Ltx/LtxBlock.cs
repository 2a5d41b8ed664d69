namespace Litestream.Ltx;

/// <summary>One page as one raw LZ4 block (ltx-format §4.1).</summary>
public static class LtxBlock
{
    /// <summary>Compresses a page.</summary>
    /// <param name="page">One page, at most 65536 bytes.</param>
    /// <param name="destination">At least <see cref="LtxFormat.MaxBlockSize"/> bytes.</param>
    /// <returns>Bytes of the block.</returns>
    /// <exception cref="ArgumentException">The destination is too small.</exception>
    public static int Compress(ReadOnlySpan<byte> page, Span<byte> destination)
    {
        if (page.Length > LtxFormat.MaxPageSize)
        {
            throw new ArgumentException("The page is larger than the largest page.", nameof(page));
        }

        if (destination.Length < LtxFormat.MaxBlockSize(page.Length))
        {
            throw new ArgumentException("The destination is smaller than the largest block of a page.", nameof(destination));
        }

        return Lz4Encoder.Encode(page, destination);
    }

    /// <summary>Decompresses a block that must yield exactly one page: no byte less, no byte more.</summary>
    /// <param name="block">The block.</param>
    /// <param name="page">Destination, exactly one page. Its content is undefined after a failure.</param>
    /// <returns>False when the block is damaged or has another length.</returns>
    public static bool TryDecompress(ReadOnlySpan<byte> block, Span<byte> page) =>
        Lz4Decoder.Decode(block, page) == page.Length;

    /// <summary>Decompresses a block that must yield exactly one page: no byte less, no byte more.</summary>
    /// <param name="block">The block.</param>
    /// <param name="page">Destination, exactly one page.</param>
    /// <exception cref="LtxException">The block is damaged or has another length.</exception>
    public static void Decompress(ReadOnlySpan<byte> block, Span<byte> page)
    {
        if (!TryDecompress(block, page))
        {
            throw new LtxException(LtxErrorKind.PageData, $"the LZ4 block of {block.Length} bytes is not exactly one page of {page.Length} bytes");
        }
    }

    /// <summary>Decompresses an LZ4 block that is no page: blocks of other sizes occur in v0.3 replicas.</summary>
    /// <param name="block">The block.</param>
    /// <param name="destination">Room for the largest output that is allowed; undefined after a failure and behind the output.</param>
    /// <returns>Bytes of output; -1 when the block is damaged or yields more than fits.</returns>
    public static int DecompressAny(ReadOnlySpan<byte> block, Span<byte> destination) => Lz4Decoder.Decode(block, destination);
}
