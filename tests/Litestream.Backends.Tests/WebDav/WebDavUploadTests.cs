using System.Globalization;
using System.Net;
using Litestream.Backends.Tests.Gcs;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Transport;
using Litestream.Storage.WebDav;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.WebDav;

/// <summary>How files are sent, and what happens when that is disturbed.</summary>
public sealed class WebDavUploadTests(WebDavServer server) : IClassFixture<WebDavServer>
{
    private const int Large = (9 << 20) + 321;

    [Fact]
    public async Task A_file_gets_its_name_when_it_is_complete()
    {
        await using Interposer between = await BetweenAsync();
        string path = WebDavServer.NewPath();
        await using WebDavReplicaClient client = server.Client(between.Url, path);
        await GcsServer.Write(client, 0, 1, 1);
        await GcsServer.Write(client, 0, 1, 1, mode: WriteMode.CreateOnly);
        Exchange[] puts = [.. between.Requests.Where(one => one.Method == "PUT")];
        Assert.Equal(2, puts.Length);
        Assert.All(puts, put =>
        {
            Assert.Equal("300", put.Headers["Content-Length"]);
            Assert.StartsWith($"/{path}/ltx/0/{LtxSample.Name(1, 1)}.", put.Target, StringComparison.Ordinal);
            Assert.EndsWith(".tmp", put.Target, StringComparison.Ordinal);
        });
        Assert.All(between.Requests, one => Assert.DoesNotContain("Transfer-Encoding", one.Headers.Keys));
        Assert.Equal(["T 201", "F 412"], between.Requests.Where(one => one.Method == "MOVE").Select(one => $"{one.Headers["Overwrite"]} {one.Status}"));
        Assert.Equal([LtxSample.Name(1, 1)], await NamesAsync(path));
    }

    [Fact]
    public async Task A_large_file_is_spooled_sent_again_and_leaves_nothing_behind()
    {
        int broken = 0;
        await using Interposer between = await BetweenAsync(async exchange =>
        {
            if (exchange.Method == "PUT" && ++broken <= 2)
            {
                await (broken == 1 ? exchange.RespondAsync(500) : exchange.LoseAnswerAsync());
                return true;
            }

            return false;
        });
        string path = WebDavServer.NewPath();
        await using WebDavReplicaClient client = server.Client(between.Url, path);
        byte[] content = LtxSample.Create(1, 9, Large);
        LtxFileInfo info = await GcsServer.Write(client, 9, 1, 9, content);
        Assert.Equal(Large, info.Size);
        Exchange[] puts = [.. between.Requests.Where(one => one.Method == "PUT")];
        Assert.Equal(3, puts.Length);
        Assert.All(puts, put => Assert.Equal(Large.ToString(CultureInfo.InvariantCulture), put.Headers["Content-Length"]));
        Assert.All(puts, put => Assert.True(content.AsSpan().SequenceEqual(put.Body)));
        Assert.Equal(content, await GcsServer.Read(client, 9, 1, 9));
        Assert.Empty(Directory.GetFiles(Path.Combine(server.Spool, "spool")));
    }

    [Theory]
    [InlineData(WriteMode.CreateOnly)]
    [InlineData(WriteMode.Overwrite)]
    public async Task A_rename_whose_answer_is_lost_is_a_success(WriteMode mode)
    {
        int lost = 0;
        await using Interposer between = await BetweenAsync(async exchange =>
        {
            if (exchange.Method == "MOVE" && ++lost == 1)
            {
                await exchange.LoseAnswerAsync();
                return true;
            }

            return false;
        });
        string path = WebDavServer.NewPath();
        await using WebDavReplicaClient client = server.Client(between.Url, path);
        byte[] content = LtxSample.Create(1, 1, 5000);
        await GcsServer.Write(client, 0, 1, 1, content, mode);
        Assert.Equal(2, between.Requests.Count(one => one.Method == "MOVE"));
        Assert.Equal(content, await GcsServer.Read(client, 0, 1, 1));
        Assert.Equal([LtxSample.Name(1, 1)], await NamesAsync(path));
        Assert.Empty(between.Failures);
    }

