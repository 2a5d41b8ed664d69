using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Litestream.Tests.Restore;

/// <summary>The P traps of store-and-restore §15 on made-up replicas in memory.</summary>
public sealed class RestoreTraps : IAsyncDisposable
{
    private const string Output = "/data/app.db";

    private readonly MemoryReplicaClient _replica = new();
    private readonly MemoryFileSystem _files = new();
    private readonly InstantTimeProvider _time = new();

    public RestoreTraps()
    {
        // 20 pages at TXID 1; TXID 2 changes 3 and 20, 3 grows to 25, 4 shrinks to 22 and changes 1.
        Put(9, 1, 1, 20, LtxBuilder.AllPages(20));
        Put(0, 2, 2, 20, [3, 20]);
        Put(0, 3, 3, 25, [3, 21, 22, 23, 24, 25]);
        Put(0, 4, 4, 22, [1, 4]);
    }

    public ValueTask DisposeAsync() => _replica.DisposeAsync();

    private static byte[] Expected => Content(22, page => page switch { 1 or 4 => 4, 3 or 21 or 22 => 3, 20 => 2, _ => 1 });

    private static RestoreOptions Options => new() { OutputPath = Output };

    [Fact]
    public async Task Pages_of_the_newest_file_win_and_a_shrunk_database_is_cut()
    {
        RestoreResult result = await RestoreAsync(_replica, Options);
        Assert.Equal(Expected, ReadOutput());
        Assert.Equal((4ul, 22L * 512), (result.Txid.Value, result.Bytes));
        Assert.Equal(["app.db"], Names());
        Assert.Equal(0, _files.OpenFiles);
    }

    [Fact]
    public async Task A_page_that_no_planned_file_has_is_an_error()
    {
        Put(0, 5, 5, 40, [23, 40]);
        LtxFileException error = await Assert.ThrowsAsync<LtxFileException>(() => RestoreAsync(_replica, Options));
        Assert.Contains("page 26", error.Message, StringComparison.Ordinal);
        Assert.Empty(Names());
    }

    [Fact]
    public async Task Missing_pages_at_the_end_are_an_error_too()
    {
        Put(0, 5, 5, 30, [1]);
        await Assert.ThrowsAsync<LtxFileException>(() => RestoreAsync(_replica, Options));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(99)]
    public async Task P5_a_planned_file_shorter_than_a_header_is_a_clear_error_before_anything_is_written(int size)
    {
        byte[] content = _replica.Content(0, new Txid(4), new Txid(4));
        _replica.Put(0, new Txid(4), new Txid(4), content[..size], LtxSample.Time);
        var client = new FaultyReplicaClient(_replica);
        LtxFileException error = await Assert.ThrowsAsync<LtxFileException>(() => RestoreAsync(client, Options));
        Assert.Equal(
            $"invalid ltx file: level=0 min=0000000000000004 max=0000000000000004 has size {size} bytes (minimum 100)", error.Message);
        Assert.Equal(0, client.Count(ReplicaOperation.Open));
        Assert.Empty(Names());
    }

    [Fact]
    public async Task P6_a_damaged_source_leaves_nothing()
    {
        _replica.Content(0, new Txid(3), new Txid(3))[300] ^= 1;
        await Assert.ThrowsAsync<LtxFileException>(() => RestoreAsync(_replica, Options));
        Assert.Empty(Names());
        Assert.Equal(0, _files.OpenFiles);
    }

