using System.Buffers;
using Litestream.Sqlite;
using Litestream.Storage;

namespace Litestream.Restore.Generations;

/// <summary>
/// Applies one WAL file of a v0.3 generation to a database file, frame by frame, as a checkpoint would. Every frame must continue
/// the checksum chain: SQLite would silently ignore the frames behind a break (store-and-restore §13.2 SAFER).
/// </summary>
internal sealed class WalApplier(IFile database, int index) : IDisposable
{
    private byte[] _pending = ArrayPool<byte>.Shared.Rent(WalFormat.HeaderSize);
    private int _length;
    private WalHeader _header;
    private bool _hasHeader;
    private uint _checksum1;
    private uint _checksum2;
    private uint _commit;
    private long _frames;
    private bool _open;

    /// <summary>Number of the WAL file in its generation.</summary>
    internal int Index { get; } = index;

    /// <summary>Uncompressed bytes taken so far: where the next segment must start.</summary>
    internal long Length { get; private set; }

    /// <summary>Takes the next bytes of the WAL file.</summary>
    internal void Append(ReadOnlySpan<byte> data, GenerationFile file)
    {
        Length += data.Length;
        while (!data.IsEmpty)
        {
            int wanted = _hasHeader ? _header.FrameSize : WalFormat.HeaderSize;
            int count = Math.Min(wanted - _length, data.Length);
            data[..count].CopyTo(_pending.AsSpan(_length));
            _length += count;
            data = data[count..];
            if (_length < wanted)
            {
                return;
            }

            _length = 0;
            if (_hasHeader)
            {
                ApplyFrame(_pending.AsSpan(0, wanted), file);
            }
            else
            {
                TakeHeader(_pending.AsSpan(0, wanted), file);
            }
        }
    }

    /// <summary>The WAL file is complete: the database has the size of its last commit.</summary>
    /// <exception cref="GenerationFileException">It ends inside a frame or a transaction.</exception>
    internal void Finish(GenerationFile last)
    {
        if (_length != 0 || _open)
        {
            throw new GenerationFileException(last, $"WAL index {Index:x8} ends inside a {(_length != 0 ? "frame" : "transaction")}, after {_frames} frames");
        }

        if (_commit != 0)
        {
            database.SetLength(_commit * (long)_header.PageSize);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => ArrayPool<byte>.Shared.Return(_pending);

    private void TakeHeader(ReadOnlySpan<byte> bytes, GenerationFile file)
    {
        WalHeaderStatus status = WalHeader.TryParse(bytes, out _header);
        if (status != WalHeaderStatus.Valid)
        {
            throw new GenerationFileException(file, $"the WAL header is not valid: {status}");
        }

        _hasHeader = true;
        (_checksum1, _checksum2) = (_header.Checksum1, _header.Checksum2);
        ArrayPool<byte>.Shared.Return(_pending);
        _pending = ArrayPool<byte>.Shared.Rent(_header.FrameSize);
    }

    private void ApplyFrame(ReadOnlySpan<byte> frame, GenerationFile file)
    {
        WalFrameHeader header = WalFrameHeader.Parse(frame);
        (_checksum1, _checksum2) = WalFrameHeader.ChecksumOf(_checksum1, _checksum2, frame, _header.BigEndianChecksum);
        if (header.PageNumber == 0
            || (header.Salt1, header.Salt2) != (_header.Salt1, _header.Salt2)
            || (header.Checksum1, header.Checksum2) != (_checksum1, _checksum2))
        {
            throw new GenerationFileException(file, $"frame {_frames + 1} of WAL index {Index:x8} breaks the checksum chain");
        }

        database.Write(frame[WalFormat.FrameHeaderSize..], (header.PageNumber - 1L) * _header.PageSize);
        _frames++;
        _open = !header.IsCommit;
        _commit = header.IsCommit ? header.Commit : _commit;
    }
}
