using System.Buffers.Binary;
using Litestream.Sqlite;
using Litestream.Storage;

namespace Litestream.Capture;

/// <summary>
/// Reads committed frames from a WAL file. Layout (replication §5): a 32-byte header, then frames of a 24-byte header and a page.
/// A frame is valid if its salts equal the header's and its checksum continues the chain. What may legally follow the last
/// committed frame: nothing; stale frames of an older generation; frames of an unfinished or rolled-back transaction. None of it
/// is ever read, because the caller names the last frame, as SQLite itself reports it for a read transaction (§8.7 rule 0).
/// </summary>
internal sealed class WalReader : IDisposable
{
    /// <summary>
    /// Bytes read at a time. Of a pass that is longer the newest images stand mostly in its last chunk, since busy pages come again and
    /// again; the few others are read once more. Larger chunks saved nothing, and stayed in memory.
    /// </summary>
    private const int ChunkBytes = 512 << 10;

    /// <summary>Bytes that the passes of a database with few changes need. Who needs more gets a whole chunk at once, not one size after the other.</summary>
    private const int SmallBytes = 64 << 10;

    private readonly IFile file;
    private readonly int pageSize;
    private byte[] buffer = [];
    private uint bufferFirstFrame;
    private int bufferFrames;

    public WalReader(IFileSystem fileSystem, string path, int pageSize)
    {
        file = fileSystem.OpenRead(path);
        this.pageSize = pageSize;
    }

    private int FrameSize => WalOffsets.FrameHeaderSize + pageSize;

    /// <summary>Bytes of the file, stale frames included.</summary>
    public long FileLength => file.Length;

    /// <summary>Reads the header; null while there is none, or a half-written one (checksum wrong), which is "no WAL yet".</summary>
    public WalHeader? ReadHeader()
    {
        Span<byte> bytes = stackalloc byte[WalOffsets.HeaderSize];
        if (ReadFully(bytes, 0) < bytes.Length)
        {
            return null;
        }

        return WalHeader.TryParse(bytes, out WalHeader header) == WalHeaderStatus.Valid ? header : null;
    }

    /// <summary>
    /// Reads the frames behind <paramref name="from"/> up to <paramref name="lastFrame"/> into the segment, every checksum verified.
    /// </summary>
    /// <param name="header">The header of the generation.</param>
    /// <param name="from">Where to begin; frame 0 takes the seed from the header (trap C18).</param>
    /// <param name="lastFrame">The last frame to read, which must end a transaction.</param>
    /// <param name="maxBytes">Stop at the first commit at or behind so many bytes; 0 = no limit.</param>
    /// <param name="segment">Receives the pages.</param>
    /// <returns>Null if all is well, else what did not fit; the segment is then worthless.</returns>
    public string? Read(in WalHeader header, in WalCursor from, uint lastFrame, long maxBytes, WalSegment segment)
    {
        segment.Reset(from);
        uint frame = from.Frame;
        (uint s0, uint s1) = frame == 0 ? (header.Checksum1, header.Checksum2) : (from.Checksum1, from.Checksum2);
        long bytes = 0;
        while (frame < lastFrame)
        {
            string? problem = Fill(frame, lastFrame);
            if (problem is not null)
            {
                return problem;
            }

            for (int i = 0; i < bufferFrames; i++)
            {
                ReadOnlySpan<byte> raw = buffer.AsSpan(i * FrameSize, FrameSize);
                if (BinaryPrimitives.ReadUInt32BigEndian(raw[8..]) != header.Salt1 || BinaryPrimitives.ReadUInt32BigEndian(raw[12..]) != header.Salt2)
                {
                    return $"salts of wal frame {frame + 1} differ from the header's";
                }

                (s0, s1) = WalChecksum.Append(s0, s1, raw[..8], header.BigEndianChecksum);
                (s0, s1) = WalChecksum.Append(s0, s1, raw[WalOffsets.FrameHeaderSize..], header.BigEndianChecksum);
                uint pageNumber = BinaryPrimitives.ReadUInt32BigEndian(raw);
                if (BinaryPrimitives.ReadUInt32BigEndian(raw[16..]) != s0 || BinaryPrimitives.ReadUInt32BigEndian(raw[20..]) != s1 || pageNumber == 0)
                {
                    return $"checksum of wal frame {frame + 1} does not continue the chain";
                }

                frame++;
                bytes += FrameSize;
                segment.Add(pageNumber, frame);
                uint commit = BinaryPrimitives.ReadUInt32BigEndian(raw[4..]);
                if (commit != 0)
                {
                    segment.Commit(new WalCursor(true, header.Salt1, header.Salt2, frame, s0, s1, commit));
                    if (maxBytes > 0 && bytes >= maxBytes && frame < lastFrame)
                    {
                        return null;
                    }
                }
            }
        }

        return segment.End.Frame == lastFrame ? null : $"wal frame {lastFrame} does not end a transaction";
    }

