namespace Litestream;

/// <summary>
/// Lets at most 50 databases be opened and compared with their replicas at the same time, so that a start of thousands is no
/// stampede (store-and-restore §4, trap C19). One whose store does not answer gives its place away after a while and goes on
/// waiting outside: fifty of them must not keep out everybody else.
/// </summary>
internal sealed class OpeningGate(TimeProvider time) : IDisposable
{
    /// <summary>Databases that are opened at the same time.</summary>
    public const int Places = 50;

    /// <summary>How long an opening may keep its place.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly SemaphoreSlim places = new(Places);

    /// <summary>Waits for a place.</summary>
    /// <returns>The place; disposing gives it back.</returns>
    public async ValueTask<IDisposable> EnterAsync(CancellationToken cancellationToken)
    {
        await places.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new Place(places, time);
    }

    /// <inheritdoc/>
    public void Dispose() => places.Dispose();

    private sealed class Place : IDisposable
    {
        private readonly ITimer timer;
        private SemaphoreSlim? places;

        public Place(SemaphoreSlim places, TimeProvider time)
        {
            this.places = places;
            timer = time.CreateTimer(static state => ((Place)state!).Leave(), this, Patience, Timeout.InfiniteTimeSpan);
        }

        public void Dispose()
        {
            timer.Dispose();
            Leave();
        }

        private void Leave() => Interlocked.Exchange(ref places, null)?.Release();
    }
}
