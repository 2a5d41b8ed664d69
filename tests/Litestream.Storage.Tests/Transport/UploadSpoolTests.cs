using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Storage.Tests.Transport;

/// <summary>Where parts wait that are too large for memory (decision D34): what it costs, and what is left when something goes wrong.</summary>
public sealed class UploadSpoolTests
{
    private const int KiB = 1 << 10;
    private const int MiB = 1 << 20;
    private const string State = "/data/.app.db-litestream";

    // One piece is read from the source and one from a file, whatever the size of a part.
    [Theory]
    [InlineData(2)]
    [InlineData(30)]
    public async Task Memory_does_not_grow_with_the_part(int mebibytes)
    {
        var scene = new Scene(limit: MiB);
        PartReader parts = await scene.ReadAsync(LtxSample.Create(1, 1, 2 * mebibytes * MiB), mebibytes * MiB);
        using UploadPart first = (await parts.NextAsync(CancellationToken.None))!;
        Assert.Equal((256 * KiB, 0), (scene.Pool.MostHeld, scene.Pool.Held));
        using IEnumerator<ReadOnlyMemory<byte>> sent = first.Slices().GetEnumerator();
        Assert.True(sent.MoveNext());
        using UploadPart second = (await parts.NextAsync(CancellationToken.None))!;
        Assert.True(second.IsLast);
        Assert.Equal((512 * KiB, 256 * KiB), (scene.Pool.MostHeld, scene.Pool.Held));
    }

    // A source that does not say how much it will give may end within the limit. Its buffer doubles up to there: once and a half the limit, for a moment.
    [Theory]
    [InlineData(2)]
    [InlineData(30)]
    public async Task A_source_of_unknown_length_costs_the_limit_first(int mebibytes)
    {
        var scene = new Scene(limit: MiB);
        var source = new CutStream(new MemoryStream(LtxSample.Create(1, 1, 2 * mebibytes * MiB)), long.MaxValue, null);
        PartReader parts = await scene.ReadAsync(source, mebibytes * MiB);
        using UploadPart first = (await parts.NextAsync(CancellationToken.None))!;
        Assert.Equal((3 * MiB / 2, 0), (scene.Pool.MostHeld, scene.Pool.Held));
        using UploadPart second = (await parts.NextAsync(CancellationToken.None))!;
        Assert.True(second.IsLast);
        Assert.Equal((3 * MiB / 2, 0), (scene.Pool.MostHeld, scene.Pool.Held));
    }

    [Fact]
    public async Task Up_to_the_limit_no_file_is_touched()
    {
        var scene = new Scene(limit: MiB);
        PartReader parts = await scene.ReadAsync(LtxSample.Create(1, 1, MiB), long.MaxValue);
        using UploadPart only = (await parts.NextAsync(CancellationToken.None))!;
        Assert.Equal((true, (long)MiB), (only.IsLast, scene.Pool.Held));
        Assert.Equal((0, 0), (scene.Files.Count(FileOperation.Create), scene.Files.Count(FileOperation.CreateDirectory)));
    }

