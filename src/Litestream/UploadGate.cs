using Litestream.Ltx;

namespace Litestream;

/// <summary>
/// Keeps capture and upload apart at the one point where they meet: the newest local file may be replaced by a longer one until
/// its upload begins, and never after (replication §8.5). Capture holds the gate while it writes; the uploader seals.
/// </summary>
internal sealed class UploadGate
{
    private readonly Lock gate = new();
    private Txid sealedThrough;
    private Txid published;

    /// <summary>Newest transaction that capture has written.</summary>
    public Txid Published
    {
        get
        {
            lock (gate)
            {
                return published;
            }
        }
    }

    /// <summary>Newest transaction that may not change any more.</summary>
    public Txid SealedThrough
    {
        get
        {
            lock (gate)
            {
                return sealedThrough;
            }
        }
    }

    /// <summary>At start: every file that is there counts as seen, because nobody knows whether its upload began.</summary>
    public void Reset(Txid position)
    {
        lock (gate)
        {
            sealedThrough = published = position;
        }
    }

    /// <summary>From here on all published files stay as they are. Waits while one is being written.</summary>
    /// <returns>The newest of them.</returns>
    public Txid Seal()
    {
        lock (gate)
        {
            return sealedThrough = published;
        }
    }

    /// <summary>A new file is durable under its name.</summary>
    public void Publish(Txid txid)
    {
        lock (gate)
        {
            published = txid;
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
        public bool MayReplace(Txid txid) => txid > owner.sealedThrough && txid == owner.published;

        /// <summary>Lets the uploader in.</summary>
        public void Dispose() => owner.gate.Exit();
    }
}
