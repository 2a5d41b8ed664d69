using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Litestream.TestKit.Servers;

/// <summary>Decides what happens to each request of a <see cref="FaultProxy"/>, and counts.</summary>
internal sealed partial class FaultProxyPlan(FaultProxyOptions options)
{
    private static readonly FaultKind[] Kinds = Enum.GetValues<FaultKind>();

    private readonly Lock _gate = new();
    private readonly List<(FaultKind Kind, Func<string, string, bool> Matches)> _forced = [];
    private readonly Dictionary<string, int> _sendings = [];
    private readonly int[] _hits = new int[Kinds.Length];
    private readonly Dictionary<FaultKind, double> _rates = new(options.Rates);
    private long _deniedUntil;

    public FaultProxyOptions Options => options;

    public volatile bool IsOn = true;

    /// <summary>Last genuine answer to each list, head and body.</summary>
    public ConcurrentDictionary<string, byte[]> Lists { get; } = new();

    public IReadOnlyDictionary<FaultKind, int> Hits
    {
        get
        {
            lock (_gate)
            {
                return Kinds.ToDictionary(kind => kind, kind => _hits[(int)kind]);
            }
        }
    }

    public void Count(FaultKind kind)
    {
        lock (_gate)
        {
            _hits[(int)kind]++;
        }
    }

    public void SetRate(FaultKind kind, double rate)
    {
        lock (_gate)
        {
            _rates[kind] = rate;
        }
    }

    public void Force(FaultKind kind, Func<string, string, bool> matches)
    {
        lock (_gate)
        {
            _forced.Add((kind, matches));
        }
    }

    /// <summary>The fault of a request, and a number that chooses among its variants.</summary>
    public (FaultKind Kind, int Variant)? Choose(FaultProxyHead request)
    {
        lock (_gate)
        {
            string name = $"{request.Method} {Changing().Replace(request.Target, "")}";
            int sending = _sendings.GetValueOrDefault(name) + 1;
            _sendings[name] = sending;
            int forced = _forced.FindIndex(entry => entry.Matches(request.Method, request.Target));
            if (forced >= 0)
            {
                FaultKind kind = _forced[forced].Kind;
                _forced.RemoveAt(forced);
                return (kind, _hits[(int)kind]);
            }

            if (!IsOn)
            {
                return null;
            }

            if (Stopwatch.GetTimestamp() < _deniedUntil)
            {
                return (FaultKind.AccessDenied, 0);
            }

            return Draw(request, name, sending);
        }
    }

    public static bool IsList(FaultProxyHead request) =>
        request.Method == "GET"
        && (request.Target.Contains("list-type=", StringComparison.Ordinal) || request.Target.Contains("comp=list", StringComparison.Ordinal)
            || request.Target.Contains("/o?", StringComparison.Ordinal));

    private (FaultKind Kind, int Variant)? Draw(FaultProxyHead request, string name, int sending)
    {
        ulong number = Hash(name, sending);
        double draw = (number >> 11) / (double)(1UL << 53);
        foreach (FaultKind kind in Kinds)
        {
            if (_hits[(int)kind] >= options.MaxHitsPerKind || !Applies(kind, request))
            {
                continue;
            }

            draw -= _rates.GetValueOrDefault(kind);
            if (draw < 0)
            {
                if (kind == FaultKind.AccessDenied)
                {
                    _deniedUntil = Stopwatch.GetTimestamp() + (long)(options.DeniedTime.TotalSeconds * Stopwatch.Frequency);
                }

                return (kind, _hits[(int)kind]);
            }
        }

        return null;
    }

    private bool Applies(FaultKind kind, FaultProxyHead request) => kind switch
    {
        FaultKind.ResetInRequestBody => request.RequestBody is >= 2 or FaultProxyWire.Chunked,
        FaultKind.StallInBody or FaultKind.TruncatedBody or FaultKind.ResetInBody or FaultKind.SlowBytes => request.Method == "GET",
        FaultKind.DuplicateDelivery => request.Method is not ("GET" or "HEAD"),
        FaultKind.StaleList => Lists.ContainsKey(request.Target),
        FaultKind.GarbageList => IsList(request),
        FaultKind.ErrorInOk => request.Method == "POST" && request.Target.Contains("uploadId=", StringComparison.Ordinal),
        _ => true,
    };

    // FNV-1a over the name, then the finalizer of SplitMix64: equal on every machine and in every process.
    private ulong Hash(string name, int sending)
    {
        ulong hash = 14695981039346656037;
        foreach (char c in name)
        {
            hash = (hash ^ c) * 1099511628211;
        }

        hash ^= ((ulong)(uint)options.Seed << 32) | (uint)sending;
        hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
        hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
        return hash ^ (hash >> 31);
    }

    // What a server makes up anew in each run.
    [GeneratedRegex(@"(?<=[?&](uploadId|continuation-token|marker|pageToken)=)[^&]*")]
    private static partial Regex Changing();
}
