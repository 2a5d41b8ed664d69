using Litestream.Ltx;

namespace Litestream;

/// <summary>
/// Keeps capture and upload apart at the one point where they meet: the newest local file may be replaced by a longer one until
/// its upload begins, and never after (replication §8.5). Capture holds the gate while it writes; whoever uploads seals. Reading the
/// two positions never waits: a status must be answered while a write is stuck (§16).
/// </summary>
internal sealed class UploadGate
{
    private readonly Lock gate = new();
    private ulong sealedThrough;
    private ulong published;

    /// <summary>Newest transaction that capture has written.</summary>
    public Txid Published => new(Volatile.Read(ref published));

    /// <summary>Newest transaction that may not change any more.</summary>
    public Txid SealedThrough => new(Volatile.Read(ref sealedThrough));

    /// <summary>At start: every file that is there counts as seen, because nobody knows whether its upload began.</summary>
    public void Reset(Txid position)
    {
        lock (gate)
        {
            Volatile.Write(ref published, position.Value);
            Volatile.Write(ref sealedThrough, position.Value);
        }
    }

    /// <summary>From here on all published files stay as they are. Waits while one is being written.</summary>
    /// <returns>The newest of them.</returns>
    public Txid Seal()
    {
        lock (gate)
        {
            Volatile.Write(ref sealedThrough, published);
            return new Txid(published);
        }
    }

    /// <summary>A new file is durable under its name.</summary>
    public void Publish(Txid txid)
    {
        lock (gate)
        {
            Volatile.Write(ref published, txid.Value);
        }
    }

    /// <summary>Keeps the uploader out while the newest file is replaced; dispose lets it in again.</summary>
    public Scope Enter()
    {
        gate.Enter();
        return new Scope(this);
    }

    /// <summary>The time during which capture replaces one file.</summary>
    internal readonly ref struct Scope(UploadGate owner)
    {
        /// <summary>True if the file of this transaction is ours to replace.</summary>
        public bool MayReplace(Txid txid) => txid.Value > owner.sealedThrough && txid.Value == owner.published;

        /// <summary>Lets the uploader in.</summary>
        public void Dispose() => owner.gate.Exit();
    }
}
