using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Litestream.Ltx;

/// <summary>
/// CRC-64/GO-ISO: polynomial x^64 + x^4 + x^3 + x + 1, bits reflected, initial value and final XOR all ones
/// (ltx-format §7.1). Not the ECMA polynomial of the common hashing packages.
/// </summary>
/// <remarks>
/// The polynomial is so sparse that multiplying by x^64 is a handful of shifts (<see cref="Reduce"/>); no table is needed
/// anywhere. Long inputs are folded with carry-less multiplication where the processor has it.
/// </remarks>
public static class Crc64
{
    // Below this, setting up the folding costs more than it saves.
    private const int FoldThreshold = 128;

    // AdvanceFactors[i] moves a remainder forward by 2^i bytes: x^(8 * 2^i - 1), reflected (see Multiply).
    private static readonly ulong[] AdvanceFactors = CreateAdvanceFactors();

    /// <summary>Checksum of <paramref name="data"/> appended to what <paramref name="crc"/> already covers.</summary>
    /// <param name="crc">A checksum from this class; 0 for nothing yet.</param>
    /// <param name="data">Bytes to add.</param>
    public static ulong Append(ulong crc, ReadOnlySpan<byte> data) =>
        data.Length >= FoldThreshold && Crc64Folding.IsSupported
            ? ~Crc64Folding.Append(~crc, data)
            : ~AppendScalar(~crc, data);

    /// <summary>
    /// The checksum of A followed by B from the checksums of A and B alone. Lets parts of a file be hashed in parallel and in
    /// any order.
    /// </summary>
    /// <param name="crcA">Checksum of A.</param>
    /// <param name="crcB">Checksum of B.</param>
    /// <param name="lengthB">Length of B in bytes, not negative.</param>
    public static ulong Combine(ulong crcA, ulong crcB, long lengthB)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthB);
        for (int i = 0; lengthB != 0; i++, lengthB >>= 1)
        {
            if ((lengthB & 1) != 0)
            {
                crcA = Multiply(crcA, AdvanceFactors[i]);
            }
        }

        return crcA ^ crcB;
    }

    /// <summary>The factor that <see cref="CombineBy"/> needs to move a checksum over a power of two of bytes.</summary>
    internal static ulong AdvanceFactor(int length) => AdvanceFactors[int.Log2(length)];

    /// <summary><see cref="Combine"/> for a length whose factor is known: one multiplication.</summary>
    internal static ulong CombineBy(ulong crcA, ulong crcB, ulong advanceFactorB) => Multiply(crcA, advanceFactorB) ^ crcB;

    /// <summary>The same without folding, eight bytes a step. State is not inverted.</summary>
    internal static ulong AppendScalar(ulong state, ReadOnlySpan<byte> data)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (ulong word in words)
        {
            state = Reduce(state ^ LittleEndian(word));
        }

        ReadOnlySpan<byte> rest = data[(words.Length * sizeof(ulong))..];
        if (rest.IsEmpty)
        {
            return state;
        }

        ulong last = 0;
        for (int i = 0; i < rest.Length; i++)
        {
            last |= (ulong)rest[i] << (8 * i);
        }

        // Only the low bytes of the state meet data; the others move down unreduced.
        int bits = 8 * rest.Length;
        return (state >> bits) ^ Reduce((state ^ last) << (64 - bits));
    }

    /// <summary>v * x^64 modulo the polynomial, everything bit-reflected: bit 63 is the coefficient of x^0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static ulong Reduce(ulong v)
    {
        // x^64 = x^4 + x^3 + x + 1. What the shifts push out has degree 64..67 and is reduced the same way, once.
        ulong over = (v << 63) ^ (v << 61) ^ (v << 60);
        return v ^ (v >> 1) ^ (v >> 3) ^ (v >> 4) ^ over ^ (over >> 1) ^ (over >> 3) ^ (over >> 4);
    }

    /// <summary>
    /// a * b * x modulo the polynomial. The extra x comes from multiplying reflected numbers; so the factor that stands for
    /// "multiply by x^n" is x^(n-1), and Multiply of two such factors is the factor of the sum.
    /// </summary>
    internal static ulong Multiply(ulong a, ulong b)
    {
        (ulong low, ulong high) = Crc64Folding.IsSupported ? Crc64Folding.CarrylessMultiply(a, b) : CarrylessMultiplyScalar(a, b);
        return high ^ Reduce(low);
    }

    /// <summary>The 128-bit carry-less product.</summary>
    internal static (ulong Low, ulong High) CarrylessMultiplyScalar(ulong a, ulong b)
    {
        ulong low = 0;
        ulong high = 0;
        for (int i = 0; i < 64; i++)
        {
            ulong mask = 0 - ((b >> i) & 1);
            low ^= (a << i) & mask;
            high ^= (i == 0 ? 0 : a >> (64 - i)) & mask;
        }

        return (low, high);
    }

    /// <summary>The factor for "multiply by x^bits", for bits a multiple of 8.</summary>
    internal static ulong FactorForBits(int bits)
    {
        ulong? factor = null;
        for (int i = 0, bytes = bits / 8; bytes != 0; i++, bytes >>= 1)
        {
            if ((bytes & 1) != 0)
            {
                factor = factor is { } f ? Multiply(f, AdvanceFactors[i]) : AdvanceFactors[i];
            }
        }

        return factor ?? throw new ArgumentOutOfRangeException(nameof(bits));
    }

    private static ulong[] CreateAdvanceFactors()
    {
        var factors = new ulong[63];
        factors[0] = 1UL << 56; // x^7
        for (int i = 1; i < factors.Length; i++)
        {
            // Scalar on purpose: the folding class takes its own constants from this table.
            (ulong low, ulong high) = CarrylessMultiplyScalar(factors[i - 1], factors[i - 1]);
            factors[i] = high ^ Reduce(low);
        }

        return factors;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong LittleEndian(ulong word) =>
        BitConverter.IsLittleEndian ? word : System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(word);
}
