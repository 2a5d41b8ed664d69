namespace Litestream.Storage.S3;

/// <summary>One request for each object of a page of a listing, several at a time, results in the page's order.</summary>
internal static class FanOut
{
    /// <summary>Most requests at a time: upstream sends 50 (backends §1.8); a restore shall use no more than 32 connections, these included (decision D9).</summary>
    public const int MaxConcurrency = 32;

    /// <summary>Asks for all items of a page. The first failure stops the rest and is thrown: nothing is guessed instead (trap T4).</summary>
    /// <param name="items">The page.</param>
    /// <param name="maxConnections">Connections that the transport allows to one server.</param>
    /// <param name="ask">The request for one item.</param>
    /// <param name="cancellationToken">Stops all.</param>
    public static async ValueTask<TResult[]> RunAsync<TItem, TResult>(
        IReadOnlyList<TItem> items, int maxConnections, Func<TItem, CancellationToken, ValueTask<TResult>> ask, CancellationToken cancellationToken)
    {
        var results = new TResult[items.Count];
        var options = new ParallelOptions
        {
            MaxDegreeOfParallelism = Math.Clamp(maxConnections, 1, MaxConcurrency),
            CancellationToken = cancellationToken,
        };
        await Parallel.ForAsync(0, items.Count, options, async (i, token) => results[i] = await ask(items[i], token).ConfigureAwait(false)).ConfigureAwait(false);
        return results;
    }
}
