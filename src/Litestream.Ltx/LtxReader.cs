using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Litestream.Ltx;

/// <summary>
/// Reads a whole LTX file front to back and checks everything there is to check (ltx-format §11): header, page frames of both
/// kinds and their order, end marker, index against frames, trailer, file checksum, end of input. Memory: one read buffer and one
/// page, whatever the size of the file.
/// </summary>
/// <remarks>
/// Read the header, then pages until false, then finish; only after that is the file known to be good. When the buffer already
/// holds the next frame, the asynchronous calls complete synchronously without allocating. After an exception the reader is
/// unusable. Not thread-safe.
/// </remarks>
public sealed class LtxReader : IAsyncDisposable, IDisposable
{
    /// <summary>Default size of the read buffer in bytes.</summary>
    public const int DefaultBufferSize = 128 * 1024;

    private readonly InputBuffer input;
    private readonly byte[] headerBytes = new byte[LtxFormat.HeaderSize];
    private readonly string? name;
    private FrameDecoder? frames;
    private TailDecoder? tail;
    private byte[]? page;
    private byte[]? block;
    private State state;
    private bool hasPage;
    private bool counted;
    private bool decompressed;
    private bool tailRead;
    private ulong pageCrc;

    /// <summary>Creates a reader; nothing is read yet.</summary>
    /// <param name="source">The file from its first byte on. Reads may return any number of bytes.</param>
    /// <param name="name">Name of the file for messages.</param>
    /// <param name="leaveOpen">Whether the source stays open when the reader is disposed.</param>
    /// <param name="bufferSize">Bytes to ask the source for at a time; raised where a page frame is larger.</param>
    public LtxReader(Stream source, string? name = null, bool leaveOpen = false, int bufferSize = DefaultBufferSize)
    {
        input = new InputBuffer(source, leaveOpen, bufferSize);
        this.name = name;
    }

    private enum State
    {
        Header,
        Pages,
        Tail,
        Finished,
        Failed,
    }

    /// <summary>The header, after it was read.</summary>
    public LtxHeader Header { get; private set; }

    /// <summary>The trailer as stored, once it was read: also when it is wrong and finishing failed. Zeros before.</summary>
    public LtxTrailer Trailer => tail?.Trailer ?? default;

    /// <summary>Whether the header was read.</summary>
    public bool IsHeaderRead => frames is not null;

    /// <summary>Name of the file for messages.</summary>
    public string? Name => name;

    /// <summary>Number of the current page.</summary>
    public uint PageNumber => HasPage ? frames.PageNumber : throw NoPage();

    /// <summary>True when the current page is an LZ4 frame (files of 0.5.0 to 0.5.15): it has no <see cref="Block"/> to copy.</summary>
    public bool IsLegacyFrame => HasPage ? frames.IsLegacy : throw NoPage();

    /// <summary>File offset of the current page's frame.</summary>
    public long FrameOffset => HasPage ? input.Position : throw NoPage();

    /// <summary>Bytes of the current page's frame.</summary>
    public int FrameSize => HasPage ? frames.FrameSize : throw NoPage();

    /// <summary>Number of page frames that were read, the current one included.</summary>
    public long PageCount => (frames?.Segment.PageCount ?? 0) + (HasPage && !counted ? 1 : 0);

    /// <summary>Bytes of the file that were read, the current frame not included.</summary>
    public long Position => input.Position;

    /// <summary>
    /// The raw LZ4 block of the current page, valid until the next read. A legacy frame is compressed anew for it.
    /// </summary>
    public ReadOnlySpan<byte> Block
    {
        get
        {
            if (!IsLegacyFrame)
            {
                return FrameDecoder.BlockOf(Frame);
            }

            block ??= ArrayPool<byte>.Shared.Rent(LtxFormat.MaxBlockSize(Header.PageSize));
            return block.AsSpan(0, LtxBlock.Compress(Page, block));
        }
    }

    /// <summary>The current page, decompressed when first asked for; valid until the next read.</summary>
    /// <exception cref="LtxException">The payload is not exactly one page.</exception>
    public ReadOnlySpan<byte> Page
    {
        get
        {
            if (!HasPage)
            {
                throw NoPage();
            }

            Span<byte> destination = (page ??= ArrayPool<byte>.Shared.Rent(Header.PageSize)).AsSpan(0, Header.PageSize);
            if (!decompressed)
            {
                DecompressTo(destination);
                decompressed = true;
            }

            return destination;
        }
    }