    /// <summary>The page of a frame if it is in the chunk read last; valid until the next read.</summary>
    public bool TryGetBuffered(uint frame, out ReadOnlySpan<byte> page)
    {
        uint index = frame - bufferFirstFrame;
        bool buffered = index < (uint)bufferFrames;
        page = buffered ? buffer.AsSpan(((int)index * FrameSize) + WalOffsets.FrameHeaderSize, pageSize) : default;
        return buffered;
    }

    /// <summary>
    /// Copies the page of one frame. Only frames that were read and verified before: they do not change while the read lock holds
    /// (trap C5). The chunk read last is answered from memory.
    /// </summary>
    public void ReadPage(uint frame, Span<byte> page)
    {
        if (TryGetBuffered(frame, out ReadOnlySpan<byte> buffered))
        {
            buffered.CopyTo(page);
            return;
        }

        long offset = WalOffsets.EndOfFrame(frame - 1, pageSize) + WalOffsets.FrameHeaderSize;
        if (ReadFully(page, offset) < page.Length)
        {
            throw new WalOverwrittenException($"wal ended before frame {frame} while its frames were copied");
        }
    }

    /// <summary>Fails if the WAL was restarted, so that pages read from it may not be those of their frames any more.</summary>
    /// <exception cref="WalOverwrittenException">It was; nothing read is worth anything.</exception>
    public void EnsureGeneration(in WalCursor cursor)
    {
        if (ReadHeader() is not { } header || header.Salt1 != cursor.Salt1 || header.Salt2 != cursor.Salt2)
        {
            throw new WalOverwrittenException("wal restarted while its frames were copied");
        }
    }

    /// <summary>True if the file seems to hold frames behind a position: a commit that is not visible yet (trap C13), or an unfinished one.</summary>
    /// <param name="end">The position; null = the index has no WAL yet, so that a header already is more: the file was empty, or truncated.</param>
    public bool HoldsMoreThan(WalPosition? end)
    {
        WalHeader? header = ReadHeader();
        if (header is not { } current)
        {
            return false;
        }

        if (end is not { } position)
        {
            return true;
        }

        if (current.Salt1 != position.Salt1 || current.Salt2 != position.Salt2)
        {
            // The header of a new generation is written before the index says so; an older one is left behind when the index restarted first.
            return position.MaxFrame > 0;
        }

        Span<byte> frame = stackalloc byte[WalOffsets.FrameHeaderSize];
        return ReadFully(frame, WalOffsets.EndOfFrame(position.MaxFrame, pageSize)) == frame.Length
            && BinaryPrimitives.ReadUInt32BigEndian(frame[8..]) == position.Salt1
            && BinaryPrimitives.ReadUInt32BigEndian(frame[12..]) == position.Salt2;
    }

    /// <summary>Gives the chunk buffer back; an idle database keeps nothing.</summary>
    public void Trim()
    {
        if (buffer.Length > 0)
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
            buffer = [];
            bufferFrames = 0;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Trim();
        file.Dispose();
    }

    private string? Fill(uint frame, uint lastFrame)
    {
        int framesPerChunk = Math.Max(1, ChunkBytes / FrameSize);
        int frames = (int)Math.Min((uint)framesPerChunk, lastFrame - frame);
        if (buffer.Length < frames * FrameSize)
        {
            Trim();
            int needed = frames * FrameSize;
            buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(needed <= SmallBytes ? needed : Math.Max(needed, ChunkBytes));
        }

        bufferFrames = 0;
        if (ReadFully(buffer.AsSpan(0, frames * FrameSize), WalOffsets.EndOfFrame(frame, pageSize)) < frames * FrameSize)
        {
            return $"wal file ends before frame {frame + (uint)frames}";
        }

        bufferFirstFrame = frame + 1;
        bufferFrames = frames;
        return null;
    }

    private int ReadFully(Span<byte> destination, long offset)
    {
        int total = 0;
        while (total < destination.Length)
        {
            int read = file.Read(destination[total..], offset + total);
            if (read == 0)
            {
                break;
            }

            total += read;
        }

        return total;
    }
}
