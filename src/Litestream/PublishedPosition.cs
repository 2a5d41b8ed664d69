using Litestream.Ltx;

namespace Litestream;

/// <summary>
/// The newest transaction whose file is durable under its name: written by capture, read by the uploader and by whoever asks for a
/// status. A published file never changes, so the two never wait for each other.
/// </summary>
internal sealed class PublishedPosition
{
    private ulong value;

    /// <summary>The transaction; 0 before the first.</summary>
    public Txid Value => new(Volatile.Read(ref value));

    /// <summary>At start and after a reset: what the files say.</summary>
    public void Reset(Txid position) => Volatile.Write(ref value, position.Value);

    /// <summary>A further file is there. Transactions are contiguous (replication §4).</summary>
    public void Advance(Txid txid)
    {
        if (txid != Value.Next)
        {
            throw new InvalidOperationException($"transaction {txid} published after {Value}");
        }

        Volatile.Write(ref value, txid.Value);
    }
}
