namespace Litestream.Restore.Delta;

/// <summary>
/// Where a restored database comes from: its page size, and the first and the last few files that were used. The newest tell most, but
/// the oldest, a snapshot and files of high levels, stay in the replica for longest.
/// </summary>
internal sealed class RestoreOrigin
{
    private const int Half = PageDigestFile.MaxAnchors / 2;

    private readonly List<ReplicaAnchor> _first = [];
    private readonly Queue<ReplicaAnchor> _last = [];

    /// <summary>Bytes of a page; set by the builder.</summary>
    internal int PageSize { get; set; }

    /// <summary>A local copy turned out to be of no use.</summary>
    internal bool FetchesAll { get; set; }

    /// <summary>Figures of a delta restore; null if everything was fetched.</summary>
    internal DeltaReport? Report { get; set; }

    /// <summary>The files that were kept.</summary>
    internal IReadOnlyList<ReplicaAnchor> Anchors => [.. _first, .. _last];

    /// <summary>Adds the next file, newest first.</summary>
    internal void Add(ReplicaAnchor anchor)
    {
        if (_first.Count < Half)
        {
            _first.Add(anchor);
            return;
        }

        _last.Enqueue(anchor);
        if (_last.Count > Half)
        {
            _last.Dequeue();
        }
    }

    /// <summary>Fills up with files that were known before, oldest last.</summary>
    internal void AddRest(IEnumerable<ReplicaAnchor> known)
    {
        foreach (ReplicaAnchor anchor in known.Where(anchor => !Anchors.Any(item => item.IsNamed(anchor.File))).ToList())
        {
            Add(anchor);
        }
    }

    /// <summary>Forgets all: the restore begins again.</summary>
    internal void Clear()
    {
        _first.Clear();
        _last.Clear();
    }
}
