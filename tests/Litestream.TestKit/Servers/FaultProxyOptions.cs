namespace Litestream.TestKit.Servers;

/// <summary>Behaviour of a <see cref="FaultProxy"/>.</summary>
public sealed record FaultProxyOptions
{
    /// <summary>
    /// Equal seeds give equal faults: what happens to the n-th sending of a request depends on nothing but the seed, the request and n,
    /// however the requests of many connections interleave.
    /// </summary>
    public int Seed { get; init; } = 1;

    /// <summary>Probability of each kind per request to which it can be applied, 0 to 1; their sum must not exceed 1.</summary>
    public IReadOnlyDictionary<FaultKind, double> Rates { get; init; } = new Dictionary<FaultKind, double>();

    /// <summary>Once a kind has been injected so often, its rate counts as 0.</summary>
    public int MaxHitsPerKind { get; init; } = int.MaxValue;

    /// <summary>Every request is held back for so long before it is forwarded: the way to a distant store.</summary>
    public TimeSpan Latency { get; init; }

    /// <summary>Bytes per second of each connection and direction; 0 = no limit.</summary>
    public long BytesPerSecond { get; init; }

    /// <summary>Length of a stall; longer than the idle time-out of the client under test.</summary>
    public TimeSpan StallTime { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long connections are refused.</summary>
    public TimeSpan RefusedTime { get; init; } = TimeSpan.FromMilliseconds(30);

    /// <summary>How long every request is answered 403.</summary>
    public TimeSpan DeniedTime { get; init; } = TimeSpan.FromMilliseconds(20);

    /// <summary>How long a dripping answer takes, in twenty pieces.</summary>
    public TimeSpan DripTime { get; init; } = TimeSpan.FromMilliseconds(400);

    /// <summary>The extra wait of <see cref="FaultKind.ExtraLatency"/>.</summary>
    public TimeSpan ExtraLatency { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Requests remembered in <see cref="FaultProxy.Exchanges"/>; older ones go first.</summary>
    public int MaxExchanges { get; init; } = 200_000;

    /// <summary>The same rate for every kind, except for some.</summary>
    /// <param name="rate">Probability of each kind.</param>
    /// <param name="others">Kinds with a probability of their own.</param>
    public static IReadOnlyDictionary<FaultKind, double> Every(double rate, params (FaultKind Kind, double Rate)[] others)
    {
        Dictionary<FaultKind, double> rates = Enum.GetValues<FaultKind>().ToDictionary(kind => kind, _ => rate);
        foreach ((FaultKind kind, double own) in others ?? [])
        {
            rates[kind] = own;
        }

        return rates;
    }
}
