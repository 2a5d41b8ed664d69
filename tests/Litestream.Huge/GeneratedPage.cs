using System.Buffers.Binary;

namespace Litestream.Huge;

/// <summary>Content of a page that is known from its number and the transaction that wrote it; nearly all of it compresses well.</summary>
internal static class GeneratedPage
{
    private const uint Dense = 1000;

    /// <summary>Writes the content; the buffer must be zeros or an earlier page.</summary>
    internal static void Fill(Span<byte> page, uint number, uint txid)
    {
        page.Clear();
        if (number % Dense == 0)
        {
            new Random((int)(number ^ (txid * 7919))).NextBytes(page);
        }

        BinaryPrimitives.WriteUInt32BigEndian(page, number);
        BinaryPrimitives.WriteUInt32BigEndian(page[4..], txid);
    }

    /// <summary>Checks that this is the page of that number, as the newest of the three generated transactions left it.</summary>
    internal static void Check(ReadOnlySpan<byte> page, uint number)
    {
        uint expected = GeneratedReplica.NewestWriter(number);
        if (BinaryPrimitives.ReadUInt32BigEndian(page) != number || BinaryPrimitives.ReadUInt32BigEndian(page[4..]) != expected)
        {
            throw new InvalidDataException($"page {number} should be of transaction {expected}");
        }
    }
}
