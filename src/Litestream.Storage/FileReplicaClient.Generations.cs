namespace Litestream.Storage;

/// <summary>Read access to v0.3 backups in the same directory.</summary>
public sealed partial class FileReplicaClient : IGenerationSource
{
    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<GenerationFile>> ListGenerationFilesAsync(CancellationToken cancellationToken)
    {
        List<GenerationFile> found = [];
        string generations = Path.Combine(_root, "generations");
        foreach (DirectoryEntry entry in _files.List(generations))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (entry.Kind == FileKind.Directory && GenerationFileName.IsGeneration(entry.Name))
            {
                AddFiles(found, entry.Name, "snapshots");
                AddFiles(found, entry.Name, "wal");
            }
        }

        found.Sort(static (a, b) =>
            (string.CompareOrdinal(a.Generation, b.Generation), a.IsSnapshot != b.IsSnapshot, a.Index.CompareTo(b.Index)) switch
            {
                (not 0 and int byGeneration, _, _) => byGeneration,
                (_, true, _) => a.IsSnapshot ? -1 : 1,
                (_, _, not 0 and int byIndex) => byIndex,
                _ => a.Offset.CompareTo(b.Offset),
            });
        return new ValueTask<IReadOnlyList<GenerationFile>>(found);
    }

    /// <inheritdoc/>
    public ValueTask<Stream> OpenGenerationFileAsync(GenerationFile file, long offset, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        cancellationToken.ThrowIfCancellationRequested();
        string path = Path.Combine(_root, "generations", file.Generation, file.IsSnapshot ? "snapshots" : "wal", file.Name);
        try
        {
            return new ValueTask<Stream>(new FileRangeStream(_files.OpenRead(path), offset, long.MaxValue));
        }
        catch (IOException failure)
        {
            throw new ReplicaException(
                $"open v0.3 file {path}: {failure.Message}", isTransient: failure is not FileNotFoundException, failure);
        }
    }

    private void AddFiles(List<GenerationFile> found, string generation, string kind)
    {
        string directory = Path.Combine(_root, "generations", generation, kind);
        foreach (DirectoryEntry entry in _files.List(directory))
        {
            int index = 0;
            long offset = -1;
            bool matches = entry.Kind == FileKind.Regular && (kind == "wal"
                ? GenerationFileName.TryParseSegment(entry.Name, out index, out offset)
                : GenerationFileName.TryParseSnapshot(entry.Name, out index));
            if (matches && _files.Stat(Path.Combine(directory, entry.Name)) is { } status)
            {
                found.Add(new GenerationFile(generation, index, offset, status.Size, status.ModifiedAt));
            }
        }
    }
}
