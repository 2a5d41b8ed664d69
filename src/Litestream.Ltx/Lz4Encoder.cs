using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Litestream.Ltx;

/// <summary>
/// Encodes one page as an LZ4 block, the fast greedy way: a hash table of the positions of four-byte sequences, the newest
/// wins, steps grow while nothing matches. The table lives on the stack; nothing is allocated.
/// </summary>
internal static unsafe class Lz4Encoder
{
    private const int MinMatch = 4;

    // The end rules of the format, on which wide-copying decoders rely: the last match starts 12 bytes before the end at the
    // latest, and the last 5 bytes are literals.
    private const int LastMatchDistance = 12;
    private const int LastLiterals = 5;

    private const int LongLength = 15;
    private const int Wide = 16;

    // Bytes without a match after which the step grows by one.
    private const int StepShift = 6;

    // Entries are positions in a page, so 16 bits suffice.
    private const int MaxTableBits = 13;

    /// <summary>Encodes a page.</summary>
    /// <param name="page">At most 65536 bytes.</param>
    /// <param name="block">At least <see cref="LtxFormat.MaxBlockSize"/> bytes.</param>
    /// <returns>Bytes of the block.</returns>
    [SkipLocalsInit]
    internal static int Encode(ReadOnlySpan<byte> page, Span<byte> block)
    {
        // A table as large as the page has bytes is enough; clearing more would cost small pages.
        int tableBits = Math.Min(int.Log2(Math.Max(page.Length, 16)), MaxTableBits);
        ushort* table = stackalloc ushort[1 << MaxTableBits];
        Unsafe.InitBlockUnaligned(table, 0, (uint)(sizeof(ushort) << tableBits));
        fixed (byte* source = page, destination = block)
        {
            byte* to = destination;
            byte* anchor = source;
            byte* end = source + page.Length;
            if (page.Length > LastMatchDistance)
            {
                EncodeMatches(source, end, table, 32 - tableBits, ref anchor, ref to, destination + block.Length);
            }

            // What is left has no match.
            long literals = end - anchor;
            byte* token = to++;
            *token = (byte)(Math.Min(literals, LongLength) << 4);
            to = WriteLength(to, literals);
            Unsafe.CopyBlockUnaligned(to, anchor, (uint)literals);
            return (int)(to + literals - destination);
        }
    }

    private static void EncodeMatches(byte* source, byte* end, ushort* table, int hashShift, ref byte* anchor, ref byte* to, byte* toEnd)
    {
        byte* lastMatch = end - LastMatchDistance;
        byte* at = source + 1;
        while (true)
        {
            byte* candidate = FindMatch(source, ref at, lastMatch, table, hashShift);
            if (candidate is null)
            {
                return;
            }

            while (at > anchor && candidate > source && at[-1] == candidate[-1])
            {
                at--;
                candidate--;
            }

            byte* token = WriteLiterals(anchor, at, end, ref to, toEnd);
            while (true)
            {
                long length = MatchLength(at + MinMatch, candidate + MinMatch, end - LastLiterals);
                WriteMatch(token, (int)(at - candidate), length, ref to);
                at += MinMatch + length;
                anchor = at;
                if (at > lastMatch)
                {
                    return;
                }

                // Positions inside the match are not entered but one; then a match may follow at once, without literals.
                table[Hash(at - 2, hashShift)] = (ushort)(at - 2 - source);
                ushort* entry = table + Hash(at, hashShift);
                candidate = source + *entry;
                *entry = (ushort)(at - source);
                if (Read32(candidate) != Read32(at))
                {
                    break;
                }

                token = to++;
                *token = 0;
            }

            at++;
        }
    }

    /// <summary>Moves <paramref name="at"/> to the next position whose four bytes occurred before; null when there is none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* FindMatch(byte* source, ref byte* at, byte* lastMatch, ushort* table, int hashShift)
    {
        byte* position = at;
        int tries = 1 << StepShift;
        while (position <= lastMatch)
        {
            ushort* entry = table + Hash(position, hashShift);
            byte* candidate = source + *entry;
            *entry = (ushort)(position - source);
            if (Read32(candidate) == Read32(position))
            {
                at = position;
                return candidate;
            }

            position += tries++ >> StepShift;
        }

        return null;
    }

    /// <summary>Writes the token and the literals of a sequence; returns the token, whose match length is still 0.</summary>
    private static byte* WriteLiterals(byte* from, byte* matchStart, byte* end, ref byte* to, byte* toEnd)
    {
        long literals = matchStart - from;
        byte* token = to++;
        *token = (byte)(Math.Min(literals, LongLength) << 4);
        to = WriteLength(to, literals);
        if (literals <= Wide && end - from >= Wide && toEnd - to >= Wide)
        {
            Vector128.Store(Vector128.Load(from), to);
        }
        else
        {
            Unsafe.CopyBlockUnaligned(to, from, (uint)literals);
        }

        to += literals;
        return token;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WriteMatch(byte* token, int offset, long length, ref byte* to)
    {
        to[0] = (byte)offset;
        to[1] = (byte)(offset >> 8);
        *token |= (byte)Math.Min(length, LongLength);
        to = WriteLength(to + sizeof(ushort), length);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* WriteLength(byte* to, long length)
    {
        if (length >= LongLength)
        {
            for (length -= LongLength; length >= 255; length -= 255)
            {
                *to++ = 255;
            }

            *to++ = (byte)length;
        }

        return to;
    }

    /// <summary>How many bytes agree, reading at most up to <paramref name="limit"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static long MatchLength(byte* at, byte* candidate, byte* limit)
    {
        byte* start = at;
        while (at <= limit - sizeof(ulong))
        {
            ulong difference = Unsafe.ReadUnaligned<ulong>(at) ^ Unsafe.ReadUnaligned<ulong>(candidate);
            if (difference != 0)
            {
                int equal = BitConverter.IsLittleEndian ? BitOperations.TrailingZeroCount(difference) : BitOperations.LeadingZeroCount(difference);
                return at - start + (equal / 8);
            }

            at += sizeof(ulong);
            candidate += sizeof(ulong);
        }

        while (at < limit && *at == *candidate)
        {
            at++;
            candidate++;
        }

        return at - start;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Hash(byte* at, int shift) => (Read32(at) * 2654435761u) >> shift;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Read32(byte* at) => Unsafe.ReadUnaligned<uint>(at);
}