    [Theory]
    [InlineData(404)]
    [InlineData(412)]
    public async Task A_file_that_is_gone_when_it_is_compared_is_uploaded_again(int status)
    {
        await using Interposer between = await BetweenAsync(async exchange =>
        {
            if (exchange.Method == "MOVE")
            {
                await exchange.RespondAsync(status);
                return true;
            }

            return false;
        });
        await using WebDavReplicaClient client = server.Client(between.Url, WebDavServer.NewPath());
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(() => GcsServer.Write(client, 0, 1, 1, mode: WriteMode.CreateOnly));
        Assert.True(failure.IsTransient);
    }

    [Theory]
    [InlineData(405)]
    [InlineData(501)]
    public async Task A_server_that_cannot_rename_gets_the_file_under_its_name(int status)
    {
        await using Interposer between = await BetweenAsync(async exchange =>
        {
            if (exchange.Method == "MOVE")
            {
                await exchange.RespondAsync(status);
                return true;
            }

            return false;
        });
        string path = WebDavServer.NewPath();
        await using WebDavReplicaClient client = server.Client(between.Url, path);
        await GcsServer.Write(client, 0, 1, 1);
        await GcsServer.Write(client, 0, 2, 2, mode: WriteMode.CreateOnly);
        await GcsServer.Write(client, 0, 2, 2, mode: WriteMode.CreateOnly);
        await Assert.ThrowsAsync<ReplicaConflictException>(() => GcsServer.Write(client, 0, 2, 2, LtxSample.Create(2, 2, seed: 1), WriteMode.CreateOnly));
        await GcsServer.Write(client, 0, 1, 1, LtxSample.Create(1, 1, 700));
        Assert.Single(between.Requests, one => one.Method == "MOVE");
        Assert.Equal([LtxSample.Name(1, 1), LtxSample.Name(2, 2)], await NamesAsync(path));
        Assert.Equal(LtxSample.Create(1, 1, 700), await GcsServer.Read(client, 0, 1, 1));
        Assert.Equal("*", between.Requests.Last(one => one.Method == "PUT" && one.Target.Contains(LtxSample.Name(2, 2), StringComparison.Ordinal)).Headers["If-None-Match"]);
    }

