using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using ArmAes = System.Runtime.Intrinsics.Arm.Aes;

namespace Litestream.Ltx;

/// <summary>
/// CRC-64/GO-ISO by carry-less multiplication: a 128-bit register of pending input is moved forward over the next bytes with
/// two multiplications, several registers side by side to hide their latency.
/// </summary>
internal static class Crc64Folding
{
    // (moves the first, more significant 64 bits, moves the second 64 bits) over the given number of bytes.
    private static readonly Vector128<ulong> Over16 = FoldFactors(16);
    private static readonly Vector128<ulong> Over32 = FoldFactors(32);
    private static readonly Vector128<ulong> Over48 = FoldFactors(48);
    private static readonly Vector128<ulong> Over64 = FoldFactors(64);

    /// <summary>Whether this processor multiplies without carry.</summary>
    internal static bool IsSupported => BitConverter.IsLittleEndian && (Pclmulqdq.IsSupported || ArmAes.IsSupported);

    /// <summary>The 128-bit carry-less product.</summary>
    internal static (ulong Low, ulong High) CarrylessMultiply(ulong a, ulong b)
    {
        Vector128<ulong> product = MultiplyLower(Vector128.CreateScalar(a), Vector128.CreateScalar(b));
        return (product.GetElement(0), product.GetElement(1));
    }

    /// <summary>Folds at least 64 bytes into the state (not inverted).</summary>
    internal static ulong Append(ulong state, ReadOnlySpan<byte> data)
    {
        ref byte start = ref MemoryMarshal.GetReference(data);
        Vector128<ulong> r0 = Load(ref start, 0) ^ Vector128.CreateScalar(state);
        Vector128<ulong> r1 = Load(ref start, 16);
        Vector128<ulong> r2 = Load(ref start, 32);
        Vector128<ulong> r3 = Load(ref start, 48);
        Vector128<ulong> over64 = Over64;
        int position = 64;
        for (; position <= data.Length - 64; position += 64)
        {
            r0 = Fold(r0, over64) ^ Load(ref start, position);
            r1 = Fold(r1, over64) ^ Load(ref start, position + 16);
            r2 = Fold(r2, over64) ^ Load(ref start, position + 32);
            r3 = Fold(r3, over64) ^ Load(ref start, position + 48);
        }

        Vector128<ulong> r = Fold(r0, Over48) ^ Fold(r1, Over32) ^ Fold(r2, Over16) ^ r3;
        return Finish(r, data, position);
    }

    /// <summary>Folds the rest of the input into one register and reduces that to 64 bits.</summary>
    private static ulong Finish(Vector128<ulong> r, ReadOnlySpan<byte> data, int position)
    {
        ref byte start = ref MemoryMarshal.GetReference(data);
        Vector128<ulong> over16 = Over16;
        for (; position <= data.Length - 16; position += 16)
        {
            r = Fold(r, over16) ^ Load(ref start, position);
        }

        ulong state = Crc64.Reduce(Crc64.Reduce(r.GetElement(0)) ^ r.GetElement(1));
        return Crc64.AppendScalar(state, data[position..]);
    }

    private static Vector128<ulong> FoldFactors(int bytes) =>
        Vector128.Create(Crc64.FactorForBits((8 * bytes) + 64), Crc64.FactorForBits(8 * bytes));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Load(ref byte start, int offset) =>
        Vector128.LoadUnsafe(ref start, (nuint)offset).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Fold(Vector128<ulong> r, Vector128<ulong> factors) =>
        MultiplyLower(r, factors) ^ MultiplyUpper(r, factors);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> MultiplyLower(Vector128<ulong> a, Vector128<ulong> b) =>
        Pclmulqdq.IsSupported
            ? Pclmulqdq.CarrylessMultiply(a, b, 0x00)
            : ArmAes.PolynomialMultiplyWideningLower(a.GetLower(), b.GetLower());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> MultiplyUpper(Vector128<ulong> a, Vector128<ulong> b) =>
        Pclmulqdq.IsSupported
            ? Pclmulqdq.CarrylessMultiply(a, b, 0x11)
            : ArmAes.PolynomialMultiplyWideningUpper(a, b);
}
