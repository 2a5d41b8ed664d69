namespace Litestream.Ltx;

/// <summary>Unsigned LEB128 numbers of the page index: 7 bits a byte, low group first (ltx-format §5).</summary>
internal static class Varint
{
    /// <summary>Most bytes of a 64-bit number.</summary>
    internal const int MaxSize = 10;

    /// <summary>Writes a number and returns its size in bytes.</summary>
    internal static int Write(Span<byte> destination, ulong value)
    {
        int i = 0;
        for (; value >= 0x80; value >>= 7)
        {
            destination[i++] = (byte)(value | 0x80);
        }

        destination[i++] = (byte)value;
        return i;
    }

    /// <summary>Reads a number that <see cref="Write"/> wrote in memory; not for outside input.</summary>
    internal static ulong Read(ReadOnlySpan<byte> source, ref int position)
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte b = source[position++];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
            {
                return value;
            }
        }
    }
}
