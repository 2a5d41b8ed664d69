namespace Litestream.Storage.Nats;

/// <summary>Single steps on the objects of one bucket, without retries.</summary>
internal sealed class Bucket(JetStream jetStream, ObjectNames names)
{
    /// <summary>Deletions of messages on their way at a time.</summary>
    private const int RemoveWindow = 16;

    /// <summary>Chunks up to which each is asked for by itself instead of through a consumer.</summary>
    private const int FewChunks = 8;

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
    /// Deletes an object in upstream's order: tombstone, chunks. Then the tombstone goes, too: it would be read in every listing for ever (trap T9). It
    /// is removed by its number, so that an object written again meanwhile stays. A repeated call finishes an earlier one.
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
            await RemoveChunksAsync(deleted.Nuid, newest.Object?.Chunks, cancellationToken).ConfigureAwait(false);
            await jetStream.DeleteMessageAsync(tombstone, cancellationToken).ConfigureAwait(false);
        }

        return true;
    }

    /// <summary>Removes the chunks of an object that is not visible any more, or never was.</summary>
    /// <remarks>
    /// A stream on one node is purged by subject, as upstream does. On a replicated stream each message is deleted by its number: a purge stays
    /// in the log of the cluster, and nodes of nats-server 2.9 that replay it after a crash drop every older message of the stream, whatever its
    /// subject; a few crashes later no node has the older half of a replica. The numbers are those that the server finds under the subject: what
    /// is written somewhere about them may be wrong, and a number says nothing of what is deleted with it.
    /// </remarks>
    /// <param name="nuid">Identifier of the chunks.</param>
    /// <param name="count">How many there are, about; null if nobody knows.</param>
    /// <param name="cancellationToken">Ends the requests.</param>
    public async ValueTask RemoveChunksAsync(string nuid, long? count, CancellationToken cancellationToken)
    {
        string subject = names.Chunks(nuid);
        if (!jetStream.IsReplicated)
        {
            await jetStream.PurgeAsync(subject, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (count is null or > FewChunks)
        {
            await Parallel.ForEachAsync(
                await FindChunksAsync(subject, cancellationToken).ConfigureAwait(false),
                new ParallelOptions { MaxDegreeOfParallelism = RemoveWindow, CancellationToken = cancellationToken },
                (sequence, token) => jetStream.DeleteMessageAsync(sequence, token)).ConfigureAwait(false);
        }

        // The leader has the last word, also about those that arrived late or that another node did not have.
        while (await jetStream.GetLastAsync(subject, cancellationToken).ConfigureAwait(false) is { } chunk)
        {
            chunk.Dispose();
            await jetStream.DeleteMessageAsync(chunk.Sequence, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<List<ulong>> FindChunksAsync(string subject, CancellationToken cancellationToken)
    {
        List<ulong> sequences = [];
        var reader = new ConsumerReader(jetStream, subject, 1, headersOnly: true);
        await using (reader.ConfigureAwait(false))
        {
            int before;
            do
            {
                before = sequences.Count;
                foreach (StoredMessage message in await reader.PullAsync(ConsumerReader.MaxBatch, cancellationToken).ConfigureAwait(false))
                {
                    sequences.Add(message.Sequence);
                    message.Dispose();
                }
            }
            while (sequences.Count > before);
        }

        return sequences;
    }

    /// <summary>Reads the newest metadata of every object whose name begins with a prefix; tombstones and links are left out.</summary>
    /// <remarks>
    /// The server places the consumer on any node that holds the stream. One that is behind, or that lost messages in a crash, would give a shorter
    /// list without a word: what it gives is checked against what the stream's leader knows, and what it lacks is asked of the leader.
    /// </remarks>
    /// <param name="prefix">What names begin with.</param>
    /// <param name="select">What is wanted of an object and the time at which it was stored; null = nothing.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    /// <returns>What was selected, in no order.</returns>
    /// <exception cref="ReplicaException">The listing is not complete.</exception>
    public async ValueTask<List<T>> ListAsync<T>(string prefix, Func<ObjectMetadata, DateTimeOffset, T> select, CancellationToken cancellationToken)
    {
        // Base64 turns three bytes into four letters: a name that begins with these bytes begins with these letters.
        string encoded = names.Metadata(prefix[..(prefix.Length / 3 * 3)]);
        Dictionary<string, T> found = []; // By subject: what is written or deleted meanwhile comes a second time.
        var reader = new ConsumerReader(jetStream, names.AllMetadata, 0);
        await using (reader.ConfigureAwait(false))
        {
            // First the consumer, then the end: whoever reads to where the end was later than that has read everything, and need not run after
            // somebody who writes all the time.
            await reader.OpenAsync(cancellationToken).ConfigureAwait(false);
            if (await jetStream.GetLastAsync(names.AllMetadata, cancellationToken).ConfigureAwait(false) is not { } newest)
            {
                return []; // An empty bucket.
            }

            newest.Dispose();
            HashSet<string> expected = jetStream.IsReplicated ? await jetStream.GetSubjectsAsync(names.AllMetadata, cancellationToken).ConfigureAwait(false) : [];
            expected.RemoveWhere(subject => !subject.StartsWith(encoded, StringComparison.Ordinal));
            ulong reached = 0;
            List<StoredMessage> messages;
            do
            {
                messages = await reader.PullAsync(ConsumerReader.MaxBatch, cancellationToken).ConfigureAwait(false);
                foreach (StoredMessage message in messages)
                {
                    reached = message.Sequence;
                    expected.Remove(message.Subject);
                    Take(message);
                }
            }
            while (messages.Count > 0 && reached < newest.Sequence);

            if (reached < newest.Sequence)
            {
                throw new ReplicaException($"nats: the node asked for the list of bucket \"{names.Bucket}\" is behind its leader, or objects were deleted meanwhile", isTransient: true);
            }

            foreach (string subject in expected)
            {
                if (await jetStream.GetLastAsync(subject, cancellationToken).ConfigureAwait(false) is { } message)
                {
                    Take(message);
                }
            }
        }

        return [.. found.Values];

        void Take(in StoredMessage message)
        {
            using (message)
            {
                if (message.Subject.StartsWith(encoded, StringComparison.Ordinal)
                    && ObjectMetadata.Parse(message.Data.Memory, message.Sequence) is { IsDeleted: false, IsLink: false } metadata
                    && metadata.Name.StartsWith(prefix, StringComparison.Ordinal)
                    && select(metadata, message.Time ?? DateTimeOffset.UnixEpoch) is { } selected)
                {
                    found[message.Subject] = selected;
                }
                else
                {
                    found.Remove(message.Subject);
                }
            }
        }
    }
}
