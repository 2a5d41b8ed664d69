namespace Litestream.Restore;

/// <summary>
/// Which pages already have their newest image: one bit a page, in chunks that exist only where a page was claimed, so that a
/// damaged commit size cannot ask for memory.
/// </summary>
internal sealed class PageBitmap
{
    private const int ChunkBits = 1 << 20;

    private readonly Dictionary<uint, ulong[]> _chunks = [];
    private ulong[]? _last;
    private uint _lastChunk;

    /// <summary>Number of claimed pages.</summary>
    internal long Count { get; private set; }

    /// <summary>Claims a page; false if a newer file has it.</summary>
    internal bool TryClaim(uint page)
    {
        uint chunk = page / ChunkBits;
        if (_last is null || chunk != _lastChunk)
        {
            if (!_chunks.TryGetValue(chunk, out _last))
            {
                _chunks[chunk] = _last = new ulong[ChunkBits / 64];
            }

            _lastChunk = chunk;
        }

        ref ulong word = ref _last[(page % ChunkBits) / 64];
        ulong bit = 1UL << (int)(page % 64);
        if ((word & bit) != 0)
        {
            return false;
        }

        word |= bit;
        Count++;
        return true;
    }

    /// <summary>Whether a page is claimed. Safe on several threads while nobody claims.</summary>
    internal bool Contains(uint page) =>
        _chunks.TryGetValue(page / ChunkBits, out ulong[]? chunk) && (chunk[(page % ChunkBits) / 64] & (1UL << (int)(page % 64))) != 0;

    /// <summary>The first page from 1 to <paramref name="last"/> that nobody claimed, <paramref name="skip"/> aside; 0 if none.</summary>
    internal uint FirstUnclaimed(uint last, uint skip)
    {
        for (ulong page = 1; page <= last; page++)
        {
            uint number = (uint)page;
            if (number != skip && !Contains(number))
            {
                return number;
            }
        }

        return 0;
    }
}
