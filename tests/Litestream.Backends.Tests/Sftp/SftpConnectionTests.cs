using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Sftp;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Sftp;

/// <summary>Connections: few, shared, replaced when they break, given up when they are silent.</summary>
[Collection(nameof(SftpTests))]
public sealed class SftpConnectionTests(SftpServer server)
{
    [Fact]
    public async Task Hundreds_of_open_files_and_several_databases_use_at_most_four_connections()
    {
        await using var proxy = new DelayProxy(server.Port, TimeSpan.Zero);
        using var transport = new StorageTransport(SftpServer.Fast);
        SftpReplicaClient[] clients = [.. Enumerable.Range(0, 4).Select(_ => new SftpReplicaClient(Through(proxy), transport))];
        await Task.WhenAll(clients.SelectMany(client => Enumerable.Range(1, 100).Select(n =>
            Task.Run(() => SftpTrapTests.WriteAsync(client, 0, (ulong)n, (ulong)n, size: 20_000)))));
        Stream[] open = await Task.WhenAll(clients.SelectMany(client => Enumerable.Range(1, 100).Select(async n =>
            await client.OpenAsync(0, new Txid((ulong)n), new Txid((ulong)n), 0, 0, CancellationToken.None))));
        for (int i = 0; i < open.Length; i++)
        {
            byte[] content = new byte[20_001];
            Assert.Equal(20_000, await open[i].ReadAtLeastAsync(content, content.Length, throwOnEndOfStream: false, TestContext.Current.CancellationToken));
            Assert.Equal(LtxSample.Create((ulong)(i % 100) + 1, (ulong)(i % 100) + 1, 20_000), content[..^1]);
            await open[i].DisposeAsync();
        }

        Assert.InRange(proxy.Connections, 1, SftpPool.MaxConnections);
        foreach (SftpReplicaClient client in clients)
        {
            await client.DisposeAsync();
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Backend_T8_A_connection_that_breaks_in_an_upload_is_replaced_and_the_upload_repeated(bool seekable)
    {
        SftpOptions options = server.Options();
        await using var proxy = new DelayProxy(server.Port, TimeSpan.Zero);
        using var transport = new StorageTransport(SftpServer.Fast);
        await using var client = new SftpReplicaClient(options with { Host = $"127.0.0.1:{proxy.Port}" }, transport);
        byte[] content = LtxSample.Create(1, 1, 3_000_000);
        using var source = new SftpTestSource(content, seekable, breakAt: 1_000_000, BreakAsync(proxy));
        await client.WriteAsync(0, new Txid(1), new Txid(1), source, WriteMode.CreateOnly, CancellationToken.None);
        Assert.Equal(content, await SftpTrapTests.ReadAsync(client, 0, 1, 1));
        Assert.Equal([LtxSample.Name(1, 1)], Directory.GetFiles(Path.Combine(options.Path, "ltx/0")).Select(Path.GetFileName));
        Assert.True(client.ConnectionsMade > 1);
    }

    [Fact]
    public async Task Backend_T8_A_large_source_that_cannot_be_read_again_fails_once_and_leaves_nothing()
    {
        SftpOptions options = server.Options();
        await using var proxy = new DelayProxy(server.Port, TimeSpan.Zero);
        using var transport = new StorageTransport(SftpServer.Fast);
        await using var client = new SftpReplicaClient(options with { Host = $"127.0.0.1:{proxy.Port}" }, transport);
        using var source = new SftpTestSource(LtxSample.Create(1, 1, 9_000_000), seekable: false, breakAt: 7_000_000, BreakAsync(proxy));
        ReplicaException failed = await Assert.ThrowsAsync<ReplicaException>(
            () => client.WriteAsync(0, new Txid(1), new Txid(1), source, WriteMode.Overwrite, CancellationToken.None).AsTask());
        Assert.True(failed.IsTransient);
        Assert.Empty(await SftpTrapTests.ListAsync(client, 0));
        Assert.Empty(Directory.GetFiles(options.Path, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Backend_T8_A_server_killed_in_an_upload_and_started_again_gets_the_whole_file()
    {
        using var folder = new TempDirectory();
        StorageServer first = await StorageServer.StartAsync("sftp", folder: folder);
        SftpOptions options = server.Options() with
        {
            Host = $"127.0.0.1:{first.Port}",
            HostKey = await File.ReadAllTextAsync(Path.Combine(first.Folder, "host_key.pub"), TestContext.Current.CancellationToken),
            KeyPath = Path.Combine(first.Folder, "client_key"),
            Path = Path.Combine(first.Folder, "data/db"),
        };
        using var transport = new StorageTransport(SftpServer.Fast with { Retry = new RetryOptions(1000, TimeSpan.FromMilliseconds(20), TimeSpan.FromMilliseconds(50)) });
        await using var client = new SftpReplicaClient(options, transport);
        byte[] content = LtxSample.Create(1, 1, 3_000_000);
        StorageServer? second = null;
        Task? restarting = null;
        using var source = new SftpTestSource(content, seekable: true, breakAt: 1_000_000, async () =>
        {
            await first.DisposeAsync();
            Assert.Empty(Directory.GetFiles(Path.Combine(options.Path, "ltx/0"), "*.ltx"));
            Assert.Single(Directory.GetFiles(Path.Combine(options.Path, "ltx/0"), "*.tmp"));
            restarting = RestartAsync();
        });
        await client.WriteAsync(0, new Txid(1), new Txid(1), source, WriteMode.CreateOnly, CancellationToken.None);
        await restarting!;
        await using StorageServer running = second!;
        Assert.Equal(content, await SftpTrapTests.ReadAsync(client, 0, 1, 1));
        Assert.Single(await SftpTrapTests.ListAsync(client, 0));

        async Task RestartAsync()
        {
            second = await StorageServer.StartAsync("sftp", folder: folder, port: first.Port);
        }
    }

    [Fact]
    public async Task A_read_that_breaks_off_is_a_transient_error_and_the_next_open_connects_again()
    {
        await using var proxy = new DelayProxy(server.Port, TimeSpan.Zero);
        using var transport = new StorageTransport(SftpServer.Fast);
        await using var client = new SftpReplicaClient(Through(proxy), transport);
        await SftpTrapTests.WriteAsync(client, 9, 1, 1, size: 20_000_000);
        await using (Stream stream = await client.OpenAsync(9, new Txid(1), new Txid(1), 0, 0, CancellationToken.None))
        {
            byte[] buffer = new byte[100_000];
            await stream.ReadExactlyAsync(buffer, TestContext.Current.CancellationToken);
            proxy.Break();
            ReplicaException broken = await Assert.ThrowsAsync<ReplicaException>(async () => await stream.CopyToAsync(Stream.Null));
            Assert.True(broken.IsTransient);
        }

        Assert.Equal(1000, (await SftpTrapTests.ReadAsync(client, 9, 1, 1, 5000, 1000)).Length);
    }

    [Fact]
    public async Task A_silent_server_is_given_up_after_the_idle_timeout()
    {
        await using var proxy = new DelayProxy(server.Port, TimeSpan.Zero);
        using var transport = new StorageTransport(
            SftpServer.Fast with { IdleTimeout = TimeSpan.FromMilliseconds(300), Retry = new RetryOptions(1, TimeSpan.Zero, TimeSpan.Zero) });
        await using var client = new SftpReplicaClient(Through(proxy), transport);
        await SftpTrapTests.WriteAsync(client, 0, 1, 1);
        await using Stream stream = await client.OpenAsync(0, new Txid(1), new Txid(1), 0, 0, CancellationToken.None);
        proxy.Freeze();
        await SilentAsync(() => SftpTrapTests.WriteAsync(client, 0, 2, 2, size: 5_000_000));
        await SilentAsync(() => stream.CopyToAsync(Stream.Null));
        proxy.Thaw();
        Assert.Single(await SftpTrapTests.ListAsync(client, 0));
    }

    [Fact]
    public async Task A_server_that_never_greets_is_given_up_after_the_connect_timeout()
    {
        await using var proxy = new DelayProxy(server.Port, TimeSpan.Zero);
        proxy.Freeze();
        using var transport = new StorageTransport(
            SftpServer.Fast with { ConnectTimeout = TimeSpan.FromMilliseconds(200), Retry = new RetryOptions(1, TimeSpan.Zero, TimeSpan.Zero) });
        await using var client = new SftpReplicaClient(Through(proxy), transport);
        ReplicaException failed = await Assert.ThrowsAsync<ReplicaException>(() => client.InitializeAsync(CancellationToken.None).AsTask());
        Assert.True(failed.IsTransient);
    }

    [Fact]
    public async Task Cancelling_ends_an_upload_a_read_and_a_connect_without_traces()
    {
        SftpOptions options = server.Options();
        await using var client = new SftpReplicaClient(options, server.Transport);
        await SftpTrapTests.WriteAsync(client, 9, 1, 1, size: 5_000_000);
        using var cancellation = new CancellationTokenSource();
        using var source = new SftpTestSource(LtxSample.Create(2, 2, 3_000_000), seekable: true, breakAt: 1_000_000, cancellation.CancelAsync);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => client.WriteAsync(9, new Txid(2), new Txid(2), source, WriteMode.Overwrite, cancellation.Token).AsTask());
        Assert.Equal([LtxSample.Name(1, 1)], Directory.GetFiles(Path.Combine(options.Path, "ltx/9")).Select(Path.GetFileName));

        using var reading = new CancellationTokenSource();
        await using Stream stream = await client.OpenAsync(9, new Txid(1), new Txid(1), 0, 0, reading.Token);
        await stream.ReadExactlyAsync(new byte[100], TestContext.Current.CancellationToken);
        await reading.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await stream.ReadExactlyAsync(new byte[100], TestContext.Current.CancellationToken));

        await using var proxy = new DelayProxy(server.Port, TimeSpan.Zero);
        proxy.Freeze();
        using var transport = new StorageTransport(SftpServer.Fast);
        await using var stuck = new SftpReplicaClient(Through(proxy), transport);
        using var connecting = new CancellationTokenSource();
        Task initializing = stuck.InitializeAsync(connecting.Token).AsTask();
        await connecting.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => initializing);
    }

    private static Func<Task> BreakAsync(DelayProxy proxy) => () =>
    {
        proxy.Break();
        return Task.CompletedTask;
    };

    private static async Task SilentAsync(Func<Task> action)
    {
        ReplicaException failed = await Assert.ThrowsAsync<ReplicaException>(action);
        Assert.True(failed.IsTransient);
    }

    private SftpOptions Through(DelayProxy proxy) => server.Options() with { Host = $"127.0.0.1:{proxy.Port}" };
}
