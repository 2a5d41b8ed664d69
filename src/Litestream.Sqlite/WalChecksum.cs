using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Litestream.Sqlite;

/// <summary>
/// The running checksum of the WAL: for each pair of 32-bit words <c>s0 += x0 + s1; s1 += x1 + s0</c> (replication §5).
/// </summary>
public static class WalChecksum
{
    /// <summary>Continues a checksum over more bytes.</summary>
    /// <param name="s0">First word so far; 0 at the start.</param>
    /// <param name="s1">Second word so far; 0 at the start.</param>
    /// <param name="data">Bytes whose count is a multiple of 8.</param>
    /// <param name="bigEndian">Word order, from the magic number of the WAL header.</param>
    /// <exception cref="ArgumentException">The length is not a multiple of 8.</exception>
    public static (uint S0, uint S1) Append(uint s0, uint s1, ReadOnlySpan<byte> data, bool bigEndian)
    {
        if (data.Length % 8 != 0)
        {
            throw new ArgumentException($"{data.Length} bytes are not a multiple of 8", nameof(data));
        }

        return bigEndian == BitConverter.IsLittleEndian ? Run<SwappedOrder>(s0, s1, data) : Run<NativeOrder>(s0, s1, data);
    }

    // The two additions per pair depend on each other, so the loop is bound by their latency. What can be done beside that
    // chain is: one 64-bit load per pair, four pairs per turn, and "s + x" computed before the other word is known.
    private static (uint S0, uint S1) Run<TOrder>(uint s0, uint s1, ReadOnlySpan<byte> data)
        where TOrder : struct, IWordOrder
    {
        ref byte start = ref MemoryMarshal.GetReference(data);
        nint end = data.Length;
        nint offset = 0;
        for (; offset <= end - 32; offset += 32)
        {
            ulong a = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, offset));
            ulong b = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, offset + 8));
            ulong c = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, offset + 16));
            ulong d = Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, offset + 24));
            Step<TOrder>(ref s0, ref s1, a);
            Step<TOrder>(ref s0, ref s1, b);
            Step<TOrder>(ref s0, ref s1, c);
            Step<TOrder>(ref s0, ref s1, d);
        }

        for (; offset < end; offset += 8)
        {
            Step<TOrder>(ref s0, ref s1, Unsafe.ReadUnaligned<ulong>(ref Unsafe.Add(ref start, offset)));
        }

        return (s0, s1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<TOrder>(ref uint s0, ref uint s1, ulong pair)
        where TOrder : struct, IWordOrder
    {
        uint first = TOrder.First(pair);
        uint second = TOrder.Second(pair);
        s0 = s0 + first + s1;
        s1 = s1 + second + s0;
    }

    /// <summary>How the two words of a pair lie in eight bytes that were loaded as one native number.</summary>
    private interface IWordOrder
    {
        static abstract uint First(ulong pair);

        static abstract uint Second(ulong pair);
    }

    private readonly struct NativeOrder : IWordOrder
    {
        public static uint First(ulong pair) => BitConverter.IsLittleEndian ? (uint)pair : (uint)(pair >> 32);

        public static uint Second(ulong pair) => BitConverter.IsLittleEndian ? (uint)(pair >> 32) : (uint)pair;
    }

    private readonly struct SwappedOrder : IWordOrder
    {
        public static uint First(ulong pair) => BinaryPrimitives.ReverseEndianness(NativeOrder.First(pair));

        public static uint Second(ulong pair) => BinaryPrimitives.ReverseEndianness(NativeOrder.Second(pair));
    }
}
