using System.Globalization;
using System.Text;

namespace Litestream.Storage.Nats;

/// <summary>
/// Where the chunks of an object that we wrote lie in the stream, so that a range can be read without what is before it. Kept as a header of
/// the object's metadata, <c>Litestream-Chunks: 131072 0:17 5:30</c>: every chunk but the last has 131072 bytes, the first is message 17,
/// those from the sixth on follow message 30 without a gap. Only a hint: every message read by it is checked for subject and length.
/// </summary>
internal sealed class ChunkMap
{
    public const string Header = "Litestream-Chunks";

    /// <summary>Runs beyond which no map is kept: metadata travels in every listing.</summary>
    private const int MaxRuns = 1000;

    private const int MaxChunkSize = 64 << 20;

    private readonly List<(int Index, ulong Sequence)> _runs;

    public ChunkMap(int chunkSize)
        : this(chunkSize, [])
    {
    }

    private ChunkMap(int chunkSize, List<(int Index, ulong Sequence)> runs) => (ChunkSize, _runs) = (chunkSize, runs);

    /// <summary>Bytes of every chunk but the last.</summary>
    public int ChunkSize { get; }

    /// <summary>Number of chunks added so far.</summary>
    public int Count { get; private set; }

    /// <summary>Message of the chunk added last.</summary>
    public ulong Last { get; private set; }

    /// <summary>Adds the message of the next chunk. Numbers must ascend.</summary>
    public void Add(ulong sequence)
    {
        if ((Count == 0 || sequence != Last + 1) && _runs.Count <= MaxRuns)
        {
            _runs.Add((Count, sequence));
        }

        Count++;
        Last = sequence;
    }

    /// <summary>Message of a chunk.</summary>
    public ulong SequenceOf(int index)
    {
        int run = _runs.Count - 1;
        while (_runs[run].Index > index)
        {
            run--;
        }

        return _runs[run].Sequence + (ulong)(index - _runs[run].Index);
    }

    /// <summary>Header value; null if the chunks lie too scattered.</summary>
    public string? Format()
    {
        if (_runs.Count is 0 or > MaxRuns)
        {
            return null;
        }

        var text = new StringBuilder(ChunkSize.ToString(CultureInfo.InvariantCulture));
        foreach ((int index, ulong sequence) in _runs)
        {
            text.Append(CultureInfo.InvariantCulture, $" {index}:{sequence}");
        }

        return text.ToString();
    }

    /// <summary>Reads a header value; null if it is none or does not fit the object.</summary>
    public static ChunkMap? Parse(string? text, long size, long chunks)
    {
        string[] parts = text?.Split(' ', MaxRuns + 2) ?? [];
        if (parts.Length < 2 || parts.Length > MaxRuns + 1
            || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int chunkSize) || chunkSize is 0 or > MaxChunkSize
            || (size + chunkSize - 1) / chunkSize != chunks || chunks > int.MaxValue)
        {
            return null;
        }

        List<(int Index, ulong Sequence)> runs = [];
        foreach (string part in parts.AsSpan(1))
        {
            int colon = part.IndexOf(':', StringComparison.Ordinal);
            if (colon < 0
                || !int.TryParse(part.AsSpan(0, colon), NumberStyles.None, CultureInfo.InvariantCulture, out int index)
                || !ulong.TryParse(part.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ulong sequence)
                || index >= chunks || (runs.Count == 0 ? index != 0 : index <= runs[^1].Index))
            {
                return null;
            }

            runs.Add((index, sequence));
        }

        return new ChunkMap(chunkSize, runs) { Count = (int)chunks };
    }
}