    /// <summary>CRC of the current page's content (<see cref="Crc64"/>), a by-product of the file checksum.</summary>
    /// <exception cref="LtxException">The payload is not exactly one page.</exception>
    public ulong PageCrc
    {
        get
        {
            if (!HasPage)
            {
                throw NoPage();
            }

            Count();
            return pageCrc;
        }
    }

    [MemberNotNullWhen(true, nameof(frames))]
    private bool HasPage => state == State.Pages && hasPage;

    private ReadOnlySpan<byte> Frame => input.Available[..frames!.FrameSize];

    /// <summary>
    /// Decompresses the current page straight to where it is needed. Done once per page this is the cheapest way: the page is
    /// hashed where it lands.
    /// </summary>
    /// <param name="destination">Exactly one page.</param>
    /// <exception cref="LtxException">The payload is not exactly one page.</exception>
    public void DecompressTo(Span<byte> destination)
    {
        if (!HasPage)
        {
            throw NoPage();
        }

        if (destination.Length != Header.PageSize)
        {
            throw new ArgumentException($"The destination has {destination.Length} bytes, a page {Header.PageSize}.", nameof(destination));
        }

        try
        {
            if (counted)
            {
                frames.Decompress(Frame, destination);
                return;
            }

            pageCrc = frames.Decode(Frame, destination);
            counted = true;
        }
        catch (LtxException)
        {
            state = State.Failed;
            throw;
        }
    }

    /// <summary>Reads and validates the header.</summary>
    /// <exception cref="LtxException">The file is cut, is not an LTX file, or its header breaks a rule.</exception>
    public LtxHeader ReadHeader()
    {
        Expect(State.Header);
        while (!TryReadHeader(out int needed))
        {
            input.Fill(needed);
        }

        return Header;
    }

    /// <inheritdoc cref="ReadHeader"/>
    public async ValueTask<LtxHeader> ReadHeaderAsync(CancellationToken cancellationToken = default)
    {
        Expect(State.Header);
        while (!TryReadHeader(out int needed))
        {
            await input.FillAsync(needed, cancellationToken).ConfigureAwait(false);
        }

        return Header;
    }

    /// <summary>Moves to the next page.</summary>
    /// <returns>False when the end-of-pages marker was read. Input that ends earlier is an error, never false.</returns>
    /// <exception cref="LtxException">The file is damaged or cut.</exception>
    public bool ReadPage()
    {
        int needed;
        while (!TryReadPage(out needed))
        {
            input.Fill(needed);
        }

        return HasPage;
    }

    /// <inheritdoc cref="ReadPage"/>
    public ValueTask<bool> ReadPageAsync(CancellationToken cancellationToken = default) =>
        TryReadPage(out int needed) ? new ValueTask<bool>(HasPage) : ReadPageSlowAsync(needed, cancellationToken);

    /// <summary>Reads the rest of the file and makes all final checks. Only now is the file known to be complete and correct.</summary>
    /// <exception cref="LtxException">The file is damaged, cut, or longer than it should be.</exception>
    public LtxTrailer Finish()
    {
        Expect(State.Tail);
        while (!TryFinish(out int needed))
        {
            input.Fill(needed);
        }

        return tail!.Trailer;
    }

    /// <inheritdoc cref="Finish"/>
    public async ValueTask<LtxTrailer> FinishAsync(CancellationToken cancellationToken = default)
    {
        Expect(State.Tail);
        while (!TryFinish(out int needed))
        {
            await input.FillAsync(needed, cancellationToken).ConfigureAwait(false);
        }

        return tail!.Trailer;
    }

    /// <summary>Reads a whole file and keeps nothing of it.</summary>
    /// <param name="source">The file from its first byte on; stays open.</param>
    /// <param name="name">Name of the file for messages.</param>
    /// <param name="cancellationToken">Stops reading.</param>
    /// <exception cref="LtxException">The file is damaged or cut.</exception>
    public static async ValueTask<LtxVerifyResult> VerifyAsync(Stream source, string? name = null, CancellationToken cancellationToken = default)
    {
        using var reader = new LtxReader(source, name, leaveOpen: true);
        await reader.ReadHeaderAsync(cancellationToken).ConfigureAwait(false);
        while (await reader.ReadPageAsync(cancellationToken).ConfigureAwait(false))
        {
            // Each page is decompressed and hashed on the way to the next one.
        }

        LtxTrailer trailer = await reader.FinishAsync(cancellationToken).ConfigureAwait(false);
        return new LtxVerifyResult(reader.Header, trailer, reader.PageCount, reader.Position);
    }

