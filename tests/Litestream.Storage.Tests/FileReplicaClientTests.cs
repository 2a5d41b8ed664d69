using Litestream.Ltx;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Storage.Tests;

public sealed class FileReplicaClientTests : IDisposable
{
    private readonly TempDirectory _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public async Task LtxTrap18_layout_and_names_are_those_of_existing_replicas()
    {
        var client = new FileReplicaClient(LocalFileSystem.Instance, _temp["db"]);
        await Write(client, 9, 1, 1000);
        await Write(client, 0, 10, 10);
        Assert.True(File.Exists(_temp["db/ltx/9/0000000000000001-00000000000003e8.ltx"]));
        Assert.True(File.Exists(_temp["db/ltx/0/000000000000000a-000000000000000a.ltx"]));
        Assert.Equal(2, Directory.GetFiles(_temp.Root, "*", SearchOption.AllDirectories).Length);
    }

    [Theory]
    [InlineData("0000000000000001-0000000000000001.ltx.tmp")]
    [InlineData("0000000000000001-000000000000000A.ltx")]
    [InlineData("000000000000001-0000000000000001.ltx")]
    [InlineData("00000000000000001-0000000000000001.ltx")]
    [InlineData("0000000000000001-0000000000000001.ltx\n")]
    [InlineData("0000000000000001-0000000000000001.LTX")]
    [InlineData("0000000000000001_0000000000000001.ltx")]
    [InlineData("lock.json")]
    public async Task LtxTrap18_other_names_are_skipped(string name)
    {
        Directory.CreateDirectory(_temp["ltx/0"]);
        File.WriteAllText(_temp["ltx/0/" + name], "x");
        Assert.Empty(await List(new FileReplicaClient(LocalFileSystem.Instance, _temp.Root), 0));
    }

    [Fact]
    public async Task Listing_takes_regular_files_only()
    {
        // Upstream lists a directory of that name as a file and then fails every restore (store-and-restore §9.2).
        Directory.CreateDirectory(_temp["ltx/0/" + LtxSample.Name(5, 5)]);
        var client = new FileReplicaClient(LocalFileSystem.Instance, _temp.Root);
        await Write(client, 0, 1, 1);
        Assert.Equal(LtxSample.Name(1, 1), (await List(client, 0)).Single().Name);
    }

    [Fact]
    public async Task Listing_opens_no_file()
    {
        var recording = new RecordingFileSystem(LocalFileSystem.Instance);
        var client = new FileReplicaClient(recording, _temp.Root);
        await Write(client, 0, 1, 1);
        recording.Clear();
        await List(client, 0);
        Assert.DoesNotContain(recording.Calls, call => call.Operation is FileOperation.OpenRead or FileOperation.Read);
    }

    [Theory]
    [InlineData(WriteMode.Overwrite, FileOperation.Rename)]
    [InlineData(WriteMode.CreateOnly, FileOperation.Link)]
    public async Task P12_content_time_name_directory_are_made_durable_in_this_order(WriteMode mode, FileOperation publish)
    {
        var recording = new RecordingFileSystem(LocalFileSystem.Instance);
        var client = new FileReplicaClient(recording, _temp.Root);
        await Write(client, 0, 1, 1); // Creates the directories.
        recording.Clear();
        await Write(client, 0, 2, 2, mode);
        FileOperation[] order = [.. recording.Changes.Select(call => call.Operation)];
        FileOperation[] expected =
        [
            FileOperation.Create, FileOperation.Write, FileOperation.Write, FileOperation.SetTimes, FileOperation.Sync, publish,
            .. mode == WriteMode.CreateOnly ? new[] { FileOperation.Delete } : [], FileOperation.SyncDirectory,
        ];
        Assert.Equal(expected, order);
        Assert.Equal(_temp["ltx/0"], recording.Changes[^1].Path);
        Assert.Equal(_temp["ltx/0/" + LtxSample.Name(2, 2)], recording.Changes.Single(c => c.Operation == publish).Path);
    }

