using System.Globalization;
using System.Text.RegularExpressions;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Gcs;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.Gcs;

/// <summary>How files are sent, and what happens when that is disturbed.</summary>
public sealed partial class GcsUploadTests(GcsServer server) : IClassFixture<GcsServer>
{
    private const int Unit = GcsOptions.ChunkUnit;

    [Fact]
    public async Task A_small_file_is_one_request_with_a_length()
    {
        await using var between = new Interposer(server.Url);
        string path = GcsServer.NewPath();
        await using GcsReplicaClient client = server.Client(path, between.Url);
        await GcsServer.Write(client, 0, 1, 1);
        Exchange put = Assert.Single(between.Requests);
        Assert.Equal("POST /upload/storage/v1/b/test/o?uploadType=multipart", $"{put.Method} {put.Target}");
        Assert.Equal(put.Body.Length.ToString(CultureInfo.InvariantCulture), put.Headers["Content-Length"]);
        Assert.DoesNotContain("Transfer-Encoding", put.Headers.Keys);
        Assert.DoesNotContain("Expect", put.Headers.Keys);
        Assert.Contains("\"litestream-timestamp\":\"2024-01-02T03:04:05.678Z\"", put.Text, StringComparison.Ordinal);
        Assert.Contains("\"crc32c\":\"", put.Text, StringComparison.Ordinal);

        // Creating is a precondition of the store, not a look before (decision D35).
        await GcsServer.Write(client, 0, 2, 2, mode: WriteMode.CreateOnly);
        Assert.EndsWith("uploadType=multipart&ifGenerationMatch=0", between.Requests[^1].Target, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_large_file_goes_in_chunks_of_16_MiB()
    {
        await using var between = new Interposer(server.Url);
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath(), between.Url);
        byte[] content = LtxSample.Create(1, 9, (16 << 20) + 12_345);
        LtxFileInfo written = await GcsServer.Write(client, 9, 1, 9, content);
        Assert.Equal(content.Length, written.Size);
        Assert.Equal(["", "bytes 0-16777215/*", $"bytes 16777216-{content.Length - 1}/{content.Length}"], Ranges(between));
        Assert.All(between.Requests, one => Assert.DoesNotContain("Transfer-Encoding", one.Headers.Keys));
        Assert.Equal(content, await GcsServer.Read(client, 9, 1, 9));
        Assert.Equal(LtxSample.Time, Assert.Single(await GcsServer.List(client, 9)).CreatedAt);
    }

    // Of the second chunk a part arrives before the connection breaks: what the store has is not sent again.
    [Fact]
    public async Task A_broken_upload_goes_on_at_the_servers_offset()
    {
        int broken = 0;
        await using var between = new Interposer(server.Url, async exchange =>
        {
            if (exchange.Headers.GetValueOrDefault("Content-Range")?.StartsWith($"bytes {4 * Unit}-", StringComparison.Ordinal) == true && ++broken == 1)
            {
                await exchange.LoseAnswerAsync(exchange.Body[..(3 * Unit)], new Dictionary<string, string> { ["Content-Range"] = $"bytes {4 * Unit}-{(7 * Unit) - 1}/*" });
                return true;
            }

            return false;
        });
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath(), between.Url, chunk: 4 * Unit);
        byte[] content = LtxSample.Create(1, 9, (9 * Unit) + 77);
        await GcsServer.Write(client, 9, 1, 9, content);
        Assert.Equal(
            [
                "", $"bytes 0-{(4 * Unit) - 1}/*", $"bytes {4 * Unit}-{(8 * Unit) - 1}/*", "bytes */*", $"bytes {7 * Unit}-{(8 * Unit) - 1}/*",
                $"bytes {8 * Unit}-{content.Length - 1}/{content.Length}",
            ],
            Ranges(between));
        Assert.Equal(content, await GcsServer.Read(client, 9, 1, 9));
        Assert.Empty(between.Failures);
    }

