using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Storage.Tests;

/// <summary>Reading through broken connections (store-and-restore §11.2).</summary>
public sealed class ResumableReaderTests
{
    private readonly InstantTimeProvider _time = new();
    private int _opens;

    [Fact]
    public async Task P9_a_long_read_survives_any_number_of_drops_as_long_as_it_advances()
    {
        // Upstream gives a file three retries for its whole life; a long restore over a bad line dies of it.
        byte[] content = Content(8 << 20);
        ResumableReader reader = Reader(content, bytesPerConnection: 600_000);
        byte[] read = new byte[content.Length];
        Assert.Equal(content.Length, await reader.ReadAsync(0, read, CancellationToken.None));
        Assert.Equal(content, read);
        Assert.Equal(14, _opens);
    }

    [Fact]
    public async Task P10_without_progress_four_connections_are_the_limit()
    {
        ResumableReader reader = Reader(Content(1000), bytesPerConnection: 1);
        ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(
            () => reader.ReadAsync(0, new byte[1000], CancellationToken.None).AsTask());
        Assert.Equal(4, _opens);
        Assert.Contains("offset=4", error.Message, StringComparison.Ordinal);
        Assert.Equal([250, 500, 1000], _time.Waits.Select(wait => (int)wait.TotalMilliseconds));
    }

    [Fact]
    public async Task Ranges_share_the_budget_of_their_file()
    {
        ResumableReader reader = Reader(Content(1000), bytesPerConnection: 50);
        await reader.ReadAsync(0, new byte[100], CancellationToken.None);
        await reader.ReadAsync(200, new byte[100], CancellationToken.None);
        await reader.ReadAsync(400, new byte[100], CancellationToken.None);
        await Assert.ThrowsAsync<ReplicaException>(() => reader.ReadAsync(600, new byte[100], CancellationToken.None).AsTask());
    }

    [Fact]
    public async Task The_listed_size_ends_a_read()
    {
        ResumableReader reader = Reader(Content(1000), bytesPerConnection: 1000);
        Assert.Equal(10, await reader.ReadAsync(990, new byte[100], CancellationToken.None));
        Assert.Equal(0, await reader.ReadAsync(1000, new byte[100], CancellationToken.None));
        Assert.Equal(1, _opens);
    }

    [Fact]
    public async Task Permanent_errors_are_not_repeated()
    {
        var reader = new ResumableReader(
            (_, _, _) => throw new ReplicaException("access denied", isTransient: false), 100, "file", _time);
        await Assert.ThrowsAsync<ReplicaException>(() => reader.ReadAsync(0, new byte[10], CancellationToken.None).AsTask());
        Assert.Empty(_time.Waits);
    }

    private static byte[] Content(int size)
    {
        byte[] content = new byte[size];
        new Random(1).NextBytes(content);
        return content;
    }

    private ResumableReader Reader(byte[] content, int bytesPerConnection) => new(
        (offset, size, _) =>
        {
            _opens++;
            var stream = new MemoryStream(content, (int)offset, (int)Math.Min(size, content.Length - offset));
            return ValueTask.FromResult<Stream>(new CutStream(stream, bytesPerConnection, null));
        },
        content.Length,
        "file (x",
        _time);
}
