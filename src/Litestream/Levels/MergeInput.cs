using System.Numerics;
using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;

namespace Litestream.Levels;

/// <summary>One file that goes into a merge: a source, or what an earlier step made of many sources.</summary>
internal sealed class MergeInput : IDisposable
{
    /// <summary>A file above this size is not copied into a file in between: it costs one read buffer, whatever its size.</summary>
    public const long LargeSize = 1 << 20;

    /// <summary>Least bytes to read at a time: a page frame or two.</summary>
    private const long SmallestRead = 8 << 10;

    private const int RemoteOverhead = 64 * 1024;
    private const int ReaderOverhead = 2 * 1024;

    private readonly Func<Stream> open;
    private readonly IDisposable? owned;

    private MergeInput(LtxFileInfo? source, string name, long size, Func<Stream> open, IDisposable? owned = null)
    {
        Source = source;
        Name = name;
        Size = size;
        this.open = open;
        this.owned = owned;
    }

    /// <summary>The source file; null for the result of a step.</summary>
    public LtxFileInfo? Source { get; }

    /// <summary>Name for messages.</summary>
    public string Name { get; }

    /// <summary>Bytes of the file.</summary>
    public long Size { get; }

    /// <summary>True if it is read from the replica, which keeps a connection or a descriptor open.</summary>
    public bool IsRemote { get; private init; }

    /// <summary>Position among the sources; -1 for the result of a step.</summary>
    public int Number { get; private init; } = -1;

    /// <summary>Memory in bytes that it takes while it is open.</summary>
    public long Cost => BitOperations.RoundUpToPowerOf2((uint)BufferSize) + ReaderOverhead + (IsRemote ? RemoteOverhead : 0);

    /// <summary>A file is read in some eight pieces: all files of a merge are open at once, and whole in memory they would be megabytes.</summary>
    private int BufferSize => (int)Math.Clamp(Math.Min(Size, Math.Max(Size / 8, SmallestRead)), LtxFormat.HeaderSize, LtxReader.DefaultBufferSize);

    /// <summary>A source of which the state directory has a copy.</summary>
    public static MergeInput Local(int number, LtxFileInfo source, long size, LocalLtxDirectory directory)
    {
        string name = directory.PathOf(source);
        return new MergeInput(source, name, size, () => new ReopeningFileStream(() => directory.OpenFile(source), size)) { Number = number };
    }

    /// <summary>A source that only the replica has.</summary>
    public static MergeInput Remote(int number, LtxFileInfo source, IReplicaClient client, TimeProvider time) =>
        new(source, source.Name, source.Size, () => ResumableReader.ForReplica(client, source, time).AsStream())
        {
            Number = number,
            IsRemote = true,
        };

    /// <summary>The result of a step; disposing removes it.</summary>
    public static MergeInput Step(StagedLtxFile file) =>
        new(null, file.TemporaryPath, file.Size, () => new ReopeningFileStream(file.OpenRead, file.Size), file);

    /// <summary>Opens it; nothing is read yet.</summary>
    public LtxReader Open() => new(open(), Name, bufferSize: BufferSize);

    /// <inheritdoc/>
    public void Dispose() => owned?.Dispose();
}
