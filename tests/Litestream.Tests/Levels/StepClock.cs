using Litestream.TestKit;

namespace Litestream.Tests.Levels;

/// <summary>A clock that stands still until it is set; waits are over at once.</summary>
internal sealed class StepClock : TimeProvider
{
    private readonly InstantTimeProvider timers = new();

    public DateTimeOffset Now { get; set; } = FileText.Epoch;

    public override DateTimeOffset GetUtcNow() => Now;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        timers.CreateTimer(callback, state, dueTime, period);
}
