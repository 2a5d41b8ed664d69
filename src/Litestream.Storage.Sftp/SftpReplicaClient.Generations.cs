using Renci.SshNet.Sftp;

namespace Litestream.Storage.Sftp;

/// <summary>Read access to v0.3 backups in the same place (backends §1.7, decision D32).</summary>
public sealed partial class SftpReplicaClient : IGenerationSource
{
    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<GenerationFile>> ListGenerationFilesAsync(CancellationToken cancellationToken)
    {
        List<GenerationFile> found = [];
        foreach (ISftpFile entry in await ReadDirectoryAsync(_keys.Root + "generations", cancellationToken).ConfigureAwait(false))
        {
            if (entry.IsDirectory && GenerationFileName.IsGeneration(entry.Name))
            {
                await AddFilesAsync(found, entry.Name, "snapshots", cancellationToken).ConfigureAwait(false);
                await AddFilesAsync(found, entry.Name, "wal", cancellationToken).ConfigureAwait(false);
            }
        }

        return [.. found.OrderBy(file => file.Generation, StringComparer.Ordinal).ThenByDescending(file => file.IsSnapshot).ThenBy(file => file.Index).ThenBy(file => file.Offset)];
    }

    /// <inheritdoc/>
    public async ValueTask<Stream> OpenGenerationFileAsync(GenerationFile file, long offset, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        string path = $"{_keys.Root}generations/{file.Generation}/{(file.IsSnapshot ? "snapshots" : "wal")}/{file.Name}";
        string what = $"open v0.3 file {path}";
        ReplicaMetrics.Count(Type, "GET");
        return await _retry.ExecuteAsync(
            what,
            async token => await OpenOnceAsync(path, what, offset, 0, token).ConfigureAwait(false)
                ?? throw new ReplicaException($"{what}: file does not exist", isTransient: false),
            cancellationToken).ConfigureAwait(false);
    }

    private async Task AddFilesAsync(List<GenerationFile> found, string generation, string kind, CancellationToken cancellationToken)
    {
        foreach (ISftpFile entry in await ReadDirectoryAsync($"{_keys.Root}generations/{generation}/{kind}", cancellationToken).ConfigureAwait(false))
        {
            int index = 0;
            long offset = -1;
            bool matches = entry.IsRegularFile && (kind == "wal"
                ? GenerationFileName.TryParseSegment(entry.Name, out index, out offset)
                : GenerationFileName.TryParseSnapshot(entry.Name, out index));
            if (matches)
            {
                found.Add(new GenerationFile(generation, index, offset, entry.Length, new DateTimeOffset(entry.LastWriteTimeUtc, TimeSpan.Zero)));
            }
        }
    }
}
