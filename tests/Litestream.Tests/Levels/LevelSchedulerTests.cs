using Litestream.Levels;
using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace Litestream.Tests.Levels;

/// <summary>Turns of many databases: who goes when, who must not wait for whom, and that nothing is armed for nobody.</summary>
public sealed class LevelSchedulerTests : IDisposable
{
    private const int LightSlots = 16;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(40);

    private readonly TimerClock time = new();
    private readonly LevelScheduler scheduler;
    private readonly List<Node> nodes = [];

    public LevelSchedulerTests() => scheduler = new LevelScheduler(time);

    public void Dispose()
    {
        scheduler.Dispose();
        nodes.ForEach(node => node.LetGo());
    }

    // All slots are taken by stores that do not answer; the others get the next free ones in the order in which they became due, and
    // who has been served and has work again queues up behind them.
    [Fact]
    public async Task Databases_are_served_in_the_order_of_their_due_times()
    {
        for (int i = 0; i < LightSlots + 6; i++)
        {
            await AddAsync(Work.Deletion);
            time.Advance(TimeSpan.FromSeconds(1));
        }

        time.Advance(TimeSpan.FromMinutes(6));
        await Task.WhenAll(nodes.Take(LightSlots).Select(node => node.Began)).WaitAsync(Patience);
        Assert.DoesNotContain(nodes.Skip(LightSlots), node => node.Began.IsCompleted);

        for (int i = 0; i < 6; i++)
        {
            nodes[i].LetGo();
            await nodes[LightSlots + i].Began.WaitAsync(Patience);
            Assert.All(nodes.Skip(LightSlots + i + 1), node => Assert.False(node.Began.IsCompleted));
            if (i == 0)
            {
                nodes[0].RenewWork(time.GetUtcNow());
                time.Advance(TimeSpan.FromMinutes(6));
            }
        }

        Assert.Equal(1, nodes[0].Deletions);
        nodes[6].LetGo();
        await nodes[0].Again.WaitAsync(Patience);
    }

    // One long or hanging snapshot must cost nobody else anything, neither snapshots nor deletions.
    [Fact]
    public async Task A_hanging_snapshot_of_one_database_delays_no_other()
    {
        Node hanging = await AddAsync(Work.Snapshot, hangs: true);
        await hanging.Began.WaitAsync(Patience);
        for (int i = 0; i < 30; i++)
        {
            await AddAsync(i % 2 == 0 ? Work.Snapshot : Work.Deletion, hangs: false);
        }

        time.Advance(TimeSpan.FromMinutes(6));
        await Task.WhenAll(nodes.Skip(1).Select(node => node.Done)).WaitAsync(Patience);
        Assert.False(hanging.Done.IsCompleted);
    }

    // More long snapshots than there are slots: the deletions and merges of the others have slots of their own.
    [Fact]
    public async Task Many_long_snapshots_do_not_delay_light_work()
    {
        for (int i = 0; i < 40; i++)
        {
            await AddAsync(Work.Snapshot, hangs: true);
        }

        Node light = await AddAsync(Work.Deletion, hangs: false);
        time.Advance(TimeSpan.FromMinutes(6));
        await light.Done.WaitAsync(Patience);
        Assert.InRange(nodes.Count(node => node.Began.IsCompleted && node != light), 1, 8);
    }

    [Fact]
    public async Task Who_is_removed_while_waiting_for_a_slot_is_not_served_and_holds_nobody_up()
    {
        for (int i = 0; i < LightSlots + 2; i++)
        {
            await AddAsync(Work.Deletion);
            time.Advance(TimeSpan.FromSeconds(1));
        }

        time.Advance(TimeSpan.FromMinutes(6));
        await Task.WhenAll(nodes.Take(LightSlots).Select(node => node.Began)).WaitAsync(Patience);
        Node removed = nodes[LightSlots];
        scheduler.Detach(removed.Keeper);
        await removed.Keeper.StopAsync().WaitAsync(Patience);
        removed.Keeper.Dispose();
        nodes[0].LetGo();
        await nodes[LightSlots + 1].Began.WaitAsync(Patience);
        nodes.ForEach(node => node.LetGo());
        await Task.WhenAll(nodes.Where(node => node != removed).Select(node => node.Done)).WaitAsync(Patience);
        Assert.Equal(0, removed.Deletions);
    }

    // C18: the end of a database cancels what runs and waits for it; its store is not used afterwards.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Who_is_removed_in_its_turn_is_cancelled_and_waited_for(bool isSnapshot)
    {
        Node node = await AddAsync(isSnapshot ? Work.Snapshot : Work.Deletion);
        time.Advance(TimeSpan.FromMinutes(6));
        await node.Began.WaitAsync(Patience);
        scheduler.Detach(node.Keeper);
        await node.Keeper.StopAsync().WaitAsync(Patience);
        Assert.True(node.WasCancelled);
        Assert.Null(node.Keeper.NextDue());
        Assert.False(time.IsArmed);
    }

    // An idle database costs no timer; neither does one that was removed before its time.
    [Fact]
    public async Task Without_due_work_no_timer_is_armed()
    {
        Assert.False(time.IsArmed);
        Node idle = await AddAsync(Work.None);
        Assert.False(time.IsArmed);
        Assert.Null(idle.Keeper.NextDue());
        int fired = time.Fired;
        time.Advance(TimeSpan.FromDays(30));
        Assert.Equal(fired, time.Fired);

        Node planned = await AddAsync(Work.Deletion);
        Assert.NotNull(planned.Keeper.NextDue());
        Assert.True(time.IsArmed);
        scheduler.Detach(planned.Keeper);
        await planned.Keeper.StopAsync();
        Assert.False(time.IsArmed);
        fired = time.Fired;
        time.Advance(TimeSpan.FromDays(30));
        Assert.Equal(fired, time.Fired);
    }

