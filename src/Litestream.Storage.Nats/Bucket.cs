namespace Litestream.Storage.Nats;

/// <summary>Single steps on the objects of one bucket, without retries.</summary>
internal sealed class Bucket(JetStream jetStream, ObjectNames names)
{
    public JetStream JetStream => jetStream;

    public ObjectNames Names => names;

    /// <summary>Checks that the bucket exists: it is never created here (trap T10).</summary>
    /// <exception cref="ReplicaException">It does not; permanent.</exception>
    public async ValueTask<bool> RequireAsync(CancellationToken cancellationToken)
    {
        try
        {
            await jetStream.RequireStreamAsync(cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (JetStreamException e) when (e.ErrorCode == JetStreamException.StreamNotFound)
        {
            throw new ReplicaException(
                $"nats: failed to access object store bucket \"{names.Bucket}\" on {jetStream.Link.Display} (bucket must be created beforehand): bucket not found", isTransient: false, e);
        }
    }

    /// <summary>What is stored about an object.</summary>
    public async ValueTask<NewestMetadata> GetAsync(string name, CancellationToken cancellationToken)
    {
        if (await jetStream.GetLastAsync(names.Metadata(name), cancellationToken).ConfigureAwait(false) is not { } message)
        {
            return default;
        }

        using (message)
        {
            ObjectMetadata? metadata = ObjectMetadata.Parse(message.Data.Memory, message.Sequence);
            return metadata is null || metadata.IsLink ? new NewestMetadata(message.Sequence, null, null)
                : metadata.IsDeleted ? new NewestMetadata(message.Sequence, null, metadata)
                : new NewestMetadata(message.Sequence, metadata, null);
        }
    }

    /// <summary>
    /// Deletes an object in upstream's order: tombstone, chunks. Then the tombstone goes, too: it would be read in every listing for ever (trap T9). Its
    /// number bounds the purge, so that an object written again meanwhile stays. A repeated call finishes an earlier one.
    /// </summary>
    public async ValueTask<bool> DeleteAsync(string name, CancellationToken cancellationToken)
    {
        string subject = names.Metadata(name);
        NewestMetadata newest = await GetAsync(name, cancellationToken).ConfigureAwait(false);
        ulong tombstone = newest.Sequence;
        if (newest.Object is { } metadata)
        {
            tombstone = await jetStream.ReplaceAsync(subject, (metadata with { IsDeleted = true }).ToJson(names.Bucket), newest.Sequence, cancellationToken).ConfigureAwait(false)
                ?? throw new ReplicaException($"nats: {name} was replaced while it was being deleted", isTransient: true);
        }

        if ((newest.Object ?? newest.Tombstone) is { } deleted)
        {
            await jetStream.PurgeAsync(names.Chunks(deleted.Nuid), null, cancellationToken).ConfigureAwait(false);
            await jetStream.PurgeAsync(subject, tombstone + 1, cancellationToken).ConfigureAwait(false);
        }

        return true;
    }

    /// <summary>Reads the newest metadata of every object whose name begins with a prefix.</summary>
    /// <param name="prefix">A number of bytes that base64 needs no padding for: then encoded names begin with the encoded prefix.</param>
    /// <param name="found">Called with each and the time at which it was stored.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    public async ValueTask ListAsync(string prefix, Action<ObjectMetadata, DateTimeOffset> found, CancellationToken cancellationToken)
    {
        string encoded = names.Metadata(prefix[..(prefix.Length / 3 * 3)]);
        var reader = new ConsumerReader(jetStream, names.AllMetadata, 0);
        await using (reader.ConfigureAwait(false))
        {
            List<StoredMessage> messages;
            do
            {
                // To the end as the server says it, not as it had counted before: an empty answer.
                messages = await reader.PullAsync(ConsumerReader.MaxBatch, cancellationToken).ConfigureAwait(false);
                foreach (StoredMessage message in messages)
                {
                    using (message)
                    {
                        if (message.Subject.StartsWith(encoded, StringComparison.Ordinal)
                            && ObjectMetadata.Parse(message.Data.Memory, message.Sequence) is { IsDeleted: false, IsLink: false } metadata
                            && metadata.Name.StartsWith(prefix, StringComparison.Ordinal))
                        {
                            found(metadata, message.Time ?? DateTimeOffset.UnixEpoch);
                        }
                    }
                }
            }
            while (messages.Count > 0);
        }
    }
}
