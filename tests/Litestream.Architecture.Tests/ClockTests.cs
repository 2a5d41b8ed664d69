using Xunit;

namespace Litestream.Architecture.Tests;

/// <summary>
/// Time comes from <see cref="TimeProvider"/> and randomness is handed in. One direct use, and the tests that run hours of
/// schedule in milliseconds wait for real, or stop being repeatable from their seed.
/// </summary>
public sealed class ClockTests
{
    private static readonly string[] Forbidden =
    [
        "System.DateTime.get_UtcNow(", "System.DateTime.get_Now(", "System.DateTime.get_Today(",
        "System.DateTimeOffset.get_UtcNow(", "System.DateTimeOffset.get_Now(",
        "System.Random.get_Shared(", "System.Random..ctor()",
        "System.Threading.Thread.Sleep(",
        "System.Threading.Tasks.Task.Delay(Int32", "System.Threading.Tasks.Task.Delay(System.TimeSpan)",
        "System.Threading.Tasks.Task.Delay(System.TimeSpan,System.Threading.CancellationToken)",
        "System.Threading.CancellationTokenSource..ctor(System.TimeSpan)", "System.Threading.CancellationTokenSource..ctor(Int32)",
        "System.Threading.PeriodicTimer..ctor(System.TimeSpan)", "System.Threading.Timer..ctor(",
        "System.Environment.get_TickCount",
    ];

    /// <summary>The few uses that are no clock, each with its reason.</summary>
    private static readonly (string Assembly, string Member, string Reason)[] Allowed =
    [
        ("Litestream.Sqlite", "System.Threading.Thread.Sleep(Int32)", "between two tries for the write lock, as SQLite's own busy handler waits; bounded by the handed-in clock"),
        ("litestream", "System.Threading.Tasks.Task.Delay(System.TimeSpan)", "waits without end, for the process to be ended"),
    ];

    public static TheoryData<string> Assemblies => [.. ProductAssembly.Names];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Time_and_randomness_are_handed_in(string name) =>
        Violations.None(ProductAssembly.Load(name).UsedMembers.Where(
            member => Forbidden.Any(forbidden => member.StartsWith(forbidden, StringComparison.Ordinal))
                && !Allowed.Any(allowed => allowed.Assembly == name && allowed.Member == member)));
}
