using Litestream.Storage;

namespace Litestream.TestKit.Files;

/// <summary>A file of <see cref="MemoryFileSystem"/>: content as written and content as last synced.</summary>
internal sealed class MemoryNode(ulong inode, FileOwnership ownership, DateTimeOffset modifiedAt)
{
    private byte[] _content = [];
    private int _length;
    private byte[] _durable = [];
    private DateTimeOffset _durableModifiedAt = modifiedAt;

    internal ulong Inode { get; } = inode;

    internal FileOwnership Ownership { get; } = ownership;

    internal DateTimeOffset ModifiedAt { get; set; } = modifiedAt;

    internal long Length => _length;

    internal int Read(Span<byte> buffer, long offset)
    {
        if (offset >= _length)
        {
            return 0;
        }

        int count = Math.Min(buffer.Length, _length - (int)offset);
        _content.AsSpan((int)offset, count).CopyTo(buffer);
        return count;
    }

    internal void Write(ReadOnlySpan<byte> buffer, long offset, DateTimeOffset now)
    {
        int end = checked((int)(offset + buffer.Length));
        Grow(Math.Max(end, _length));
        buffer.CopyTo(_content.AsSpan((int)offset));
        ModifiedAt = now;
    }

    internal void SetLength(long length, DateTimeOffset now)
    {
        int wanted = checked((int)length);
        if (wanted < _length)
        {
            _content.AsSpan(wanted, _length - wanted).Clear();
            _length = wanted;
        }

        Grow(wanted);
        ModifiedAt = now;
    }

    internal void Sync()
    {
        _durable = _content.AsSpan(0, _length).ToArray();
        _durableModifiedAt = ModifiedAt;
    }

    internal MemoryNode AfterPowerCut(Random? random)
    {
        bool survives = random is not null && random.Next(2) == 0;
        byte[] content = survives ? _content.AsSpan(0, _length).ToArray() : _durable;
        DateTimeOffset modified = survives ? ModifiedAt : _durableModifiedAt;
        return new MemoryNode(Inode, Ownership, modified)
        {
            _content = [.. content],
            _length = content.Length,
            _durable = content,
        };
    }

    private void Grow(int length)
    {
        if (length > _content.Length)
        {
            Array.Resize(ref _content, Math.Max(length, _content.Length * 2));
        }

        _length = Math.Max(_length, length);
    }
}

/// <summary>A directory of <see cref="MemoryFileSystem"/>: names as they are and names as last synced.</summary>
internal sealed class MemoryDirectory(ulong inode, DateTimeOffset modifiedAt)
{
    internal ulong Inode { get; } = inode;

    internal DateTimeOffset ModifiedAt { get; } = modifiedAt;

    /// <summary>Name to <see cref="MemoryNode"/> or <see cref="MemoryDirectory"/>.</summary>
    internal SortedDictionary<string, object> Live { get; } = new(StringComparer.Ordinal);

    internal SortedDictionary<string, object> Durable { get; } = new(StringComparer.Ordinal);

    internal void Sync()
    {
        Durable.Clear();
        foreach ((string name, object node) in Live)
        {
            Durable[name] = node;
        }
    }

    internal MemoryDirectory AfterPowerCut(Random? random) => AfterPowerCut(random, new Dictionary<object, object>());

    private MemoryDirectory AfterPowerCut(Random? random, Dictionary<object, object> survivors)
    {
        var result = new MemoryDirectory(Inode, ModifiedAt);
        foreach (string name in Live.Keys.Union(Durable.Keys).ToList())
        {
            object? live = Live.GetValueOrDefault(name);
            object? durable = Durable.GetValueOrDefault(name);
            object? chosen = random is not null && random.Next(2) == 0 ? live : durable;
            if (chosen is null)
            {
                continue;
            }

            // Two names of one file must stay two names of one file.
            if (!survivors.TryGetValue(chosen, out object? survivor))
            {
                survivor = chosen is MemoryDirectory directory
                    ? directory.AfterPowerCut(random, survivors)
                    : ((MemoryNode)chosen).AfterPowerCut(random);
                survivors[chosen] = survivor;
            }

            result.Live[name] = survivor;
            result.Durable[name] = survivor;
        }

        return result;
    }
}