    [Theory]
    [InlineData("first chunk: nothing arrives")]
    [InlineData("first chunk: 503")]
    [InlineData("last chunk: answer lost")]
    public async Task A_failed_chunk_is_asked_for_and_sent_again(string fault)
    {
        int broken = 0;
        await using var between = new Interposer(server.Url, async exchange =>
        {
            string range = exchange.Headers.GetValueOrDefault("Content-Range") ?? "";
            bool first = range.StartsWith("bytes 0-", StringComparison.Ordinal);
            bool last = range.StartsWith("bytes ", StringComparison.Ordinal) && !range.EndsWith('*') && !range.Contains("*/", StringComparison.Ordinal);
            if ((fault[0] == 'f' ? first : last) && ++broken == 1)
            {
                if (fault.EndsWith("503", StringComparison.Ordinal))
                {
                    await exchange.RespondAsync(503, "", ("Retry-After", "0"));
                }
                else if (last)
                {
                    await exchange.LoseAnswerAsync();
                }
                else
                {
                    exchange.Drop();
                }

                return true;
            }

            return false;
        });
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath(), between.Url, chunk: Unit);
        byte[] content = LtxSample.Create(1, 9, (3 * Unit) + 1);
        await GcsServer.Write(client, 9, 1, 9, content, WriteMode.CreateOnly);
        Assert.Equal(content, await GcsServer.Read(client, 9, 1, 9));
        Assert.Equal(1, Ranges(between).Count(range => range.StartsWith("bytes */", StringComparison.Ordinal)));
        Assert.Equal(last(fault) ? 6 : 7, Ranges(between).Length);
        Assert.Empty(between.Failures);

