using System.Buffers.Binary;
using System.Numerics;

namespace Litestream.Restore.Generations;

/// <summary>xxHash32 with seed 0 over data that comes in pieces: the content checksum of an LZ4 frame.</summary>
internal sealed class XxHash32
{
    private const uint Prime1 = 0x9E3779B1;
    private const uint Prime2 = 0x85EBCA77;
    private const uint Prime3 = 0xC2B2AE3D;
    private const uint Prime4 = 0x27D4EB2F;
    private const uint Prime5 = 0x165667B1;
    private const int StripeSize = 16;

    private readonly byte[] _rest = new byte[StripeSize];
    private readonly uint[] _lanes = [unchecked(Prime1 + Prime2), Prime2, 0, unchecked(0 - Prime1)];
    private int _restLength;
    private ulong _total;

    /// <summary>Hash of everything appended so far.</summary>
    internal uint Value
    {
        get
        {
            uint hash = _total >= StripeSize
                ? BitOperations.RotateLeft(_lanes[0], 1) + BitOperations.RotateLeft(_lanes[1], 7)
                    + BitOperations.RotateLeft(_lanes[2], 12) + BitOperations.RotateLeft(_lanes[3], 18)
                : Prime5;
            hash += (uint)_total;
            int at = 0;
            for (; at + sizeof(uint) <= _restLength; at += sizeof(uint))
            {
                uint word = BinaryPrimitives.ReadUInt32LittleEndian(_rest.AsSpan(at));
                hash = BitOperations.RotateLeft(hash + (word * Prime3), 17) * Prime4;
            }

            for (; at < _restLength; at++)
            {
                hash = BitOperations.RotateLeft(hash + (_rest[at] * Prime5), 11) * Prime1;
            }

            hash = (hash ^ (hash >> 15)) * Prime2;
            hash = (hash ^ (hash >> 13)) * Prime3;
            return hash ^ (hash >> 16);
        }
    }

    /// <summary>Adds data.</summary>
    internal void Append(ReadOnlySpan<byte> data)
    {
        _total += (ulong)data.Length;
        if (_restLength > 0)
        {
            int count = Math.Min(StripeSize - _restLength, data.Length);
            data[..count].CopyTo(_rest.AsSpan(_restLength));
            _restLength += count;
            data = data[count..];
            if (_restLength < StripeSize)
            {
                return;
            }

            Mix(_rest);
            _restLength = 0;
        }

        int whole = data.Length - (data.Length % StripeSize);
        Mix(data[..whole]);
        data[whole..].CopyTo(_rest);
        _restLength = data.Length - whole;
    }

    private void Mix(ReadOnlySpan<byte> stripes)
    {
        for (int at = 0; at < stripes.Length; at += sizeof(uint))
        {
            ref uint lane = ref _lanes[(at / sizeof(uint)) % 4];
            lane = BitOperations.RotateLeft(lane + (BinaryPrimitives.ReadUInt32LittleEndian(stripes[at..]) * Prime2), 13) * Prime1;
        }
    }
}
