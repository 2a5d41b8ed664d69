using System.Text;
using Litestream.Capture;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace Litestream.Tests.Fleet;

/// <summary>What a store learns from the system's tables about locks and limits, at a cost that does not grow with its databases.</summary>
public sealed class ProcessTableTests
{
    private const int Own = 100;

    private readonly FakeTimeProvider time = new(DateTimeOffset.UnixEpoch.AddYears(50));
    private readonly MemoryFileSystem files = new();

    [Fact]
    public void TheLockTableIsReadOnceForAllDatabasesThatEndTogether()
    {
        ulong inode = WriteFile("/data/a.db", "x");
        WriteFile("/data/b.db", "x");
        WriteLocks(
            $"1: POSIX  ADVISORY  READ 4711 08:01:{inode} 1073741826 1073742335",
            "2: FLOCK  ADVISORY  WRITE 4711 08:01:999 0 EOF");
        int reads = 0;
        var counting = new HookFileSystem(files, (operation, path) => reads += operation == FileOperation.OpenRead && path == "/proc/locks" ? 1 : 0);
        var users = new OtherUsers(time);
        for (int i = 0; i < 1000; i++)
        {
            Assert.True(users.Exist(counting, "/data/a.db", Own));
            Assert.False(users.Exist(counting, "/data/b.db", Own));
        }

        Assert.Equal(1, reads);
        WriteLocks("");
        time.Advance(OtherUsers.Freshness);
        Assert.False(users.Exist(counting, "/data/a.db", Own));
        Assert.Equal(2, reads);
    }

    [Fact]
    public void OurOwnLocksAndOtherKindsOfLocksAreNoUsers()
    {
        ulong inode = WriteFile("/data/a.db", "x");
        WriteLocks(
            $"1: POSIX  ADVISORY  READ {Own} 08:01:{inode} 1073741826 1073742335",
            $"2: FLOCK  ADVISORY  WRITE 4711 08:01:{inode} 0 EOF",
            $"3: POSIX  ADVISORY  READ 4711 08:01:1{inode} 0 EOF",
            "4: cut");
        Assert.False(new OtherUsers(time).Exist(files, "/data/a.db", Own));
    }

    [Theory]
    [InlineData("1024", 100, false)]
    [InlineData("1024", 128, false)]
    [InlineData("1024", 129, true)]
    [InlineData("unlimited", 100_000, false)]
    public async Task TooManyDatabasesForTheLimitOnOpenFilesAreReportedAtTheStartWithWhatToDo(string limit, int databases, bool reported)
    {
        WriteFile(
            "/proc/self/limits",
            $"Limit                     Soft Limit           Hard Limit           Units     \nMax processes             1                    1                    processes \nMax open files            {limit,-20} 4096                 files     \n");
        var logs = new RecordingLogs();
        await using var store = new ReplicationStore(new EngineServices(files, time, logs), useNotification: false);
        for (int i = 0; i < databases && i < 1000; i++)
        {
            store.Add(new DatabaseOptions { Path = $"/data/{i}.db" }, new MemoryReplicaClient());
        }

        await store.OpenAsync(monitor: false, CancellationToken.None);
        if (!reported)
        {
            Assert.DoesNotContain(logs.Records, record => record.Text.Contains("RLIMIT_NOFILE", StringComparison.Ordinal));
            return;
        }

        (LogLevel level, string text) = Assert.Single(logs.Records, record => record.Text.Contains("RLIMIT_NOFILE", StringComparison.Ordinal));
        Assert.Equal(LogLevel.Error, level);
        Assert.Contains("LimitNOFILE=1028", text, StringComparison.Ordinal);
    }

    [Fact]
    public void TheLimitOfThisProcessIsTheHardOneThatTheRuntimeSet()
    {
        string[] fields = File.ReadLines("/proc/self/limits").Single(line => line.StartsWith("Max open files", StringComparison.Ordinal))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(fields[4], fields[3]);
        Assert.Equal(fields[3], DescriptorLimit.Read(LocalFileSystem.Instance)?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "unlimited");
    }

    private void WriteLocks(params string[] lines) => WriteFile("/proc/locks", string.Join('\n', lines));

    private ulong WriteFile(string path, string text)
    {
        files.CreateDirectory(Path.GetDirectoryName(path)!);
        using (IFile file = files.Create(path))
        {
            file.Write(Encoding.ASCII.GetBytes(text), 0);
        }

        return files.Stat(path)!.Value.Inode;
    }
}
