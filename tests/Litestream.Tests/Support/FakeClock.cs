using System.Diagnostics;
using Microsoft.Extensions.Time.Testing;

namespace Litestream.Tests.Support;

/// <summary>Drives a fake clock in small steps while real files and processes do their work.</summary>
internal static class FakeClock
{
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(1);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    /// <summary>Advances until the condition holds, but never by more than the limit in total; waits on without advancing then.</summary>
    public static async Task AdvanceUntilAsync(this FakeTimeProvider time, Func<bool> condition, TimeSpan limit, string what, TimeSpan? step = null)
    {
        DateTimeOffset end = time.GetUtcNow() + limit;
        long began = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < Patience, $"did not happen within {limit}: {what}");
            if (time.GetUtcNow() < end)
            {
                time.Advance(step ?? Step);
            }

            // Paces the clock by what a thread needs to answer a timer; nothing that is asserted depends on it.
            await Task.Delay(1);
        }
    }
}
