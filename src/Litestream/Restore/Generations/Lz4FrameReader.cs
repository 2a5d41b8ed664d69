using System.Buffers;
using System.Buffers.Binary;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Restore.Generations;

/// <summary>A file of a v0.3 replica is damaged or does not fit the one before it.</summary>
public sealed class GenerationFileException(GenerationFile file, string detail)
    : IOException($"v0.3 file {file.Generation}/{file.Name}: {detail}")
{
    /// <summary>The file as listed.</summary>
    public GenerationFile File { get; } = file;
}

/// <summary>
/// Decompresses a file of a v0.3 replica: one LZ4 frame with independent blocks. Strict: end mark and content checksum must be there
/// and nothing may follow, else a cut file would pass as a short one (trap V6).
/// </summary>
internal sealed class Lz4FrameReader : IDisposable
{
    private const uint Magic = 0x184D2204;
    private const int MaxBlockSize = 4 << 20;
    private const uint StoredBit = 0x80000000;

    private readonly GenerationFile _file;
    private readonly ResumableReader _reader;
    private readonly XxHash32 _hash = new();
    private readonly byte[] _block = ArrayPool<byte>.Shared.Rent(MaxBlockSize);
    private readonly byte[] _input = ArrayPool<byte>.Shared.Rent(MaxBlockSize);
    private readonly byte[] _small = new byte[8];
    private long _position;
    private int _flags = -1;

    internal Lz4FrameReader(IGenerationSource source, GenerationFile file, TimeProvider time)
    {
        _file = file;
        _reader = new ResumableReader(
            (offset, _, token) => source.OpenGenerationFileAsync(file, offset, token), file.Size, $"v0.3 file ({file.Generation}/{file.Name}", time);
    }

    /// <summary>The next piece of uncompressed data, valid until the next call; empty at the verified end of the file.</summary>
    /// <exception cref="GenerationFileException">The file is damaged or cut.</exception>
    internal async ValueTask<ReadOnlyMemory<byte>> ReadAsync(CancellationToken cancellationToken)
    {
        if (_flags < 0)
        {
            await ReadHeaderAsync(cancellationToken);
        }

        while (true)
        {
            uint size = BinaryPrimitives.ReadUInt32LittleEndian((await ReadExactlyAsync(_small.AsMemory(0, 4), cancellationToken)).Span);
            if (size == 0)
            {
                await ReadEndAsync(cancellationToken);
                return ReadOnlyMemory<byte>.Empty;
            }

            int length = (int)(size & ~StoredBit);
            if (length is 0 or > MaxBlockSize)
            {
                throw Damaged($"a block of {size & ~StoredBit} bytes; at most {MaxBlockSize} are possible");
            }

            ReadOnlyMemory<byte> input = await ReadExactlyAsync(_input.AsMemory(0, length), cancellationToken);
            int count = (size & StoredBit) != 0 ? Stored(input.Span) : LtxBlock.DecompressAny(input.Span, _block.AsSpan(0, MaxBlockSize));
            if (count < 0)
            {
                throw Damaged("a block is not valid LZ4");
            }

            if ((_flags & 0x10) != 0)
            {
                var block = new XxHash32();
                block.Append(input.Span);
                await RequireChecksumAsync(block.Value, "block", cancellationToken);
            }

            _hash.Append(_block.AsSpan(0, count));
            if (count > 0)
            {
                return _block.AsMemory(0, count);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ArrayPool<byte>.Shared.Return(_block);
        ArrayPool<byte>.Shared.Return(_input);
    }

    private async ValueTask ReadHeaderAsync(CancellationToken cancellationToken)
    {
        await ReadExactlyAsync(_small.AsMemory(0, 7), cancellationToken);
        if (BinaryPrimitives.ReadUInt32LittleEndian(_small) != Magic)
        {
            throw Damaged("it does not begin as an LZ4 frame");
        }

        // Version 1, independent blocks, no content size, no dictionary, content checksum: all that v0.3 writes.
        byte flags = _small[4];
        if ((flags & 0xE0) != 0x60 || (flags & 0x0B) != 0 || (flags & 0x04) == 0)
        {
            throw Damaged($"unknown LZ4 frame flags 0x{flags:x2}");
        }

        var hash = new XxHash32();
        hash.Append(_small.AsSpan(4, 2));
        if (_small[6] != (byte)(hash.Value >> 8))
        {
            throw Damaged("the checksum of the LZ4 frame header is wrong");
        }

        _flags = flags;
    }

    private async ValueTask ReadEndAsync(CancellationToken cancellationToken)
    {
        await RequireChecksumAsync(_hash.Value, "content", cancellationToken);
        if (_position != _reader.Size)
        {
            throw Damaged($"{_reader.Size - _position} bytes follow the LZ4 frame");
        }
    }

    private async ValueTask RequireChecksumAsync(uint expected, string what, CancellationToken cancellationToken)
    {
        uint stored = BinaryPrimitives.ReadUInt32LittleEndian((await ReadExactlyAsync(_small.AsMemory(0, 4), cancellationToken)).Span);
        if (stored != expected)
        {
            throw Damaged($"the {what} checksum is {stored:x8}, the data has {expected:x8}");
        }
    }

    private async ValueTask<ReadOnlyMemory<byte>> ReadExactlyAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        int count = await _reader.ReadAsync(_position, destination, cancellationToken);
        _position += count;
        return count == destination.Length ? destination : throw Damaged($"it ends at byte {_position}, inside the LZ4 frame");
    }

    private int Stored(ReadOnlySpan<byte> input)
    {
        input.CopyTo(_block);
        return input.Length;
    }

    private GenerationFileException Damaged(string detail) => new(_file, detail);
}
