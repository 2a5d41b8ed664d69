using Litestream.Storage;

namespace Litestream.Restore.Generations;

/// <summary>Builds a database file from a v0.3 snapshot and its WAL segments (store-and-restore §13.2).</summary>
internal sealed class GenerationDatabaseBuilder(
    IGenerationSource source, TimeProvider time, GenerationPlan plan, IFile output, IProgress<RestoreProgress>? progress)
{
    private long _done;

    /// <summary>Writes the database; nothing is synced.</summary>
    /// <returns>Size of the database in bytes.</returns>
    /// <exception cref="GenerationFileException">A file is damaged or missing.</exception>
    internal async Task<long> BuildAsync(CancellationToken cancellationToken)
    {
        long size = 0;
        await ReadAsync(plan.Snapshot, data =>
        {
            output.Write(data, size);
            size += data.Length;
        }, cancellationToken);
        WalApplier? wal = null;
        GenerationFile last = plan.Snapshot;
        try
        {
            int next = plan.Snapshot.Index;
            foreach (GenerationFile segment in plan.Segments)
            {
                if (segment.Offset == 0)
                {
                    wal?.Finish(last);
                    wal?.Dispose();
                    wal = null;
                    RequireIndex(segment, next);
                    wal = new WalApplier(output, next++);
                }

                WalApplier current = RequireContinuation(segment, wal, next);
                await ReadAsync(segment, data => current.Append(data, segment), cancellationToken);
                last = segment;
            }

            wal?.Finish(last);
        }
        finally
        {
            wal?.Dispose();
        }

        return output.Length;
    }

    private static void RequireIndex(GenerationFile segment, int expected)
    {
        if (segment.Index != expected)
        {
            throw new GenerationFileException(segment, $"missing WAL index: expected {expected:x8}, got {segment.Index:x8}");
        }
    }

    private static WalApplier RequireContinuation(GenerationFile segment, WalApplier? wal, int next)
    {
        if (wal is null || wal.Index != segment.Index)
        {
            // The first segment of this index is missing; or the whole index before it is.
            RequireIndex(segment, next);
            throw new GenerationFileException(segment, $"missing WAL segment: index {segment.Index:x8} does not begin at offset 0");
        }

        return wal.Length == segment.Offset
            ? wal
            : throw new GenerationFileException(segment, $"missing WAL segment: have up to offset {wal.Length}, next is {segment.Offset}");
    }

    private async Task ReadAsync(GenerationFile file, Action<ReadOnlySpan<byte>> take, CancellationToken cancellationToken)
    {
        using var reader = new Lz4FrameReader(source, file, time);
        while (await reader.ReadAsync(cancellationToken) is { IsEmpty: false } data)
        {
            take(data.Span);
        }

        _done += file.Size;
        progress?.Report(new RestoreProgress(_done, plan.Size));
    }
}