    /// <summary>Adds a database with one kind of work: a deletion is due after 5 minutes, a snapshot at once.</summary>
    private async Task<Node> AddAsync(Work work, bool hangs = true)
    {
        var node = new Node(time, work, hangs);
        nodes.Add(node);
        node.Keeper.Start();

        // The look for what has expired before the start is over: the times of the turns are then known.
        await node.Keeper.RunAsync(CancellationToken.None);
        scheduler.Attach(node.Keeper);
        return node;
    }

    private enum Work
    {
        None,
        Deletion,
        Snapshot,
    }

    /// <summary>A database as its keeper sees it; its store answers when it is let go.</summary>
    private sealed class Node : IReplicaClient
    {
        private readonly TaskCompletionSource go = New();
        private readonly TaskCompletionSource began = New();
        private readonly TaskCompletionSource again = New();
        private readonly TaskCompletionSource done = New();
        private readonly MemoryReplicaClient inner = new();

        public Node(TimeProvider time, Work work, bool hangs)
        {
            var options = new DatabaseOptions { Path = "/data/db", AuditInterval = TimeSpan.Zero };
            var files = new MemoryFileSystem(time);
            var services = new EngineServices(files, time, NullLoggerFactory.Instance);
            Keeper = new LevelKeeper(options, this, new LocalLtxDirectory(files, options.StateDirectory), SnapshotAsync, services, NullLogger.Instance, 1);
            AddFiles(work, time.GetUtcNow());
            if (!hangs)
            {
                LetGo();
            }
        }

        public LevelKeeper Keeper { get; }

        public string Type => inner.Type;

        public Task Began => began.Task;

        public Task Again => again.Task;

        public Task Done => done.Task;

        public int Deletions { get; private set; }

        public bool WasCancelled { get; private set; }

        public void LetGo() => go.TrySetResult();

        /// <summary>A third transaction and a snapshot of it: the second expires 5 minutes later.</summary>
        public void RenewWork(DateTimeOffset now)
        {
            Keeper.RecordWritten(new LtxFileInfo(0, new(3), new(3), 200, now));
            Keeper.RecordWritten(new LtxFileInfo(LtxFileInfo.SnapshotLevel, new(1), new(3), 200, now));
        }

        public ValueTask InitializeAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public IAsyncEnumerable<LtxFileInfo> ListAsync(int level, Txid seek, bool accurateTimes, CancellationToken cancellationToken) =>
            inner.ListAsync(level, seek, accurateTimes, cancellationToken);

        public ValueTask<Stream> OpenAsync(int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken) =>
            inner.OpenAsync(level, minTxid, maxTxid, offset, size, cancellationToken);

        public ValueTask<LtxFileInfo> WriteAsync(
            int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken) =>
            inner.WriteAsync(level, minTxid, maxTxid, source, mode, cancellationToken);

        public async ValueTask DeleteAsync(IReadOnlyList<LtxFileInfo> files, CancellationToken cancellationToken)
        {
            Deletions++;
            await AnswerAsync(cancellationToken);
        }

        public ValueTask DeleteAllAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private async Task<LtxFileInfo?> SnapshotAsync(CancellationToken cancellationToken)
        {
            await AnswerAsync(cancellationToken);
            var file = new LtxFileInfo(LtxFileInfo.SnapshotLevel, new(1), new(2), 200, FileText.Epoch);
            Keeper.RecordWritten(file);
            return file;
        }

        private async Task AnswerAsync(CancellationToken cancellationToken)
        {
            if (!began.TrySetResult())
            {
                again.TrySetResult();
            }

            try
            {
                await go.Task.WaitAsync(cancellationToken);
                done.TrySetResult();
            }
            catch (OperationCanceledException)
            {
                WasCancelled = true;
                throw;
            }
        }

        private void AddFiles(Work work, DateTimeOffset now)
        {
            Keeper.Catalog.Add(new LtxFileInfo(0, new(1), new(1), 200, now));
            if (work != Work.None)
            {
                Keeper.Catalog.Add(new LtxFileInfo(0, new(2), new(2), 200, now));
            }

            if (work == Work.Deletion)
            {
                Keeper.Catalog.Add(new LtxFileInfo(LtxFileInfo.SnapshotLevel, new(1), new(2), 200, now));
            }
        }

        private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>A clock that tells whether its timer, the scheduler's only one, is armed.</summary>
    private sealed class TimerClock() : FakeTimeProvider(FileText.Epoch)
    {
        public bool IsArmed { get; private set; }

        public int Fired { get; private set; }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            new Watched(
                this,
                base.CreateTimer(
                    inner =>
                    {
                        IsArmed = false;
                        Fired++;
                        callback(inner);
                    },
                    state, dueTime, period));

        private sealed class Watched(TimerClock clock, ITimer timer) : ITimer
        {
            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                clock.IsArmed = dueTime != Timeout.InfiniteTimeSpan;
                return timer.Change(dueTime, period);
            }

            public void Dispose() => timer.Dispose();

            public ValueTask DisposeAsync() => timer.DisposeAsync();
        }
    }
}
