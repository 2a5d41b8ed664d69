using System.Runtime.InteropServices;
using System.Threading.Channels;
using Litestream.TestKit;
using Xunit;

namespace Litestream.Sqlite.Tests;

public sealed class ChangeNotifierTests : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly ChangeNotifier _notifier = new();

    private string Wal => _directory["app.db-wal"];

    public void Dispose()
    {
        _notifier.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_write_is_reported_once_until_armed_again()
    {
        Assert.True(_notifier.IsSupported, _notifier.UnsupportedReason);
        File.WriteAllText(Wal, "x");
        var changes = new Signal();
        using NotifierHandle handle = _notifier.Register(Wal, changes.Set);
        Assert.True(handle.Arm());
        File.AppendAllText(Wal, "y");
        await changes.Next();

        File.AppendAllText(Wal, "not armed: must cost nothing");
        await Fence();
        Assert.Equal(1, changes.Count);

        Assert.True(handle.Arm());
        File.AppendAllText(Wal, "z");
        await changes.Next();
    }

    // A follower of a directory replica: complete files appear by rename or link; what is still being written does not count.
    [Fact]
    public async Task A_directory_reports_complete_files_only()
    {
        string level = Directory.CreateDirectory(_directory["0"]).FullName;
        var changes = new Signal();
        using NotifierHandle handle = _notifier.RegisterDirectory(level, ".ltx", changes.Set);
        Assert.True(handle.Arm());
        File.WriteAllText(Path.Combine(level, "1.ltx.tmp"), "x");
        await Fence();
        Assert.Equal(0, changes.Count);
        File.Move(Path.Combine(level, "1.ltx.tmp"), Path.Combine(level, "1.ltx"));
        await changes.Next();

        File.WriteAllText(Path.Combine(level, "2.ltx"), "not armed: must cost nothing");
        await Fence();
        Assert.Equal(1, changes.Count);
        Assert.True(handle.Arm());
        File.WriteAllText(Path.Combine(level, "3.ltx"), "x");
        await changes.Next();
    }

    [Fact]
    public async Task A_directory_that_is_missing_says_so_until_it_is_there()
    {
        string level = _directory["0"];
        var changes = new Signal();
        using NotifierHandle handle = _notifier.RegisterDirectory(level, "", changes.Set);
        Assert.False(handle.Arm());
        Assert.Contains(level, handle.Problem, StringComparison.Ordinal);
        Directory.CreateDirectory(level);
        Assert.True(handle.Arm());
        Assert.Null(handle.Problem);
        File.WriteAllText(Path.Combine(level, "any"), "x");
        await changes.Next();

        // The directory itself goes: reported, too.
        Assert.True(handle.Arm());
        Directory.Delete(level, recursive: true);
        await changes.Next();
    }

    [Fact]
    public async Task Truncation_and_unlinking_count_as_changes()
    {
        File.WriteAllText(Wal, "x");
        var changes = new Signal();
        using NotifierHandle handle = _notifier.Register(Wal, changes.Set);
        handle.Arm();
        using (FileStream open = File.OpenWrite(Wal))
        {
            open.SetLength(0);
            await changes.Next();
            Assert.True(handle.Arm());

            // Unlinked while a descriptor of it stays open: SQLite's own descriptor does that to us.
            File.Delete(Wal);
            await changes.Next();
        }

        Assert.False(handle.Arm());
        Assert.Null(handle.Problem);
    }

    [Theory]
    [InlineData("app.db-wal")]
    [InlineData("app.db")]
    public async Task A_missing_file_is_awaited_in_its_directory(string created)
    {
        var changes = new Signal();
        using NotifierHandle handle = _notifier.Register(Wal, changes.Set);
        Assert.False(handle.Arm());
        File.WriteAllText(_directory["other-wal"], "not ours");
        File.WriteAllText(_directory["app.db-journal"], "not ours");
        await Fence();
        Assert.Equal(0, changes.Count);

        File.WriteAllText(_directory["new"], "x");
        File.Move(_directory["new"], _directory[created]);
        await changes.Next();
        Assert.Equal(created == "app.db-wal", handle.Arm());
    }

    [Fact]
    public async Task A_replaced_file_is_followed_after_arming_again()
    {
        File.WriteAllText(Wal, "old");
        var changes = new Signal();
        using NotifierHandle handle = _notifier.Register(Wal, changes.Set);
        handle.Arm();
        File.WriteAllText(_directory["new"], "new");
        File.Move(_directory["new"], Wal, overwrite: true);
        await changes.Next();
        Assert.True(handle.Arm());
        File.AppendAllText(Wal, "x");
        await changes.Next();
    }

    [Fact]
    public void A_missing_directory_is_a_problem_with_words()
    {
        using NotifierHandle handle = _notifier.Register(_directory["no/such/app.db-wal"], () => { });
        Assert.False(handle.Arm());
        Assert.Contains("no/such", handle.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_owners_of_one_file_are_both_told()
    {
        File.WriteAllText(Wal, "x");
        Directory.CreateSymbolicLink(_directory["link"], _directory.Root);
        Signal first = new(), second = new();
        using NotifierHandle a = _notifier.Register(Wal, first.Set);
        using NotifierHandle b = _notifier.Register(_directory["link/app.db-wal"], second.Set);
        a.Arm();
        b.Arm();
        File.AppendAllText(Wal, "y");
        await first.Next();
        await second.Next();

        a.Arm();
        b.Arm();
        a.Dispose();
        File.AppendAllText(Wal, "z");
        await second.Next();
        Assert.Equal(1, first.Count);
    }

    [Fact]
    public async Task Nothing_is_reported_after_disposal()
    {
        File.WriteAllText(Wal, "x");
        var changes = new Signal();
        NotifierHandle handle = _notifier.Register(Wal, changes.Set);
        handle.Arm();
        handle.Dispose();
        handle.Dispose();
        File.AppendAllText(Wal, "y");
        await Fence();
        Assert.Equal(0, changes.Count);
        Assert.Throws<ObjectDisposedException>(() => handle.Arm());
    }

    [Fact]
    public async Task Trap_C11_Overflow_of_the_kernel_queue_wakes_everybody()
    {
        int limit = int.Parse(File.ReadAllText("/proc/sys/fs/inotify/max_queued_events"), System.Globalization.CultureInfo.InvariantCulture);
        Assert.SkipWhen(limit > 100_000, $"the queue takes {limit} events; the synthetic test below covers the reaction");
        File.WriteAllText(Wal, "x");
        Directory.CreateDirectory(_directory["busy"]);
        using var blocked = new ManualResetEventSlim();
        var unrelated = new Signal();
        var entered = new Signal();
        using NotifierHandle victim = _notifier.Register(Wal, unrelated.Set);
        using NotifierHandle busy = _notifier.Register(_directory["busy/x.db-wal"], () => { });
        using NotifierHandle blocker = _notifier.Register(_directory["block-wal"], () =>
        {
            entered.Set();
            blocked.Wait();
        });
        File.WriteAllText(_directory["block-wal"], "");
        victim.Arm();
        busy.Arm();
        blocker.Arm();
        File.AppendAllText(_directory["block-wal"], "x");
        await entered.Next();
        for (int i = 0; i <= limit; i++)
        {
            File.CreateSymbolicLink(_directory[$"busy/{i}"], "/");
        }

        blocked.Set();
        await unrelated.Next();
    }

    [Fact]
    public void Trap_C11_Overflow_event_disarms_and_reports_each_handle_once()
    {
        int calls = 0;
        File.WriteAllText(Wal, "x");
        using NotifierHandle armed = _notifier.Register(Wal, () => Interlocked.Increment(ref calls));
        using NotifierHandle waiting = _notifier.Register(_directory["b.db-wal"], () => Interlocked.Increment(ref calls));
        using NotifierHandle idle = _notifier.Register(_directory["c.db-wal"], () => Interlocked.Increment(ref calls));
        armed.Arm();
        waiting.Arm();
        _notifier.Dispatch(Event(-1, 0x4000));
        Assert.Equal(3, calls);
        Assert.True(armed.Arm());
        Assert.False(waiting.Arm());
    }

    [Fact]
    public void A_watch_that_the_kernel_dropped_while_it_was_armed_again_is_reported()
    {
        int calls = 0;
        File.WriteAllText(Wal, "x");
        using NotifierHandle handle = _notifier.Register(Wal, () => calls++);
        handle.Arm();
        _notifier.Dispatch(Event(handle.Watch, 0x8000)); // IN_IGNORED
        Assert.Equal(1, calls);
        Assert.Equal(-1, handle.Watch);
        _notifier.Dispatch(Event(12345, 0x2)); // unknown watch: an event that was queued before the handle went away
        Assert.Equal(1, calls);
    }

    // Owners arm while the writer writes: whatever the interleaving, the last write must be followed by a call.
    [Fact]
    public async Task No_change_is_lost_in_a_race_of_writes_and_arming()
    {
        File.WriteAllText(Wal, "");
        long seen = 0;
        using var finished = new CancellationTokenSource();
        var changes = new Signal();
        using NotifierHandle handle = _notifier.Register(Wal, changes.Set);
        Task owner = Task.Run(async () =>
        {
            while (Volatile.Read(ref seen) < 2000)
            {
                Assert.True(handle.Arm());
                Volatile.Write(ref seen, new FileInfo(Wal).Length);
                if (seen < 2000)
                {
                    await changes.Next();
                }
            }
        });
        await Task.Run(() =>
        {
            using FileStream file = new(Wal, FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
            for (int i = 0; i < 2000; i++)
            {
                file.WriteByte(1);
            }
        });
        await owner.WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(2000, seen);
    }

    [Fact]
    public void Dispose_twice_and_use_afterwards()
    {
        using NotifierHandle handle = _notifier.Register(Wal, () => { });
        _notifier.Dispose();
        _notifier.Dispose();
        Assert.False(handle.Arm());
        Assert.Throws<ObjectDisposedException>(() => _notifier.Register(Wal, () => { }));
    }

    private static byte[] Event(int watch, uint mask)
    {
        byte[] bytes = new byte[16];
        MemoryMarshal.Write(bytes, watch);
        MemoryMarshal.Write(bytes.AsSpan(4), mask);
        return bytes;
    }

    /// <summary>Waits until the notifier has handled everything queued so far: its events come in order.</summary>
    private async Task Fence()
    {
        string path = _directory[$"fence-{Guid.NewGuid()}-wal"];
        File.WriteAllText(path, "");
        var reached = new Signal();
        using NotifierHandle fence = _notifier.Register(path, reached.Set);
        fence.Arm();
        File.AppendAllText(path, "x");
        await reached.Next();
    }

    private sealed class Signal
    {
        private readonly Channel<int> _calls = Channel.CreateUnbounded<int>();
        private int _count;

        internal int Count => Volatile.Read(ref _count);

        internal void Set()
        {
            int count = Interlocked.Increment(ref _count);
            _calls.Writer.TryWrite(count);
        }

        internal async Task Next() => _ = await _calls.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30));
    }
}