    [Fact]
    public async Task P6_cancellation_leaves_nothing()
    {
        using var cancellation = new CancellationTokenSource();
        var client = new FaultyReplicaClient(_replica) { OnRequest = (operation, _, min, _) => Cancel(operation, min) };
        void Cancel(ReplicaOperation operation, Txid min)
        {
            if (operation == ReplicaOperation.Open && min.Value == 2)
            {
                cancellation.Cancel();
            }
        }

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => new Restorer(client, _files, _time, NullLogger.Instance).RestoreAsync(Options, null, cancellation.Token));
        Assert.Empty(Names());
        Assert.Equal(0, client.OpenStreams);
    }

    [Theory]
    [InlineData(FileOperation.Create)]
    [InlineData(FileOperation.Write)]
    [InlineData(FileOperation.Sync)]
    [InlineData(FileOperation.SetLength)]
    [InlineData(FileOperation.Rename)]
    public async Task P6_a_full_disk_leaves_nothing_and_keeps_the_old_database(FileOperation operation)
    {
        CreateFile(Output, "old database");
        var faulty = new FaultyFileSystem(_files);
        faulty.Fail(operation, failure: path => new DiskFullException(path), count: int.MaxValue);
        await Assert.ThrowsAsync<DiskFullException>(
            () => new Restorer(_replica, faulty, _time, NullLogger.Instance).RestoreAsync(Options with { Force = true }, null, CancellationToken.None));
        Assert.Equal(["app.db"], Names());
        Assert.Equal("old database", ReadText(Output));
        Assert.Equal(0, faulty.OpenFiles);
    }

    [Fact]
    public async Task P7_missing_parents_are_created()
    {
        await RestoreAsync(_replica, Options with { OutputPath = "/a/b/c/app.db" });
        Assert.NotNull(_files.Stat("/a/b/c/app.db"));
    }

    [Fact]
    public async Task P8_opens_that_fail_are_tried_again()
    {
        for (int failures = 1; failures <= 2; failures++)
        {
            var client = new FaultyReplicaClient(_replica);
            client.Fail(ReplicaOperation.Open, count: failures);
            await RestoreAsync(client, Options);
            Assert.Equal(Expected, ReadOutput());
            _files.Delete(Output);
        }
    }

    [Fact]
    public async Task P8_a_missing_file_is_not_waited_for()
    {
        var client = new FaultyReplicaClient(_replica);
        client.Fail(ReplicaOperation.Open, failure: () => new LtxFileNotFoundException(0, new Txid(4), new Txid(4), "x"), count: int.MaxValue);
        await Assert.ThrowsAsync<LtxFileNotFoundException>(() => RestoreAsync(client, Options));
        Assert.Empty(_time.Waits);
        Assert.Empty(Names());
    }

    [Fact]
    public async Task P9_connections_cut_at_random_offsets_do_not_change_the_result()
    {
        for (int seed = 0; seed < 100; seed++)
        {
            var random = new Random(seed);
            var client = new FaultyReplicaClient(_replica);
            for (int i = 0; i < 3; i++)
            {
                client.CutNextStream(random.Next(3000), random.Next(2) == 0 ? new ReplicaException("connection reset") : null);
            }

            await RestoreAsync(client, Options);
            Assert.Equal(Expected, ReadOutput());
            _files.Delete(Output);
        }
    }

    [Fact]
    public async Task P10_a_store_that_sends_one_byte_per_connection_is_given_up()
    {
        var client = new FaultyReplicaClient(_replica);
        for (int i = 0; i < 1000; i++)
        {
            client.CutNextStream(1);
        }

        ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(() => RestoreAsync(client, Options with { Parallelism = 1 }));
        Assert.Contains("max retries exceeded reading ltx file (level=0, min=0000000000000004", error.Message, StringComparison.Ordinal);
        Assert.Equal(4, client.Count(ReplicaOperation.Open));
        Assert.Equal([250, 500, 1000], _time.Waits.Select(wait => (int)wait.TotalMilliseconds));
    }

    [Fact]
    public async Task P11_cancellation_during_a_wait_is_final()
    {
        using var cancellation = new CancellationTokenSource();
        var client = new FaultyReplicaClient(_replica);
        client.Fail(ReplicaOperation.Open, count: int.MaxValue);
        var waits = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(); // Time that nobody moves: the first wait never ends.
        Task<RestoreResult> restore = new Restorer(client, _files, waits, NullLogger.Instance).RestoreAsync(Options, null, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => restore.WaitAsync(TimeSpan.FromSeconds(10)));
    }

    [Fact]
    public async Task P12_content_name_and_directory_are_made_durable_in_this_order()
    {
        var recording = new RecordingFileSystem(_files);
        await new Restorer(_replica, recording, _time, NullLogger.Instance).RestoreAsync(Options, null, CancellationToken.None);
        FileOperation[] order = [.. recording.Changes.Select(call => call.Operation).Where(o => o is not (FileOperation.Write or FileOperation.Delete))];
        Assert.Equal(
            [FileOperation.CreateDirectory, FileOperation.Create, FileOperation.SetLength, FileOperation.Sync, FileOperation.Rename, FileOperation.SyncDirectory],
            order);
        int sync = recording.Changes.ToList().FindLastIndex(call => call.Operation == FileOperation.Sync);
        Assert.DoesNotContain(recording.Changes.Skip(sync), call => call.Operation == FileOperation.Write);
        _files.PowerCut();
        Assert.Equal(Expected, ReadOutput());
    }

    [Theory]
    [InlineData("non-empty", false, "cannot restore, output path already exists and is not empty: /data/app.db. Use -force to overwrite")]
    [InlineData("non-empty", true, null)]
    [InlineData("empty", false, null)]
    [InlineData("empty", true, null)]
    [InlineData("empty -journal", false, "cannot restore, SQLite sidecar path already exists: /data/app.db-journal. Use -force to overwrite")]
    [InlineData("empty -wal", false, "cannot restore, SQLite sidecar path already exists: /data/app.db-wal. Use -force to overwrite")]
    [InlineData("empty -wal", true, null)]
    [InlineData("non-empty -wal -shm -journal", true, null)]
    [InlineData("directory", false, "cannot restore, output path is a directory: /data/app.db")]
    [InlineData("directory", true, "cannot restore, output path is a directory: /data/app.db")]
    [InlineData("-wal -shm -journal", false, null)]
    public async Task P15_P16_output_path_table(string state, bool force, string? error)
    {
        foreach (string part in state.Split(' '))
        {
            Action create = part switch
            {
                "non-empty" => () => CreateFile(Output, "old database"),
                "empty" => () => CreateFile(Output, ""),
                "directory" => () => _files.CreateDirectory(Output),
                _ => () => CreateFile(Output + part, "stale"),
            };
            create();
        }

        string[] before = Names();
        RestoreOptions options = Options with { Force = force };
        if (error is not null)
        {
            var client = new FaultyReplicaClient(_replica);
            RestoreOutputException refused = await Assert.ThrowsAsync<RestoreOutputException>(() => RestoreAsync(client, options));
            Assert.Equal(error, refused.Message);
            Assert.Equal(before, Names());
            Assert.Equal(0, client.TotalRequests);
            return;
        }

        await RestoreAsync(_replica, options);
        Assert.Equal(Expected, ReadOutput());
        Assert.Equal(["app.db"], Names());
    }

    [Fact]
    public async Task P15_a_failed_forced_restore_keeps_the_old_database_and_its_side_files()
    {
        CreateFile(Output, "old database");
        CreateFile(Output + "-wal", "old wal");
        CreateFile(Output + "-shm", "old shm");
        _replica.Content(0, new Txid(4), new Txid(4))[^20] ^= 1;
        await Assert.ThrowsAsync<LtxFileException>(() => RestoreAsync(_replica, Options with { Force = true }));
        Assert.Equal(["app.db", "app.db-shm", "app.db-wal"], Names());
        Assert.Equal("old database", ReadText(Output));
        Assert.Equal("old wal", ReadText(Output + "-wal"));
        await Assert.ThrowsAsync<RestoreUnavailableException>(() => RestoreAsync(new MemoryReplicaClient(), Options with { Force = true }));
        Assert.Equal(["app.db", "app.db-shm", "app.db-wal"], Names());
    }

    [Fact]
    public async Task P15_no_power_cut_brings_the_new_database_beside_old_side_files()
    {
        // A call fails, then the power goes: whatever has the database's name must not have side files of the other one.
        for (int seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            var memory = new MemoryFileSystem();
            memory.CreateDirectory("/data");
            foreach (string name in new[] { Output, Output + "-wal", Output + "-journal" })
            {
                using IFile file = memory.Create(name);
                file.Write("old"u8, 0);
                file.Sync();
            }

            memory.SyncDirectory("/data");
            var faulty = new FaultyFileSystem(memory);
            FileOperation[] operations = [FileOperation.Rename, FileOperation.SyncDirectory, FileOperation.Delete, FileOperation.Sync];
            faulty.Fail(operations[random.Next(operations.Length)], random.Next(1, 6), count: int.MaxValue);
            bool done = false;
            try
            {
                await new Restorer(_replica, faulty, _time, NullLogger.Instance).RestoreAsync(Options with { Force = true }, null, CancellationToken.None);
                done = true;
            }
            catch (IOException)
            {
                // The planned fault.
            }

            memory.PowerCut(random);
            bool isNew = memory.Stat(Output) is { Size: > 3 };
            bool sides = memory.Stat(Output + "-wal") is not null || memory.Stat(Output + "-journal") is not null;
            Assert.False(isNew && sides, $"seed {seed}: new database beside old side files");
            Assert.True(isNew || !done, $"seed {seed}: reported but not there");
        }
    }

    [Fact]
    public async Task P17_R5_a_planned_file_that_was_merged_meanwhile_is_planned_anew()
    {
        var client = new FaultyReplicaClient(_replica);
        client.OnRequest = (operation, _, min, _) =>
        {
            if (operation == ReplicaOperation.Open && min.Value == 2)
            {
                Put(1, 2, 3, 25, [3, 20, 21, 22, 23, 24, 25], content: new Dictionary<uint, ulong> { [20] = 2 });
                _replica.Remove(0, new Txid(2), new Txid(2));
                _replica.Remove(0, new Txid(3), new Txid(3));
                Put(0, 5, 5, 22, [2]); // Newer data appears; the target stays.
            }
        };
        RestoreResult result = await RestoreAsync(client, Options with { Parallelism = 1 });
        Assert.Equal(4ul, result.Txid.Value);
        Assert.Equal("9:1-1 1:2-3 0:4-4", RestoreScene.PlanText(result.Plan));
        Assert.Equal(Expected, ReadOutput());
    }

    [Fact]
    public async Task P21_every_planned_file_cut_at_every_length_is_an_error()
    {
        foreach (LtxFileInfo file in _replica.Files)
        {
            byte[] content = _replica.Content(file.Level, file.MinTxid, file.MaxTxid);
            for (int length = 0; length < content.Length; length += length is > 400 and < 2000 ? 37 : 1)
            {
                _replica.Put(file.Level, file.MinTxid, file.MaxTxid, content[..length], file.CreatedAt);
                await Assert.ThrowsAsync<LtxFileException>(() => RestoreAsync(_replica, Options));
                Assert.Empty(Names());
            }

            _replica.Put(file.Level, file.MinTxid, file.MaxTxid, content, file.CreatedAt);
        }

        await RestoreAsync(_replica, Options);
    }

    [Fact]
    public async Task P22_a_listing_with_a_stale_size_is_an_error_not_a_wrong_database()
    {
        byte[] content = _replica.Content(0, new Txid(4), new Txid(4));
        foreach (int length in new[] { 99, 100, 200, content.Length - 1 })
        {
            var client = new FaultyReplicaClient(_replica);
            for (int i = 0; i < 3; i++)
            {
                client.CutNextStream(length);
            }

            // Listed at full size, served shorter on each connection: resumed at the offset, so it can also succeed.
            await RestoreAsync(client, Options with { Parallelism = 1 });
            Assert.Equal(Expected, ReadOutput());
            _files.Delete(Output);
        }

        _replica.Put(0, new Txid(4), new Txid(4), [.. content, .. content], LtxSample.Time);
        await Assert.ThrowsAsync<LtxFileException>(() => RestoreAsync(_replica, Options));
    }

    [Fact]
    public async Task P24_five_thousand_files_need_few_descriptors_and_streams()
    {
        using var temp = new TempDirectory();
        var faulty = new FaultyFileSystem(new UnsyncedFileSystem(LocalFileSystem.Instance));
        var client = new FileReplicaClient(faulty, temp["replica"]);
        Directory.CreateDirectory(temp["replica/ltx/0"]);
        for (ulong txid = 1; txid <= 5000; txid++)
        {
            byte[] file = LtxBuilder.File(txid, txid, 50, txid == 1 ? LtxBuilder.AllPages(50) : [(uint)(txid % 50) + 1]);
            await File.WriteAllBytesAsync(client.FilePath(0, new Txid(txid), new Txid(txid)), file);
        }

        var options = new RestoreOptions { OutputPath = temp["app.db"], Parallelism = RestoreOptions.MaxParallelism };
        await new Restorer(client, faulty, _time, NullLogger.Instance).RestoreAsync(options, null, CancellationToken.None);
        Assert.InRange(faulty.MostOpenFiles, 2, 64);
        Assert.Equal(Content(50, page => page == 1 ? 5000ul : 4950 + page - 1), await File.ReadAllBytesAsync(options.OutputPath));
    }

    [Fact]
    public async Task Progress_ends_at_the_total()
    {
        var reports = new List<RestoreProgress>();
        await new Restorer(_replica, _files, _time, NullLogger.Instance).RestoreAsync(Options with { Parallelism = 1 }, new Sink(reports), CancellationToken.None);
        long total = _replica.Files.Sum(file => file.Size);
        Assert.All(reports, report => Assert.Equal(total, report.BytesTotal));
        Assert.InRange(reports[^1].BytesDone, total * 2 / 3, total);
    }

    [Fact]
    public async Task An_existing_database_is_left_alone_and_an_absent_one_restored()
    {
        var restorer = new Restorer(_replica, _files, _time, NullLogger.Instance);
        CreateFile(Output, "application's");
        Assert.Null(await restorer.EnsureExistsAsync(Output, CancellationToken.None));
        Assert.Equal("application's", ReadText(Output));
    }

    private static byte[] Content(uint pages, Func<uint, ulong> txidOf) =>
        [.. Enumerable.Range(1, (int)pages).SelectMany(page => LtxBuilder.Page((uint)page, txidOf((uint)page)))];

    private void Put(
        int level, ulong min, ulong max, uint commit, IEnumerable<uint> pages, Dictionary<uint, ulong>? content = null)
    {
        using var stream = new MemoryStream();
        var header = new LtxHeader
        {
            Flags = LtxFormat.NoChecksum, PageSize = 512, Commit = commit, MinTxid = new Txid(min), MaxTxid = new Txid(max),
        };
        using (var writer = new LtxWriter(stream, header, leaveOpen: true))
        {
            foreach (uint page in pages)
            {
                writer.WritePage(page, LtxBuilder.Page(page, content?.GetValueOrDefault(page, max) ?? max));
            }

            writer.Finish();
        }

        _replica.Put(level, new Txid(min), new Txid(max), stream.ToArray(), LtxSample.Time);
    }

    private Task<RestoreResult> RestoreAsync(IReplicaClient client, RestoreOptions options) =>
        new Restorer(client, _files, _time, NullLogger.Instance).RestoreAsync(options, null, CancellationToken.None);

    private string[] Names() => [.. _files.List("/data").Select(entry => entry.Name)];

    private byte[] ReadOutput()
    {
        using IFile file = _files.OpenRead(Output);
        byte[] content = new byte[file.Length];
        file.Read(content, 0);
        return content;
    }

    private string ReadText(string path)
    {
        using IFile file = _files.OpenRead(path);
        byte[] content = new byte[file.Length];
        file.Read(content, 0);
        return System.Text.Encoding.UTF8.GetString(content);
    }

    private void CreateFile(string path, string content)
    {
        _files.CreateDirectory("/data");
        using IFile file = _files.Create(path);
        file.Write(System.Text.Encoding.UTF8.GetBytes(content), 0);
    }

    private sealed class Sink(List<RestoreProgress> reports) : IProgress<RestoreProgress>
    {
        public void Report(RestoreProgress value)
        {
            lock (reports)
            {
                reports.Add(value);
            }
        }
    }
}
