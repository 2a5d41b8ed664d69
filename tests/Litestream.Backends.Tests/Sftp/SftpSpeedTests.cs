using System.Diagnostics;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Sftp;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Sftp;

/// <summary>Transfers over a link with a long way. With <c>SFTP_BENCH=1</c> it moves 100 MB and prints a comparison with scp, in turns.</summary>
[Collection(nameof(SftpTests))]
public sealed class SftpSpeedTests(SftpServer server)
{
    [Fact]
    public async Task Transfers_over_a_round_trip_of_50_ms_keep_many_requests_in_flight()
    {
        bool bench = Environment.GetEnvironmentVariable("SFTP_BENCH") == "1";
        int size = bench ? 100_000_000 : 8 << 20;
        using var temp = new TempDirectory();
        byte[] content = LtxSample.Create(1, 9, size);
        string local = temp["local"];
        await File.WriteAllBytesAsync(local, content, TestContext.Current.CancellationToken);
        await using var proxy = new DelayProxy(server.Port, TimeSpan.FromMilliseconds(25));
        for (int round = 0; round < (bench ? 5 : 1); round++)
        {
            if (bench)
            {
                string remote = Path.Combine(server.Data, $"scp-{round}");
                Print("scp up", size, await ScpAsync(proxy.Port, local, $"{Environment.UserName}@127.0.0.1:{remote}"));
                Print("scp down", size, await ScpAsync(proxy.Port, $"{Environment.UserName}@127.0.0.1:{remote}", temp["back"]));
            }

            (TimeSpan up, TimeSpan down) = await OursAsync(proxy.Port, local, temp["ours"]);
            Print("ours up", size, up);
            Print("ours down", size, down);
            byte[] back = await File.ReadAllBytesAsync(temp["ours"], TestContext.Current.CancellationToken);
            Assert.True(content.AsSpan().SequenceEqual(back));

            // One request of 32 KiB at a time would need 256 round trips, 12.8 s.
            Assert.True(bench || up + down < TimeSpan.FromSeconds(12.8), $"up {up}, down {down}");
        }
    }

    /// <summary>With a connection of its own each way, as scp has.</summary>
    private async Task<(TimeSpan Up, TimeSpan Down)> OursAsync(int port, string local, string back)
    {
        SftpOptions options = server.Options() with { Host = $"127.0.0.1:{port}" };
        await using (SftpReplicaClient near = new(server.Options() with { Path = options.Path }, server.Transport))
        {
            // As scp, it finds its directory.
            await near.WriteAsync(9, new Txid(1), new Txid(1), new MemoryStream(LtxSample.Create(1, 1)), WriteMode.Overwrite, CancellationToken.None);
        }

        using var first = new StorageTransport(SftpServer.Fast);
        long began = Stopwatch.GetTimestamp();
        await using (var client = new SftpReplicaClient(options, first))
        await using (FileStream source = File.OpenRead(local))
        {
            await client.WriteAsync(9, new Txid(1), new Txid(9), source, WriteMode.Overwrite, CancellationToken.None);
        }

        TimeSpan up = Stopwatch.GetElapsedTime(began);
        using var second = new StorageTransport(SftpServer.Fast);
        began = Stopwatch.GetTimestamp();
        await using (var client = new SftpReplicaClient(options, second))
        await using (Stream source = await client.OpenAsync(9, new Txid(1), new Txid(9), 0, 0, CancellationToken.None))
        await using (FileStream target = File.Create(back))
        {
            await source.CopyToAsync(target, 128 << 10);
        }

        return (up, Stopwatch.GetElapsedTime(began));
    }

    private async Task<TimeSpan> ScpAsync(int port, string from, string to)
    {
        long began = Stopwatch.GetTimestamp();
        using Process scp = Process.Start(
            "scp",
            ["-q", "-P", $"{port}", "-i", server.Key("client_key"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", from, to]);
        await scp.WaitForExitAsync();
        Assert.Equal(0, scp.ExitCode);
        return Stopwatch.GetElapsedTime(began);
    }

    private static void Print(string what, long bytes, TimeSpan time) =>
        TestContext.Current.TestOutputHelper?.WriteLine($"{what}: {time.TotalSeconds:0.00} s, {bytes / time.TotalSeconds / 1e6:0.0} MB/s");
}
