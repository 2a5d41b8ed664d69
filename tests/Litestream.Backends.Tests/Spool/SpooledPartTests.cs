using System.Collections.Concurrent;
using Litestream.Backends.Tests.Gcs;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Storage.Transport;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Backends.Tests.Spool;

/// <summary>
/// Parts above the limit of memory wait in a file (decision D34): what a backend makes of them. The limit is injected, so that a part of
/// an ordinary size is above it.
/// </summary>
public abstract class SpooledPartTests
{
    private const int KiB = 1 << 10;
    private const string State = "/data/.app.db-litestream";

    private readonly FaultyFileSystem _files = new(new MemoryFileSystem());
    private readonly CountingPool _pool = new();
    private readonly ConcurrentDictionary<string, bool> _failed = [];

    /// <summary>The daemon has made its state directory when it uploads.</summary>
    protected SpooledPartTests() => _files.CreateDirectory(State);

    /// <summary>Bytes of a part, of at least 512 KiB.</summary>
    protected virtual int PartSize => 1 << 20;

    /// <summary>Files that an upload of three and a half parts needs.</summary>
    protected virtual int FilesOfUpload => 4;

    /// <summary>Opens a store.</summary>
    /// <param name="spool">Where large parts wait.</param>
    internal abstract Task<SpoolStore> OpenAsync(UploadSpool spool);

    [Fact]
    public async Task A_part_above_the_limit_costs_two_pieces_of_memory_and_is_sent_again_from_its_file()
    {
        await using SpoolStore store = await OpenAsync(Spool);
        byte[] content = LtxSample.Create(1, 9, (PartSize * 7 / 2) + 321);
        LtxFileInfo info = await GcsServer.Write(store.Client, 9, 1, 9, content);
        Assert.Equal(content.Length, info.Size);
        Assert.Equal(content, await GcsServer.Read(store.Client, 9, 1, 9));
        Assert.NotEmpty(_failed);
        Assert.Equal(FilesOfUpload, _files.Count(FileOperation.Create));

        // One piece of 256 KiB on its way to the store, one on its way to a file.
        Assert.InRange(_pool.MostHeld, 256 * KiB, 512 * KiB);
        AssertNothingLeft();
    }

    [Fact]
    public async Task A_part_up_to_the_limit_stays_in_memory()
    {
        await using SpoolStore store = await OpenAsync(Spool);
        byte[] content = LtxSample.Create(1, 1, 64 * KiB);
        await GcsServer.Write(store.Client, 0, 1, 1, content, WriteMode.CreateOnly);
        Assert.Equal(content, await GcsServer.Read(store.Client, 0, 1, 1));
        Assert.Equal((0, 64 * KiB), (_files.Count(FileOperation.Create), _pool.MostHeld));
        AssertNothingLeft();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(6)]
    public async Task A_full_disk_fails_the_upload_and_leaves_nothing_here_or_there(int writes)
    {
        await using SpoolStore store = await OpenAsync(Spool);
        byte[] content = LtxSample.Create(1, 9, (PartSize * 7 / 2) + 321);
        _files.FillDisk(writes);
        ReplicaException full = await Assert.ThrowsAsync<ReplicaException>(() => GcsServer.Write(store.Client, 9, 1, 9, content));
        Assert.True(full.IsTransient);
        Assert.StartsWith($"no space left in {State}, where part ", full.Message, StringComparison.Ordinal);
        Assert.Empty(await GcsServer.List(store.Client, 9));
        Assert.Equal(0, store.OpenUploads);
        AssertNothingLeft();

        _files.Repair();
        await GcsServer.Write(store.Client, 9, 1, 9, content);
        Assert.Equal(content, await GcsServer.Read(store.Client, 9, 1, 9));
        AssertNothingLeft();
    }

    // The object is ours, or another's: both are found out without a file for each of the parts that nobody sends.
    [Fact]
    public async Task What_exists_already_is_compared_to_its_end()
    {
        await using SpoolStore store = await OpenAsync(Spool);
        byte[] content = LtxSample.Create(1, 1, (PartSize * 7 / 2) + 321);
        await GcsServer.Write(store.Client, 0, 1, 1, content, WriteMode.CreateOnly);
        await GcsServer.Write(store.Client, 0, 1, 1, content, WriteMode.CreateOnly);
        await Assert.ThrowsAsync<ReplicaConflictException>(
            () => GcsServer.Write(store.Client, 0, 1, 1, LtxSample.Create(1, 1, content.Length, seed: 1), WriteMode.CreateOnly));
        AssertNothingLeft();
    }

    /// <summary>True the first time: each request that carries bytes of a file fails once.</summary>
    protected bool FailsNow(string request) => _failed.TryAdd(request, true);

    private UploadSpool Spool => new(_files, State) { MemoryLimit = 64 * KiB, Pool = _pool };

    private void AssertNothingLeft()
    {
        Assert.Equal((0, 0L), (_files.OpenFiles, _pool.Held));
        Assert.Empty(_files.List(State));
    }
}
