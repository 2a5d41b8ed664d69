using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using ArmAes = System.Runtime.Intrinsics.Arm.Aes;

namespace Litestream.Ltx;

/// <summary>
/// CRC-64/GO-ISO by carry-less multiplication: a register of pending input is moved forward over the next bytes with two
/// multiplications for each 128 bits, several registers side by side to hide their latency.
/// </summary>
internal static class Crc64Folding
{
    /// <summary>Bytes that <see cref="Append"/> needs at least.</summary>
    internal const int MinLength = 64;

    private const int WideMinLength = 256;

    // Each moves the first, more significant 64 bits and the second 64 bits over that many bytes.
    private static readonly Vector128<ulong> Over16 = FoldFactors(16);
    private static readonly Vector128<ulong> Over32 = FoldFactors(32);
    private static readonly Vector128<ulong> Over48 = FoldFactors(48);
    private static readonly Vector128<ulong> Over64 = FoldFactors(64);
    private static readonly Vector128<ulong> Over128 = FoldFactors(128);
    private static readonly Vector128<ulong> Over192 = FoldFactors(192);
    private static readonly Vector128<ulong> Over256 = FoldFactors(256);

    /// <summary>Whether this processor multiplies without carry.</summary>
    internal static bool IsSupported => BitConverter.IsLittleEndian && (Pclmulqdq.IsSupported || ArmAes.IsSupported);

    /// <summary>The 128-bit carry-less product.</summary>
    internal static (ulong Low, ulong High) CarrylessMultiply(ulong a, ulong b)
    {
        Vector128<ulong> left = Vector128.CreateScalar(a);
        Vector128<ulong> right = Vector128.CreateScalar(b);
        Vector128<ulong> product = Pclmulqdq.IsSupported ? X86Multiplier.Lower(left, right) : ArmMultiplier.Lower(left, right);
        return (product.GetElement(0), product.GetElement(1));
    }

    /// <summary>Folds at least <see cref="MinLength"/> bytes into the state (not inverted).</summary>
    internal static ulong Append(ulong state, ReadOnlySpan<byte> data)
    {
        if (Pclmulqdq.V512.IsSupported && data.Length >= WideMinLength)
        {
            return AppendWide(state, data);
        }

        return AppendNarrow(state, data);
    }

    /// <summary>The same with 128-bit registers only.</summary>
    internal static ulong AppendNarrow(ulong state, ReadOnlySpan<byte> data) =>
        Pclmulqdq.IsSupported ? Append<X86Multiplier>(state, data) : Append<ArmMultiplier>(state, data);

    private static ulong Append<T>(ulong state, ReadOnlySpan<byte> data)
        where T : struct, ICarrylessMultiplier
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
            r0 = Fold<T>(r0, over64) ^ Load(ref start, position);
            r1 = Fold<T>(r1, over64) ^ Load(ref start, position + 16);
            r2 = Fold<T>(r2, over64) ^ Load(ref start, position + 32);
            r3 = Fold<T>(r3, over64) ^ Load(ref start, position + 48);
        }

        return Finish<T>(r0, r1, r2, r3, data, position);
    }

    private static ulong AppendWide(ulong state, ReadOnlySpan<byte> data)
    {
        ref byte start = ref MemoryMarshal.GetReference(data);
        Vector512<ulong> r0 = LoadWide(ref start, 0) ^ Vector512.CreateScalar(state);
        Vector512<ulong> r1 = LoadWide(ref start, 64);
        Vector512<ulong> r2 = LoadWide(ref start, 128);
        Vector512<ulong> r3 = LoadWide(ref start, 192);
        Vector512<ulong> over256 = Widen(Over256);
        int position = 256;
        for (; position <= data.Length - 256; position += 256)
        {
            r0 = FoldWide(r0, over256) ^ LoadWide(ref start, position);
            r1 = FoldWide(r1, over256) ^ LoadWide(ref start, position + 64);
            r2 = FoldWide(r2, over256) ^ LoadWide(ref start, position + 128);
            r3 = FoldWide(r3, over256) ^ LoadWide(ref start, position + 192);
        }

        Vector512<ulong> over64 = Widen(Over64);
        Vector512<ulong> r = FoldWide(r0, Widen(Over192)) ^ FoldWide(r1, Widen(Over128)) ^ FoldWide(r2, over64) ^ r3;
        for (; position <= data.Length - 64; position += 64)
        {
            r = FoldWide(r, over64) ^ LoadWide(ref start, position);
        }

        return Finish<X86Multiplier>(r.GetLower().GetLower(), r.GetLower().GetUpper(), r.GetUpper().GetLower(), r.GetUpper().GetUpper(), data, position);
    }

    /// <summary>Folds four neighbouring registers and the rest of the input into one register, and reduces that to 64 bits.</summary>
    private static ulong Finish<T>(Vector128<ulong> r0, Vector128<ulong> r1, Vector128<ulong> r2, Vector128<ulong> r3, ReadOnlySpan<byte> data, int position)
        where T : struct, ICarrylessMultiplier
    {
        ref byte start = ref MemoryMarshal.GetReference(data);
        Vector128<ulong> over16 = Over16;
        Vector128<ulong> r = Fold<T>(r0, Over48) ^ Fold<T>(r1, Over32) ^ Fold<T>(r2, over16) ^ r3;
        for (; position <= data.Length - 16; position += 16)
        {
            r = Fold<T>(r, over16) ^ Load(ref start, position);
        }

        ulong state = Crc64.Reduce(Crc64.Reduce(r.GetElement(0)) ^ r.GetElement(1));
        return Crc64.AppendScalar(state, data[position..]);
    }

    private static Vector128<ulong> FoldFactors(int bytes) =>
        Vector128.Create(Crc64.FactorForBits((8 * bytes) + 64), Crc64.FactorForBits(8 * bytes));

    private static Vector512<ulong> Widen(Vector128<ulong> factors)
    {
        Vector256<ulong> half = Vector256.Create(factors, factors);
        return Vector512.Create(half, half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Load(ref byte start, int offset) =>
        Vector128.LoadUnsafe(ref start, (nuint)offset).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> LoadWide(ref byte start, int offset) =>
        Vector512.LoadUnsafe(ref start, (nuint)offset).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Fold<T>(Vector128<ulong> r, Vector128<ulong> factors)
        where T : struct, ICarrylessMultiplier => T.Lower(r, factors) ^ T.Upper(r, factors);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> FoldWide(Vector512<ulong> r, Vector512<ulong> factors) =>
        Pclmulqdq.V512.CarrylessMultiply(r, factors, 0x00) ^ Pclmulqdq.V512.CarrylessMultiply(r, factors, 0x11);
}