    [Theory]
    [InlineData(WriteMode.Overwrite)]
    [InlineData(WriteMode.CreateOnly)]
    public async Task Backend_T23_a_reported_file_survives_a_power_cut_with_its_time(WriteMode mode)
    {
        var files = new MemoryFileSystem();
        var client = new FileReplicaClient(files, "/a/b/replica");
        await Write(client, 0, 1, 1, mode);
        files.PowerCut();
        LtxFileInfo only = (await List(client, 0)).Single();
        Assert.Equal((300L, LtxSample.Time), (only.Size, only.CreatedAt));
        await using Stream stream = await client.OpenAsync(0, new Txid(1), new Txid(1), 0, 0, CancellationToken.None);
        byte[] content = new byte[300];
        await stream.ReadExactlyAsync(content);
        Assert.Equal(LtxSample.Create(1, 1), content);
    }

    [Theory]
    [InlineData(WriteMode.Overwrite)]
    [InlineData(WriteMode.CreateOnly)]
    public async Task Backend_T23_no_power_cut_shows_a_torn_file(WriteMode mode)
    {
        // Every call fails once in turn; then the power goes, with random survivors. Whatever has a final name must be whole.
        for (int seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var memory = new MemoryFileSystem();
            var faulty = new FaultyFileSystem(memory);
            FileOperation operation = (FileOperation)random.Next((int)FileOperation.Close);
            faulty.Fail(operation, random.Next(1, 4));
            var client = new FileReplicaClient(faulty, "/replica");
            bool reported = false;
            try
            {
                await Write(client, 0, 1, 1, mode, size: 300_000);
                reported = true;
            }
            catch (IOException)
            {
                // The planned fault.
            }

            memory.PowerCut(random);
            LtxFileInfo[] found = [.. await List(new FileReplicaClient(memory, "/replica"), 0)];
            Assert.True(found.Length == 1 || !reported, $"seed {seed}: reported but gone");
            Assert.All(found, file => Assert.Equal(300_000, file.Size));
        }
    }

    [Theory]
    [InlineData(WriteMode.Overwrite)]
    [InlineData(WriteMode.CreateOnly)]
    public async Task Store_C23_every_failing_call_leaves_no_temp_file(WriteMode mode)
    {
        FileOperation[] operations =
            [FileOperation.Create, FileOperation.Write, FileOperation.SetTimes, FileOperation.Sync, FileOperation.Rename, FileOperation.Link];
        foreach (FileOperation operation in operations)
        {
            var memory = new MemoryFileSystem();
            var faulty = new FaultyFileSystem(memory);
            var client = new FileReplicaClient(faulty, "/replica");
            await Write(client, 0, 1, 1);
            faulty.Fail(operation);
            bool failed = false;
            try
            {
                await Write(client, 0, 2, 2, mode);
            }
            catch (IOException)
            {
                failed = true;
            }

            Assert.Equal(operation switch { FileOperation.Rename => mode == WriteMode.Overwrite, FileOperation.Link => mode == WriteMode.CreateOnly, _ => true }, failed);
            Assert.DoesNotContain(memory.List("/replica/ltx/0"), entry => entry.Name.EndsWith(".tmp", StringComparison.Ordinal));
            Assert.Equal(0, memory.OpenFiles);
        }
    }

    [Fact]
    public async Task Store_C23_a_full_disk_is_reported_as_such_and_leaves_nothing()
    {
        var memory = new MemoryFileSystem();
        var faulty = new FaultyFileSystem(memory);
        var client = new FileReplicaClient(faulty, "/replica");
        await Write(client, 0, 1, 1);
        faulty.FillDisk(writesLeft: 1);
        await Assert.ThrowsAsync<DiskFullException>(() => Write(client, 0, 2, 2));
        Assert.Single(memory.List("/replica/ltx/0"));
        faulty.Repair();
        await Write(client, 0, 2, 2);
        Assert.Equal(2, memory.List("/replica/ltx/0").Count);
    }

    [Fact]
    public async Task Store_C23_leftovers_are_ignored_and_old_ones_of_ours_are_removed()
    {
        string Left(string name) => _temp["ltx/0/" + LtxSample.Name(1, 1) + name];
        Directory.CreateDirectory(_temp["ltx/0"]);
        string[] names = [".0123456789abcdef00000001.tmp", ".fedcba987654321000000001.tmp", ".tmp"];
        foreach (string name in names)
        {
            File.WriteAllText(Left(name), "torn");
        }

        File.SetLastWriteTimeUtc(Left(names[0]), DateTime.UtcNow.AddDays(-2));
        File.SetLastWriteTimeUtc(Left(names[2]), DateTime.UtcNow.AddDays(-2));
        var client = new FileReplicaClient(LocalFileSystem.Instance, _temp.Root);
        Assert.Empty(await List(client, 0));
        await Write(client, 0, 1, 1);
        Assert.Single(await List(client, 0));
        Assert.False(File.Exists(Left(names[0])), "an old one of ours");
        Assert.True(File.Exists(Left(names[1])), "one that may still be in the making");
        Assert.True(File.Exists(Left(names[2])), "one of another program");
    }

