namespace Litestream.Storage.Transport;

/// <summary>Keeps the last 16 bytes of what has passed, for <see cref="ExistingObject.RequireSameAsync"/>, and counts all.</summary>
public sealed class TrailerTap
{
    private readonly byte[] _last = new byte[ExistingObject.TrailerSize];
    private int _count;

    /// <summary>Bytes passed so far.</summary>
    public long Length { get; private set; }

    /// <summary>The last bytes, 16 or fewer.</summary>
    public ReadOnlyMemory<byte> Last => _last.AsMemory(0, _count);

    /// <summary>Takes note of the next bytes, in order.</summary>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        Length += bytes.Length;
        if (bytes.Length >= _last.Length)
        {
            bytes[^_last.Length..].CopyTo(_last);
            _count = _last.Length;
            return;
        }

        int keep = Math.Min(_count, _last.Length - bytes.Length);
        _last.AsSpan(_count - keep, keep).CopyTo(_last);
        bytes.CopyTo(_last.AsSpan(keep));
        _count = keep + bytes.Length;
    }
}