    [Fact]
    public async Task A_cancelled_upload_leaves_nothing_on_the_server()
    {
        using var cancellation = new CancellationTokenSource();
        await using Interposer between = await BetweenAsync(async exchange =>
        {
            if (exchange.Method == "MOVE")
            {
                await cancellation.CancelAsync();
                exchange.Drop();
                return true;
            }

            return false;
        });
        string path = WebDavServer.NewPath();
        await using WebDavReplicaClient client = server.Client(between.Url, path);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => GcsServer.Write(client, 0, 1, 1, token: cancellation.Token));
        Assert.Empty(await NamesAsync(path));
    }

    [Fact]
    public async Task What_killed_writers_left_is_removed_after_a_day()
    {
        string path = WebDavServer.NewPath();
        await using (WebDavReplicaClient earlier = await server.ClientAsync(WebDavAccess.Open, path))
        {
            await GcsServer.Write(earlier, 0, 1, 1);
        }

        string folder = await FolderAsync(path);
        string old = LtxSample.Name(2, 2) + ".0123456789abcdef00000001.tmp";
        string young = LtxSample.Name(3, 3) + ".0123456789abcdef00000002.tmp";
        const string foreign = "something.tmp";
        foreach (string name in new[] { old, young, foreign })
        {
            File.WriteAllText(Path.Combine(folder, name), "x");
            File.SetLastWriteTimeUtc(Path.Combine(folder, name), DateTime.UtcNow.AddHours(name == young ? -23 : -25));
        }

        await using WebDavReplicaClient client = await server.ClientAsync(WebDavAccess.Open, path);
        Assert.Single(await GcsServer.List(client, 0));
        Assert.Equal(4, (await NamesAsync(path)).Length);
        await GcsServer.Write(client, 0, 4, 4);
        Assert.Equal([LtxSample.Name(1, 1), young, LtxSample.Name(4, 4), foreign], await NamesAsync(path));
    }

    [Fact]
    public async Task A_collection_that_somebody_removed_is_made_again()
    {
        string path = WebDavServer.NewPath();
        await using WebDavReplicaClient client = await server.ClientAsync(WebDavAccess.Open, path);
        await using WebDavReplicaClient other = await server.ClientAsync(WebDavAccess.Open, path);
        await GcsServer.Write(client, 0, 1, 1);
        await other.DeleteAllAsync(CancellationToken.None);
        await GcsServer.Write(client, 0, 2, 2);
        Assert.Equal([LtxSample.Name(2, 2)], await NamesAsync(path));
    }

    // Upstream ends every request after 30 s, whatever its size. Here minutes pass on the clock, but never a minute without a byte.
    [Fact]
    public async Task Backend_T30_A_large_upload_is_not_cut_by_a_limit_on_the_whole_request()
    {
        var clock = new ProgressClock();
        const int size = 48 << 20;
        using var listener = new HttpListener();
        string url = $"http://127.0.0.1:{FreePorts.Take(1)}";
        listener.Prefixes.Add(url + "/");
        listener.Start();
        Task serving = Task.Run(async () =>
        {
            for (bool isMoved = false; !isMoved;)
            {
                HttpListenerContext context = await listener.GetContextAsync();
                byte[] buffer = new byte[256 << 10];
                int total = 0;
                int count;
                while ((count = await context.Request.InputStream.ReadAsync(buffer)) > 0)
                {
                    total += count;
                    if (total < size - (12 << 20))
                    {
                        // So much is not yet in any buffer: the client must still send.
                        clock.AdvanceAfterProgress(TimeSpan.FromSeconds(50));
                    }
                }

                isMoved = context.Request.HttpMethod == "MOVE";
                context.Response.StatusCode = 201;
                context.Response.Close();
            }
        });
        using var transport = new StorageTransport(new TransportOptions { Time = clock, Retry = new RetryOptions(1, TimeSpan.Zero, TimeSpan.Zero) });
        await using WebDavReplicaClient client = server.Client(url, "x", transport);
        LtxFileInfo written = await GcsServer.Write(client, 9, 1, 9, LtxSample.Create(1, 9, size));
        await serving;
        Assert.Equal(size, written.Size);
        Assert.True(clock.Elapsed >= TimeSpan.FromMinutes(2), $"only {clock.Elapsed} passed");
    }

    private async Task<string> FolderAsync(string path) => Path.Combine((await server.GetAsync(WebDavAccess.Open)).Folder, "data", path, "ltx", "0");

    private async Task<string[]> NamesAsync(string path) =>
        [.. Directory.GetFiles(await FolderAsync(path)).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];

    private async Task<Interposer> BetweenAsync(Func<Exchange, Task<bool>>? handle = null) =>
        new($"http://127.0.0.1:{(await server.GetAsync(WebDavAccess.Open)).Port}", handle);

    /// <summary>A clock that moves only after somebody has set a timer again, which is what progress does.</summary>
    private sealed class ProgressClock : TimeProvider
    {
        private readonly Lock _gate = new();
        private readonly HashSet<ManualTimer> _timers = [];
        private long _changes;
        private long _seen;

        public TimeSpan Elapsed { get; private set; }

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddYears(50) + Elapsed;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = new ManualTimer(this, () => callback(state));
            timer.Change(dueTime, period);
            return timer;
        }

        /// <summary>Moves the clock if a timer has been set since it was moved last.</summary>
        public void AdvanceAfterProgress(TimeSpan step)
        {
            ManualTimer[] due;
            lock (_gate)
            {
                if (_seen == _changes)
                {
                    return;
                }

                _seen = _changes;
                Elapsed += step;
                due = [.. _timers.Where(timer => timer.Due <= Elapsed)];
                _timers.ExceptWith(due);
            }

            foreach (ManualTimer timer in due)
            {
                timer.Fire();
            }
        }

        private sealed class ManualTimer(ProgressClock clock, Action fire) : ITimer
        {
            public TimeSpan Due { get; private set; }

            public void Fire() => fire();

            public bool Change(TimeSpan dueTime, TimeSpan period)
            {
                lock (clock._gate)
                {
                    clock._timers.Remove(this);
                    if (dueTime >= TimeSpan.Zero)
                    {
                        Due = clock.Elapsed + dueTime;
                        clock._timers.Add(this);
                        clock._changes++;
                    }
                }

                return true;
            }

            public void Dispose() => Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

            public ValueTask DisposeAsync()
            {
                Dispose();
                return ValueTask.CompletedTask;
            }
        }
    }
}
