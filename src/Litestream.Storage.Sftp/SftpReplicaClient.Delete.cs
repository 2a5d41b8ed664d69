using Renci.SshNet.Sftp;

namespace Litestream.Storage.Sftp;

/// <summary>Deletion.</summary>
public sealed partial class SftpReplicaClient
{
    private const int DeletesAtOnce = 16;

    // Deeper than any tree that a replica makes; a server that shows a tree without an end must not use up the stack.
    private const int MaxDepth = 32;

    /// <inheritdoc/>
    public async ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(files);
        await DeleteFilesAsync(files.Select(file => _keys.File(file.Level, file.MinTxid, file.MaxTxid)), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    /// <remarks>With an empty path, or <c>/</c>, only <c>ltx</c> and <c>generations</c> go: the rest of a login directory is not ours (trap T2).</remarks>
    public async ValueTask DeleteAllAsync(CancellationToken cancellationToken)
    {
        if (_keys.Root is "" or "/")
        {
            await DeleteTreeAsync(_keys.Root + "ltx", 0, cancellationToken).ConfigureAwait(false);
            await DeleteTreeAsync(_keys.Root + "generations", 0, cancellationToken).ConfigureAwait(false);
            return;
        }

        await DeleteTreeAsync(_keys.Root.TrimEnd('/'), 0, cancellationToken).ConfigureAwait(false);
    }

    private async Task DeleteTreeAsync(string directory, int depth, CancellationToken cancellationToken)
    {
        if (depth > MaxDepth)
        {
            throw new ReplicaException($"delete {directory}: more than {MaxDepth} directories deep; remove it on the server", isTransient: false);
        }

        List<string> children = await RunAsync(
            _pool.Writes, $"delete files of {directory}", (lane, token) => DeleteFilesAsync(lane, directory, token), cancellationToken).ConfigureAwait(false);
        foreach (string child in children)
        {
            await DeleteTreeAsync($"{directory}/{child}", depth + 1, cancellationToken).ConfigureAwait(false);
        }

        await RunAsync(
            _pool.Writes,
            $"delete directory {directory}",
            async (lane, token) =>
            {
                try
                {
                    await lane.WaitAsync(lane.Client.DeleteDirectoryAsync(directory, CancellationToken.None), null, token).ConfigureAwait(false);
                }
                catch (Exception missing) when (SftpFailure.IsMissing(missing))
                {
                    // As wanted.
                }

                return true;
            },
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Deletes all entries of a directory that are not directories. By entry, not by path: the library resolves links in a path, and
    /// would delete what a link points to.
    /// </summary>
    /// <returns>Names of the directories in it.</returns>
    private async Task<List<string>> DeleteFilesAsync(SftpLane lane, string directory, CancellationToken cancellationToken)
    {
        ReplicaMetrics.Count(Type, "LIST");
        List<ISftpFile> entries = await ReadDirectoryAsync(lane, directory, cancellationToken).ConfigureAwait(false);
        foreach (ISftpFile[] some in entries.Where(entry => !entry.IsDirectory).Chunk(DeletesAtOnce))
        {
            ReplicaMetrics.Count(Type, "DELETE", count: some.Length);
            await Task.WhenAll(some.Select(entry => DeleteEntryAsync(lane, entry, cancellationToken))).ConfigureAwait(false);
        }

        return [.. entries.Where(entry => entry.IsDirectory).Select(entry => entry.Name)];
    }

    private static async Task DeleteEntryAsync(SftpLane lane, ISftpFile entry, CancellationToken cancellationToken)
    {
        try
        {
            await lane.WaitAsync(entry.DeleteAsync(CancellationToken.None), null, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception missing) when (SftpFailure.IsMissing(missing))
        {
            // As wanted.
        }
    }

    private Task DeleteFilesAsync(IEnumerable<string> paths, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(
            paths,
            new ParallelOptions { MaxDegreeOfParallelism = DeletesAtOnce, CancellationToken = cancellationToken },
            async (path, token) =>
            {
                ReplicaMetrics.Count(Type, "DELETE");
                await RunAsync(
                    _pool.Writes,
                    $"delete {path}",
                    async (lane, attempt) =>
                    {
                        await DeleteFileAsync(lane, path, attempt).ConfigureAwait(false);
                        return true;
                    },
                    token).ConfigureAwait(false);
            });
}