    /// <summary>Returns the buffers and, unless it was to stay open, closes the source.</summary>
    public void Dispose()
    {
        ReturnBuffers();
        input.Dispose();
    }

    /// <inheritdoc cref="Dispose"/>
    public ValueTask DisposeAsync()
    {
        ReturnBuffers();
        return input.DisposeAsync();
    }

    private async ValueTask<bool> ReadPageSlowAsync(int needed, CancellationToken cancellationToken)
    {
        do
        {
            await input.FillAsync(needed, cancellationToken).ConfigureAwait(false);
        }
        while (!TryReadPage(out needed));
        return HasPage;
    }

    private bool TryReadHeader(out int needed)
    {
        needed = LtxFormat.HeaderSize;
        if (input.Available.Length < needed && !input.IsAtEnd)
        {
            return false;
        }

        State next = state;
        state = State.Failed;
        Header = LtxHeader.Parse(input.Available, name);
        input.Available[..LtxFormat.HeaderSize].CopyTo(headerBytes);
        input.Advance(LtxFormat.HeaderSize);
        frames = new FrameDecoder(Header, name, LtxFormat.HeaderSize, afterHeader: true);
        state = next + 1;
        return true;
    }

    private bool TryReadPage(out int needed)
    {
        Expect(State.Pages);
        if (hasPage)
        {
            Count();
            ReturnPage();
            input.Advance(frames!.FrameSize);
            hasPage = false;
        }

        state = State.Failed;
        FrameStatus status = frames!.Parse(input.Available, out needed);
        if (status == FrameStatus.NeedMore)
        {
            if (input.IsAtEnd)
            {
                throw Truncated("inside the page frames: no end-of-pages marker was seen");
            }

            state = State.Pages;
            return false;
        }

        if (status == FrameStatus.EndMarker)
        {
            input.Advance(LtxFormat.PageHeaderSize);
            tail = new TailDecoder(Header, headerBytes, frames.Segment, name);
            state = State.Tail;
            return true;
        }

        state = State.Pages;
        hasPage = true;
        counted = decompressed = false;
        return true;
    }

    private bool TryFinish(out int needed)
    {
        state = State.Failed;
        if (!tailRead)
        {
            tailRead = tail!.Consume(input.Available, out int consumed, out needed);
            input.Advance(consumed);
            if (!tailRead)
            {
                if (input.IsAtEnd)
                {
                    throw Truncated("inside the page index or trailer");
                }

                state = State.Tail;
                return false;
            }
        }

        needed = 1;
        if (input.Available.Length > 0)
        {
            throw new LtxException(LtxErrorKind.TrailingData, "bytes follow the trailer", name, offset: input.Position);
        }

        state = input.IsAtEnd ? State.Finished : State.Tail;
        return input.IsAtEnd;
    }

    /// <summary>A page that nobody asked for is still part of the file checksum, and a damaged one is still an error.</summary>
    private void Count()
    {
        if (!counted)
        {
            _ = Page;
        }
    }

    private void Expect(State expected)
    {
        if (state != expected)
        {
            throw new InvalidOperationException($"The reader is in state {state}, this call needs {expected}.");
        }
    }

    private LtxException Truncated(string where) =>
        new(LtxErrorKind.Truncated, $"the input ended {where}", name, offset: input.Position + input.Available.Length);

    private static InvalidOperationException NoPage() => new("There is no current page.");

    /// <summary>A merge of thousands of files decompresses one page at a time: readers that wait need no page buffer.</summary>
    private void ReturnPage()
    {
        if (page is not null)
        {
            ArrayPool<byte>.Shared.Return(page);
            page = null;
        }
    }

    private void ReturnBuffers()
    {
        ReturnPage();
        if (block is not null)
        {
            ArrayPool<byte>.Shared.Return(block);
            block = null;
        }

        hasPage = false;
        state = State.Failed;
    }
}
