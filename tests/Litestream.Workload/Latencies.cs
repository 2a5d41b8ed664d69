using System.Globalization;

namespace Litestream.Workload;

/// <summary>How long commits took, in buckets 2 % apart from 1 µs up; constant memory at any count.</summary>
internal sealed class Latencies
{
    private static readonly double Step = Math.Log(1.02);
    private readonly long[] _buckets = new long[1000];

    internal long Count { get; private set; }

    internal long Busy { get; set; }

    internal double MaxMicroseconds { get; private set; }

    internal void Add(TimeSpan time)
    {
        double microseconds = Math.Max(1, time.TotalMicroseconds);
        _buckets[Math.Min(_buckets.Length - 1, (int)(Math.Log(microseconds) / Step))]++;
        MaxMicroseconds = Math.Max(MaxMicroseconds, microseconds);
        Count++;
    }

    internal void Merge(Latencies other)
    {
        for (int i = 0; i < _buckets.Length; i++)
        {
            _buckets[i] += other._buckets[i];
        }

        Count += other.Count;
        Busy += other.Busy;
        MaxMicroseconds = Math.Max(MaxMicroseconds, other.MaxMicroseconds);
    }

    internal string ToJson(TimeSpan elapsed) => string.Create(
        CultureInfo.InvariantCulture,
        $$"""{"commits":{{Count}},"busy":{{Busy}},"seconds":{{elapsed.TotalSeconds:F3}},"commits_per_second":{{Count / elapsed.TotalSeconds:F0}},"p50_us":{{Quantile(0.5):F0}},"p99_us":{{Quantile(0.99):F0}},"max_us":{{MaxMicroseconds:F0}}}""");

    private double Quantile(double share)
    {
        long rest = (long)(Count * share);
        for (int i = 0; i < _buckets.Length; i++)
        {
            rest -= _buckets[i];
            if (rest < 0)
            {
                return Math.Exp(i * Step);
            }
        }

        return MaxMicroseconds;
    }
}
