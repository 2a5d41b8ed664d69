using System.Buffers;

namespace Litestream.TestKit.Files;

/// <summary>A pool of buffers that have exactly the size asked for, and that knows how much memory is out: what an upload holds is counted, not estimated.</summary>
public sealed class CountingPool : ArrayPool<byte>
{
    private readonly Lock _gate = new();
    private readonly HashSet<byte[]> _out = new(ReferenceEqualityComparer.Instance);

    /// <summary>Bytes that are rented now; a test that ends well has 0.</summary>
    public long Held { get; private set; }

    /// <summary>The most bytes that were rented at the same time.</summary>
    public long MostHeld { get; private set; }

    /// <inheritdoc/>
    public override byte[] Rent(int minimumLength)
    {
        lock (_gate)
        {
            byte[] buffer = new byte[minimumLength];
            _out.Add(buffer);
            Held += buffer.Length;
            MostHeld = Math.Max(MostHeld, Held);
            return buffer;
        }
    }

    /// <summary>Takes a buffer back and makes it useless, so that a late reader is noticed.</summary>
    public override void Return(byte[] array, bool clearArray = false)
    {
        lock (_gate)
        {
            if (!_out.Remove(array))
            {
                throw new InvalidOperationException("a buffer was returned twice, or is another pool's");
            }

            Held -= array.Length;
            array.AsSpan().Fill(0xDD);
        }
    }
}
