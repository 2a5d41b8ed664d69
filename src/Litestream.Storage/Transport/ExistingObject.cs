using Litestream.Ltx;

namespace Litestream.Storage.Transport;

/// <summary>What to do when an object that was to be created exists already (decision D35).</summary>
public static class ExistingObject
{
    /// <summary>Bytes at the end of an LTX file that hold its two checksums: they identify its content.</summary>
    public const int TrailerSize = 16;

    /// <summary>
    /// Succeeds if the stored object has the same size and the same last 16 bytes: our own earlier attempt, whose answer was lost. Anything
    /// else is a second writer.
    /// </summary>
    /// <param name="client">The replica.</param>
    /// <param name="file">What was to be written.</param>
    /// <param name="trailer">Its last 16 bytes.</param>
    /// <param name="location">The object, for the message.</param>
    /// <param name="cancellationToken">Stops the comparison.</param>
    /// <exception cref="ReplicaConflictException">The content differs.</exception>
    /// <exception cref="ReplicaException">The object is gone (transient), or cannot be read.</exception>
    public static async ValueTask RequireSameAsync(
        IReplicaClient client, LtxFileInfo file, ReadOnlyMemory<byte> trailer, string location, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(client);

        // One byte more than the trailer: a longer object gives it.
        byte[] stored = new byte[TrailerSize + 1];
        Stream stream;
        try
        {
            stream = await client.OpenAsync(
                file.Level, file.MinTxid, file.MaxTxid, Math.Max(0, file.Size - TrailerSize), TrailerSize + 1, cancellationToken).ConfigureAwait(false);
        }
        catch (LtxFileNotFoundException gone)
        {
            // A write must not report "file does not exist": readers plan again on that.
            throw new ReplicaException($"upload {location}: the object that was in the way is gone; the upload must start again", isTransient: true, gone);
        }

        await using (stream.ConfigureAwait(false))
        {
            int count = await stream.ReadAtLeastAsync(stored, stored.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            if (!stored.AsSpan(0, count).SequenceEqual(trailer.Span))
            {
                throw new ReplicaConflictException(location);
            }
        }
    }
}