        static bool last(string fault) => fault[0] == 'l';
    }

    [Fact]
    public async Task A_store_that_forgets_the_upload_is_a_failure_to_try_again()
    {
        await using var between = new Interposer(server.Url, async exchange =>
        {
            if (exchange.Headers.GetValueOrDefault("Content-Range")?.StartsWith($"bytes {Unit}-", StringComparison.Ordinal) == true)
            {
                await exchange.RespondAsync(410);
                return true;
            }

            return false;
        });
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath(), between.Url, chunk: Unit);
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(() => GcsServer.Write(client, 9, 1, 9, LtxSample.Create(1, 9, 3 * Unit)));
        Assert.True(failure.IsTransient);
        Assert.DoesNotContain("upload_id", failure.ToString(), StringComparison.Ordinal);
        Assert.Empty(await GcsServer.List(client, 9));
    }

    [Fact]
    public async Task Create_only_holds_for_uploads_in_chunks()
    {
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath(), chunk: Unit);
        byte[] content = LtxSample.Create(1, 1, (3 * Unit) + 5);
        await GcsServer.Write(client, 0, 1, 1, content, WriteMode.CreateOnly);
        LtxFileInfo again = await GcsServer.Write(client, 0, 1, 1, content, WriteMode.CreateOnly);
        Assert.Equal(content.Length, again.Size);
        await Assert.ThrowsAsync<ReplicaConflictException>(
            () => GcsServer.Write(client, 0, 1, 1, LtxSample.Create(1, 1, (3 * Unit) + 5, seed: 1), WriteMode.CreateOnly));
        Assert.Equal(content, await GcsServer.Read(client, 0, 1, 1));
    }

    // The service may refuse at the beginning already; then the source is only read for its end.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task Create_only_refused_at_the_beginning_compares_the_end(int seed)
    {
        byte[] content = LtxSample.Create(1, 1, (3 * Unit) + 5);
        string path = GcsServer.NewPath();
        await GcsServer.Write(server.Client(path), 0, 1, 1, content);
        await using var between = new Interposer(server.Url, async exchange =>
        {
            if (exchange.Target.Contains("uploadType=resumable", StringComparison.Ordinal))
            {
                await exchange.RespondAsync(412);
                return true;
            }

            return false;
        });
        await using GcsReplicaClient client = server.Client(path, between.Url, chunk: Unit);
        Task<LtxFileInfo> write = GcsServer.Write(client, 0, 1, 1, LtxSample.Create(1, 1, (3 * Unit) + 5, seed: seed), WriteMode.CreateOnly);
        if (seed == 0)
        {
            Assert.Equal(content.Length, (await write).Size);
        }
        else
        {
            await Assert.ThrowsAsync<ReplicaConflictException>(() => write);
        }

        Assert.Equal(2, between.Requests.Count);
    }

    [Fact]
    public async Task A_cancelled_upload_is_deleted_at_the_store()
    {
        using var cancellation = new CancellationTokenSource();
        await using var between = new Interposer(server.Url, async exchange =>
        {
            if (exchange.Headers.GetValueOrDefault("Content-Range")?.StartsWith($"bytes {Unit}-", StringComparison.Ordinal) == true)
            {
                await cancellation.CancelAsync();
            }

            return false;
        });
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath(), between.Url, chunk: Unit);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => GcsServer.Write(client, 9, 1, 9, LtxSample.Create(1, 9, 5 * Unit), token: cancellation.Token));
        Exchange deleted = Assert.Single(between.Requests, one => one.Method == "DELETE");
        Assert.Contains("upload_id=", deleted.Target, StringComparison.Ordinal);
        Assert.Equal(499, deleted.Status);
        Assert.Empty(await GcsServer.List(client, 9));
    }

    // One chunk in memory at a time: nothing is read from the source that is more than a chunk ahead of what the store has.
    [Fact]
    public async Task Memory_is_bounded_by_one_chunk()
    {
        long sent = 0;
        long ahead = 0;
        await using var between = new Interposer(server.Url, async exchange =>
        {
            await exchange.ForwardAsync();
            Match range = ChunkRange().Match(exchange.Headers.GetValueOrDefault("Content-Range") ?? "");
            if (range.Success)
            {
                Interlocked.Exchange(ref sent, long.Parse(range.Groups[1].Value, CultureInfo.InvariantCulture) + 1);
            }

            return true;
        });
        const int size = (24 * Unit) + 9;
        byte[] content = LtxSample.Create(1, 9, size);
        var source = new WatchedStream(content, position => ahead = Math.Max(ahead, position - Interlocked.Read(ref sent)));
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath(), between.Url, chunk: 2 * Unit);
        await client.WriteAsync(9, new Txid(1), new Txid(9), source, WriteMode.Overwrite, CancellationToken.None);
        Assert.Equal(content, await GcsServer.Read(client, 9, 1, 9));

        // The answer to a chunk may be with the client before it is noted here: two chunks at most.
        Assert.InRange(ahead, 1, (4 * Unit) + 1);
    }

    [Theory]
    [InlineData(300)]
    [InlineData(3 * Unit)]
    public async Task Other_bytes_in_the_store_than_were_sent_are_removed_and_reported(int size)
    {
        await using var between = new Interposer(server.Url, async exchange =>
        {
            await exchange.ForwardAsync(edit: text => Checksum().Replace(text, "\"crc32c\": \"AAAAAA==\""));
            return true;
        });
        await using GcsReplicaClient client = server.Client(GcsServer.NewPath(), between.Url, chunk: Unit);
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(() => GcsServer.Write(client, 0, 1, 1, LtxSample.Create(1, 1, size)));
        Assert.Contains("CRC-32C", failure.Message, StringComparison.Ordinal);
        Assert.True(failure.IsTransient);
        Assert.Empty(await GcsServer.List(client, 0));
    }

    [Fact]
    public void The_checksum_is_that_of_the_standard()
    {
        Crc32C whole = default;
        whole.Add("123456789"u8);
        Assert.Equal("4waSgw==", whole.ToBase64()); // 0xE3069283
        Crc32C pieces = default;
        pieces.Add("12"u8);
        pieces.Add("3456789"u8);
        Assert.Equal(whole.ToBase64(), pieces.ToBase64());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(Unit + 1)]
    [InlineData(GcsOptions.MaxChunkSize + Unit)]
    public async Task A_chunk_size_that_the_store_refuses_is_refused_at_start(int size)
    {
        await using GcsReplicaClient client = server.Client("x", chunk: size);
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(async () => await client.InitializeAsync(CancellationToken.None));
        Assert.False(failure.IsTransient);
    }

    private static string[] Ranges(Interposer between) =>
        [.. between.Requests.Where(one => one.Target.Contains("/upload/", StringComparison.Ordinal)).Select(one => one.Headers.GetValueOrDefault("Content-Range") ?? "")];

    [GeneratedRegex(@"^bytes \d+-(\d+)/")]
    private static partial Regex ChunkRange();

    [GeneratedRegex("\"crc32c\": \"[^\"]+\"")]
    private static partial Regex Checksum();

    private sealed class WatchedStream(byte[] content, Action<long> read) : MemoryStream(content)
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int count = await base.ReadAsync(buffer, cancellationToken);
            read(Position);
            return count;
        }
    }
}
