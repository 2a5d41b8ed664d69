namespace Litestream.Scenarios;

/// <summary>Counts uploads against the promise of at most one per sync-interval.</summary>
internal static class UploadRate
{
    /// <summary>
    /// The most files that appeared in any window of one second, less 50 ms for the jitter between the start of an upload and the
    /// moment its file is complete.
    /// </summary>
    public static int MostPerSecond(IReadOnlyList<(long Time, string Name)> arrivals)
    {
        const long Window = 950_000_000;
        int most = 0;
        for (int first = 0, last = 0; last < arrivals.Count; last++)
        {
            while (arrivals[last].Time - arrivals[first].Time >= Window)
            {
                first++;
            }

            most = Math.Max(most, last - first + 1);
        }

        return most;
    }
}
