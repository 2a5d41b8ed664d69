using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Litestream.Ltx;

/// <summary>
/// Decodes one LZ4 block. Every length and offset is checked before it is used; copies run in wide steps
/// where the output has room for the overshoot, which later output overwrites.
/// </summary>
internal static unsafe class Lz4Decoder
{
    private const int Wide = 16;
    private const int MinMatch = 4;

    // A length nibble of 15 is continued by bytes up to the first below 255.
    private const int LongLength = 15;

    /// <summary>Decodes a block.</summary>
    /// <param name="block">The block, of any content.</param>
    /// <param name="output">Destination; written only inside, content undefined on failure.</param>
    /// <returns>Bytes of output; -1 when the block is invalid or yields more than fits.</returns>
    internal static int Decode(ReadOnlySpan<byte> block, Span<byte> output)
    {
        fixed (byte* source = block, destination = output)
        {
            byte* from = source;
            byte* fromEnd = source + block.Length;
            byte* to = destination;
            byte* toEnd = destination + output.Length;
            while (from < fromEnd)
            {
                int token = *from++;
                long literals = token >> 4;
                if (literals < LongLength && fromEnd - from >= Wide && toEnd - to >= Wide)
                {
                    Copy16(from, to);
                }
                else if (!TryCopyLiterals(ref literals, ref from, fromEnd, to, toEnd))
                {
                    return -1;
                }

                from += literals;
                to += literals;
                if (from == fromEnd)
                {
                    // Only the last sequence has no match; its low nibble means nothing.
                    return (int)(to - destination);
                }

                if (fromEnd - from < sizeof(ushort))
                {
                    return -1;
                }

                int offset = from[0] | (from[1] << 8);
                from += sizeof(ushort);
                long match = token & LongLength;
                if (match == LongLength && !TryReadLength(ref match, ref from, fromEnd))
                {
                    return -1;
                }

                match += MinMatch;
                if (offset == 0 || offset > to - destination || match > toEnd - to)
                {
                    return -1;
                }

                if (offset >= Wide && toEnd - to >= match + Wide)
                {
                    // Nearly always: far enough away and room for the overshoot.
                    CopyWide(to - offset, to, match);
                }
                else
                {
                    CopyMatch(to, offset, match, toEnd);
                }

                to += match;
            }

            return -1;
        }
    }

    private static bool TryCopyLiterals(ref long literals, ref byte* from, byte* fromEnd, byte* to, byte* toEnd)
    {
        if (literals == LongLength && !TryReadLength(ref literals, ref from, fromEnd))
        {
            return false;
        }

        if (literals > fromEnd - from || literals > toEnd - to)
        {
            return false;
        }

        Unsafe.CopyBlockUnaligned(to, from, (uint)literals);
        return true;
    }

    /// <summary>Adds the continuation of a length. 64 bits: no input that fits in memory can overflow it.</summary>
    private static bool TryReadLength(ref long length, ref byte* from, byte* fromEnd)
    {
        byte more;
        do
        {
            if (from == fromEnd)
            {
                return false;
            }

            more = *from++;
            length += more;
        }
        while (more == 255);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyWide(byte* from, byte* to, long length)
    {
        byte* end = to + length;
        do
        {
            Copy16(from, to);
            from += Wide;
            to += Wide;
        }
        while (to < end);
    }

    /// <summary>Repeats what lies <paramref name="offset"/> bytes back; the match may overlap its own output.</summary>
    private static void CopyMatch(byte* to, int offset, long length, byte* toEnd)
    {
        byte* end = to + length;
        byte* wideEnd = toEnd - Wide;
        byte* from = to - offset;
        if (offset < Wide)
        {
            CopyPattern(from, to, end, wideEnd);
            return;
        }

        while (to < end && to <= wideEnd)
        {
            Copy16(from, to);
            from += Wide;
            to += Wide;
        }

        CopyRest(from, to, end);
    }

    /// <summary>A match closer than a wide step: what was written doubles the distance until it is wide enough.</summary>
    private static void CopyPattern(byte* from, byte* to, byte* end, byte* wideEnd)
    {
        while (to - from < Wide && to < end && to <= wideEnd)
        {
            // Of each step only the first (to - from) bytes are the pattern.
            long distance = to - from;
            Copy16(from, to);
            to += distance;
        }

        long reach = to - from;
        while (to < end && to <= wideEnd)
        {
            Copy16(to - reach, to);
            to += Wide;
        }

        CopyRest(to - reach, to, end);
    }

    private static void CopyRest(byte* from, byte* to, byte* end)
    {
        while (to < end)
        {
            *to++ = *from++;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Copy16(byte* from, byte* to) => Vector128.Store(Vector128.Load(from), to);
}
