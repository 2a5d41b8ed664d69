namespace Litestream.Benchmarks;

/// <summary>Pages of repeatable pseudo-random words: what text columns look like to LZ4.</summary>
internal static class WordText
{
    /// <summary>Pages of words in one array.</summary>
    internal static byte[] Create(int pageCount, int pageSize)
    {
        var random = new Random(42);
        byte[][] words = [.. Enumerable.Range(0, 4000).Select(_ => CreateWord(random))];
        var text = new byte[pageCount * pageSize];
        for (int at = 0; at < text.Length;)
        {
            // Frequent words are frequent: square the draw.
            double draw = random.NextDouble();
            byte[] word = words[(int)(draw * draw * words.Length)];
            int length = Math.Min(word.Length, text.Length - at);
            word.AsSpan(0, length).CopyTo(text.AsSpan(at));
            at += length;
        }

        return text;
    }

    private static byte[] CreateWord(Random random)
    {
        var word = new byte[random.Next(2, 11) + 1];
        for (int i = 0; i < word.Length - 1; i++)
        {
            word[i] = (byte)('a' + random.Next(26));
        }

        word[^1] = (byte)' ';
        return word;
    }
}
