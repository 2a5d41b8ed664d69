namespace Litestream.Storage.Gcs.Credentials;

/// <summary>
/// Keeps a token until five minutes before its end. One request at a time asks for a new one, and while the service that gives tokens is
/// out of reach the old one is used to its end.
/// </summary>
/// <param name="source">Where tokens come from.</param>
/// <param name="time">Clock.</param>
#pragma warning disable CA1001 // A semaphore holds something to release only once its wait handle has been asked for.
internal sealed class TokenCache(ITokenSource source, TimeProvider time)
#pragma warning restore CA1001
{
    private static readonly TimeSpan Margin = TimeSpan.FromMinutes(5);

    private readonly SemaphoreSlim gate = new(1, 1);
    private AccessToken? current;
    private DateTimeOffset refreshAt;

    /// <summary>Whose credentials these are, for messages.</summary>
    public string Description => source.Description;

    /// <summary>A token that is accepted for now.</summary>
    public async ValueTask<AccessToken> GetAsync(CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            DateTimeOffset now = time.GetUtcNow();
            if (current is { } usable && now < refreshAt)
            {
                return usable;
            }

            try
            {
                current = await source.FetchAsync(cancellationToken).ConfigureAwait(false);

                // A token that lives for less than ten minutes is used for half of its life.
                TimeSpan life = current.ExpiresAt - time.GetUtcNow();
                refreshAt = current.ExpiresAt - (life > 2 * Margin ? Margin : life / 2);
            }
            catch (ReplicaException failure) when (failure.IsTransient && current is { } old && now < old.ExpiresAt)
            {
            }

            return current;
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>Forgets a token that the store has refused; the next request asks for a new one.</summary>
    public async ValueTask DropAsync(AccessToken refused, CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        if (ReferenceEquals(current, refused))
        {
            current = null;
        }

        gate.Release();
    }
}