    // On the real file system: what has no name cannot be left behind, however the process ends.
    [Fact]
    public async Task A_file_that_waits_has_no_name()
    {
        using var folder = new TempDirectory();
        string state = folder["state"];
        var spool = new UploadSpool(LocalFileSystem.Instance, state) { MemoryLimit = 64 * KiB };
        byte[] content = LtxSample.Create(1, 1, MiB);
        using var source = new MemoryStream(content);
        PartReader parts = new(await LtxUploadHead.ReadAsync(source, "test", CancellationToken.None), source, long.MaxValue, spool);
        UploadPart part = (await parts.NextAsync(CancellationToken.None))!;
        Assert.Empty(Directory.GetFileSystemEntries(state));
        Assert.Equal(content, part.Slices().SelectMany(slice => slice.ToArray()));
        part.Dispose();
        part.Dispose();
        Assert.Throws<ObjectDisposedException>(() => part.Slices().Count());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_full_disk_says_where_how_much_and_what_to_do_and_leaves_nothing(int writes)
    {
        var scene = new Scene(limit: MiB);
        PartReader parts = await scene.ReadAsync(LtxSample.Create(1, 1, 10 * MiB), 4 * MiB);
        scene.Files.FillDisk(writes);
        ReplicaException full = await Assert.ThrowsAsync<ReplicaException>(async () => await parts.NextAsync(CancellationToken.None));
        Assert.True(full.IsTransient);
        Assert.IsType<DiskFullException>(full.InnerException);
        Assert.Equal(
            $"no space left in {State}, where part 1 of an upload waits until it is sent: a part has up to {4 * MiB} bytes, and two may wait at a time; "
            + "free space there, or move the directory (meta-path; TMPDIR where there is no state directory)",
            full.Message);
        scene.AssertNothingLeft();
    }

    [Fact]
    public async Task A_full_disk_says_how_much_a_file_needs_that_is_one_part()
    {
        var scene = new Scene(limit: MiB);
        scene.Files.FillDisk(1);
        PartReader bounded = await scene.ReadAsync(LtxSample.Create(1, 1, 10 * MiB), long.MaxValue);
        ReplicaException full = await Assert.ThrowsAsync<ReplicaException>(async () => await bounded.NextAsync(CancellationToken.None));
        Assert.Contains($"up to {10 * MiB} bytes", full.Message, StringComparison.Ordinal);

        // Of a source that knows no bound only what it has given is known.
        PartReader unbounded = await scene.ReadAsync(new CutStream(new MemoryStream(LtxSample.Create(1, 1, 10 * MiB)), 9 * MiB, new IOException()), long.MaxValue);
        full = await Assert.ThrowsAsync<ReplicaException>(async () => await unbounded.NextAsync(CancellationToken.None));
        Assert.Contains($"more than {MiB} bytes", full.Message, StringComparison.Ordinal);
        scene.AssertNothingLeft();
    }

    [Theory]
    [InlineData(FileOperation.CreateDirectory)]
    [InlineData(FileOperation.Create)]
    [InlineData(FileOperation.Delete)]
    [InlineData(FileOperation.Write)]
    public async Task A_directory_that_cannot_be_used_is_named(FileOperation operation)
    {
        var scene = new Scene(limit: MiB);
        scene.Files.Fail(operation);
        PartReader parts = await scene.ReadAsync(LtxSample.Create(1, 1, 3 * MiB), 2 * MiB);
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(async () => await parts.NextAsync(CancellationToken.None));
        Assert.StartsWith($"part 1 of an upload (up to {2 * MiB} bytes) is too large for memory and cannot wait in {State}: {operation} {State}", failure.Message, StringComparison.Ordinal);
        Assert.Equal((0, 0L), (scene.Files.OpenFiles, scene.Pool.Held));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_source_that_fails_or_is_cancelled_leaves_nothing(bool cancelled)
    {
        var scene = new Scene(limit: MiB);
        Exception cause = cancelled ? new OperationCanceledException() : new IOException("the source");
        PartReader parts = await scene.ReadAsync(new CutStream(new MemoryStream(LtxSample.Create(1, 1, 9 * MiB)), 3 * MiB, cause), 8 * MiB);
        Exception failure = await Assert.ThrowsAnyAsync<Exception>(async () => await parts.NextAsync(CancellationToken.None));
        Assert.Same(cause, failure);
        scene.AssertNothingLeft();
    }

    // Something else has cut the file: the upload must fail, not go on with fewer bytes than it has announced.
    [Fact]
    public async Task A_file_that_became_shorter_is_an_error()
    {
        var memory = new MemoryFileSystem();
        byte[] content = LtxSample.Create(1, 1, 3 * MiB);
        using var source = new MemoryStream(content);
        PartReader parts = new(
            await LtxUploadHead.ReadAsync(source, "test", CancellationToken.None), source, long.MaxValue, new UploadSpool(new LinkingFiles(memory), "/") { MemoryLimit = MiB });
        using UploadPart part = (await parts.NextAsync(CancellationToken.None))!;
        memory.Create(LinkingFiles.Second).Dispose();
        IOException error = Assert.Throws<IOException>(() => part.Slices().Count());
        Assert.Contains($"ends at 0 of {content.Length} bytes", error.Message, StringComparison.Ordinal);
    }

    private sealed class Scene
    {
        private readonly UploadSpool _spool;

        public Scene(int limit) => _spool = new UploadSpool(Files, State) { MemoryLimit = limit, Pool = Pool };

        public FaultyFileSystem Files { get; } = new(new MemoryFileSystem());

        public CountingPool Pool { get; } = new();

        public Task<PartReader> ReadAsync(byte[] content, long partSize) => ReadAsync(new MemoryStream(content), partSize);

        public async Task<PartReader> ReadAsync(Stream source, long partSize) =>
            new(await LtxUploadHead.ReadAsync(source, "test", CancellationToken.None), source, partSize, _spool);

        public void AssertNothingLeft()
        {
            Assert.Equal((0, 0L), (Files.OpenFiles, Pool.Held));
            Assert.Empty(Files.List(State));
        }
    }

    /// <summary>Gives every new file a second name.</summary>
    private sealed class LinkingFiles(MemoryFileSystem inner) : InterceptingFileSystem(inner)
    {
        public const string Second = "/second";

        protected override void Before(FileOperation operation, string path)
        {
        }

        protected override void After(FileOperation operation, string path)
        {
            if (operation == FileOperation.Create)
            {
                inner.Link(path, Second);
            }
        }
    }
}
