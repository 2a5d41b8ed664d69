using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using ArmAes = System.Runtime.Intrinsics.Arm.Aes;

namespace Litestream.Ltx;

/// <summary>
/// The carry-less multiplication of one processor family. A type parameter instead of a check in each use: ahead-of-time
/// compiled code would make that check at run time, inside the loop.
/// </summary>
internal interface ICarrylessMultiplier
{
    /// <summary>Product of the first 64 bits of both.</summary>
    static abstract Vector128<ulong> Lower(Vector128<ulong> a, Vector128<ulong> b);

    /// <summary>Product of the second 64 bits of both.</summary>
    static abstract Vector128<ulong> Upper(Vector128<ulong> a, Vector128<ulong> b);
}

/// <summary>PCLMULQDQ.</summary>
internal readonly struct X86Multiplier : ICarrylessMultiplier
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Lower(Vector128<ulong> a, Vector128<ulong> b) => Pclmulqdq.CarrylessMultiply(a, b, 0x00);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Upper(Vector128<ulong> a, Vector128<ulong> b) => Pclmulqdq.CarrylessMultiply(a, b, 0x11);
}

/// <summary>PMULL.</summary>
internal readonly struct ArmMultiplier : ICarrylessMultiplier
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Lower(Vector128<ulong> a, Vector128<ulong> b) => ArmAes.PolynomialMultiplyWideningLower(a.GetLower(), b.GetLower());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<ulong> Upper(Vector128<ulong> a, Vector128<ulong> b) => ArmAes.PolynomialMultiplyWideningUpper(a, b);
}