    [Fact]
    public async Task C17_a_failing_listing_is_an_error_not_an_empty_level()
    {
        var faulty = new FaultyFileSystem(LocalFileSystem.Instance);
        var client = new FileReplicaClient(faulty, _temp.Root);
        await Write(client, 0, 1, 1);
        faulty.Fail(FileOperation.List);
        await Assert.ThrowsAsync<IOException>(() => List(client, 0));
        faulty.Fail(FileOperation.Stat);
        await Assert.ThrowsAsync<IOException>(() => List(client, 0));
        Assert.Single(await List(client, 0));
    }

    [Fact]
    public async Task CreateOnly_works_where_hard_links_do_not()
    {
        var faulty = new FaultyFileSystem(new MemoryFileSystem());
        var client = new FileReplicaClient(faulty, "/replica");
        faulty.Fail(FileOperation.Link, failure: _ => new NotSupportedException(), count: int.MaxValue);
        await Write(client, 0, 1, 1, WriteMode.CreateOnly);
        await Write(client, 0, 1, 1, WriteMode.CreateOnly);
        await Assert.ThrowsAsync<ReplicaConflictException>(() => Write(client, 0, 1, 1, WriteMode.CreateOnly, size: 400));
        Assert.Single(await List(client, 0));
    }

    [Fact]
    public async Task Backend_T23_new_files_and_directories_get_mode_and_owner_of_the_database()
    {
        Directory.CreateDirectory(_temp["app"]);
        File.SetUnixFileMode(_temp["app"], (UnixFileMode)0x1E8); // 0750
        File.WriteAllText(_temp["app/db"], "");
        File.SetUnixFileMode(_temp["app/db"], (UnixFileMode)0x1A4); // 0644
        var client = new FileReplicaClient(LocalFileSystem.Instance, _temp["replica"], _temp["app/db"]);
        await Write(client, 0, 1, 1);
        Assert.Equal((UnixFileMode)0x1E8, File.GetUnixFileMode(_temp["replica/ltx/0"]));
        Assert.Equal((UnixFileMode)0x1A4, File.GetUnixFileMode(client.FilePath(0, new Txid(1), new Txid(1))));
    }

    [Fact]
    public async Task A_file_as_replica_path_is_refused()
    {
        File.WriteAllText(_temp["f"], "");
        var client = new FileReplicaClient(LocalFileSystem.Instance, _temp["f"]);
        await Assert.ThrowsAsync<ReplicaException>(() => client.InitializeAsync(CancellationToken.None).AsTask());
    }

    [Fact]
    public async Task An_unreadable_file_is_not_a_missing_one()
    {
        // "Missing" makes readers plan again and may reset local state; a permission or input/output error must not (trap P27).
        var faulty = new FaultyFileSystem(LocalFileSystem.Instance);
        var client = new FileReplicaClient(faulty, _temp.Root);
        await Write(client, 0, 1, 1);
        faulty.Fail(FileOperation.OpenRead, failure: path => new IOException($"open {path}: permission denied"));
        ReplicaException error = await Assert.ThrowsAsync<ReplicaException>(
            () => client.OpenAsync(0, new Txid(1), new Txid(1), 0, 0, CancellationToken.None).AsTask());
        Assert.Contains("permission denied", error.Message, StringComparison.Ordinal);
    }

    private static async Task Write(
        FileReplicaClient client, int level, ulong min, ulong max, WriteMode mode = WriteMode.Overwrite, int size = 300) =>
        await client.WriteAsync(
            level, new Txid(min), new Txid(max), new MemoryStream(LtxSample.Create(min, max, size)), mode, CancellationToken.None);

    private static async Task<IReadOnlyList<LtxFileInfo>> List(FileReplicaClient client, int level) =>
        await client.ListAsync(level, Txid.None, false, CancellationToken.None).ToListAsync();
}
