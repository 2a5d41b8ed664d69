using System.Net.Sockets;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Files;
using Xunit;

namespace Litestream.Storage.Tests;

public sealed class LocalFileSystemTests : IDisposable
{
    private readonly TempDirectory _temp = new();
    private readonly LocalFileSystem _files = LocalFileSystem.Instance;

    public void Dispose() => _temp.Dispose();

    [Fact]
    public void Positional_reads_and_writes_do_not_depend_on_each_other()
    {
        using IFile file = _files.Create(_temp["a"]);
        file.Write("world"u8, 6);
        file.Write("hello "u8, 0);
        Assert.Equal(11, file.Length);
        byte[] buffer = new byte[20];
        Assert.Equal(11, file.Read(buffer, 0));
        Assert.Equal("hello world"u8.ToArray(), buffer[..11]);
        Assert.Equal(5, file.Read(buffer, 6));
        Assert.Equal(0, file.Read(buffer, 11));
        Assert.Equal(0, file.Read(buffer, 1L << 40));
    }

    [Fact]
    public void Create_empties_an_existing_file_and_SetLength_extends_with_zeros()
    {
        File.WriteAllText(_temp["a"], "old content");
        using IFile file = _files.Create(_temp["a"]);
        Assert.Equal(0, file.Length);
        file.Write("x"u8, 0);
        file.SetLength(3);
        Assert.Equal(new byte[] { (byte)'x', 0, 0 }, File.ReadAllBytes(_temp["a"]));
        file.SetLength(0);
        Assert.Equal(0, file.Length);
    }

    [Fact]
    public void Trap_C3_an_open_file_takes_no_advisory_lock()
    {
        // The runtime's own opens take flock locks: an exclusive open of the same file by the runtime must still succeed.
        using IFile file = _files.Create(_temp["a"]);
        using IFile reader = _files.OpenRead(_temp["a"]);
        using var exclusive = new FileStream(_temp["a"], FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        file.Write("x"u8, 0);
        Assert.Equal(1, reader.Length);
    }

    [Fact]
    public void Trap_C4_a_directory_can_be_synced()
    {
        _files.SyncDirectory(_temp.Root);
        Assert.ThrowsAny<IOException>(() => _files.SyncDirectory(_temp["missing"]));
    }

    [Fact]
    public void Trap_C1_status_comes_without_opening_the_file()
    {
        File.WriteAllText(_temp["a"], "12345");
        File.SetUnixFileMode(_temp["a"], UnixFileMode.None);
        FileStatus status = _files.Stat(_temp["a"])!.Value;
        Assert.Equal((FileKind.Regular, 5L, 0), (status.Kind, status.Size, status.Ownership.Mode));
        Assert.Equal(File.GetLastWriteTimeUtc(_temp["a"]), status.ModifiedAt.UtcDateTime);
        Assert.Null(_files.Stat(_temp["missing"]));
        Assert.Null(_files.Stat(_temp["a/below-a-file"]));
        Assert.Equal(FileKind.Directory, _files.Stat(_temp.Root)!.Value.Kind);
    }

    [Fact]
    public void Identity_survives_a_rename_and_differs_between_files()
    {
        File.WriteAllText(_temp["a"], "a");
        File.WriteAllText(_temp["b"], "b");
        FileStatus a = _files.Stat(_temp["a"])!.Value;
        FileStatus b = _files.Stat(_temp["b"])!.Value;
        Assert.NotEqual(a.Inode, b.Inode);
        _files.Rename(_temp["a"], _temp["b"]);
        FileStatus moved = _files.Stat(_temp["b"])!.Value;
        Assert.Equal((a.Device, a.Inode), (moved.Device, moved.Inode));
        Assert.Equal("a", File.ReadAllText(_temp["b"]));
    }

    [Fact]
    public void Mode_of_a_new_file_ignores_the_umask()
    {
        using (_files.Create(_temp["default"]))
        using (_files.Create(_temp["given"], new FileOwnership(0x1B6, -1, -1)))
        {
        }

        Assert.Equal((UnixFileMode)0x180, File.GetUnixFileMode(_temp["default"]));
        Assert.Equal((UnixFileMode)0x1B6, File.GetUnixFileMode(_temp["given"]));
        _files.CreateDirectory(_temp["d1/d2"], new FileOwnership(0x1FF, -1, -1));
        Assert.Equal((UnixFileMode)0x1FF, File.GetUnixFileMode(_temp["d1"]));
        _files.CreateDirectory(_temp["e1/e2"]);
        Assert.Equal((UnixFileMode)0x1C0, File.GetUnixFileMode(_temp["e1/e2"]));
    }

    [Fact]
    public void CreateDirectory_accepts_an_existing_one_and_refuses_a_file()
    {
        _files.CreateDirectory(_temp["a/b/c"]);
        _files.CreateDirectory(_temp["a/b/c/"]);
        File.WriteAllText(_temp["f"], "");
        Assert.Throws<FileExistsException>(() => _files.CreateDirectory(_temp["f"]));
        Assert.ThrowsAny<IOException>(() => _files.CreateDirectory(_temp["f/g"]));
    }

    [Fact]
    public void List_tells_kinds_and_follows_symbolic_links()
    {
        File.WriteAllText(_temp["file"], "");
        Directory.CreateDirectory(_temp["directory"]);
        File.CreateSymbolicLink(_temp["link"], _temp["file"]);
        File.CreateSymbolicLink(_temp["dangling"], _temp["nothing"]);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(_temp["s"]));
        IEnumerable<string> found = _files.List(_temp.Root).Select(e => $"{e.Name}:{e.Kind}").Order();
        Assert.Equal(["directory:Directory", "file:Regular", "link:Regular", "s:Other"], found);
        Assert.Empty(_files.List(_temp["missing"]));
        Assert.ThrowsAny<IOException>(() => _files.List(_temp["file"]));
    }

    [Fact]
    public void List_returns_many_and_non_ascii_names()
    {
        string[] names = [.. Enumerable.Range(0, 3000).Select(i => $"ä-{i}")];
        foreach (string name in names)
        {
            File.WriteAllText(_temp[name], "");
        }

        Assert.Equal(names.Order(), _files.List(_temp.Root).Select(e => e.Name).Order());
    }

    [Fact]
    public void Link_fails_when_the_name_is_taken()
    {
        File.WriteAllText(_temp["a"], "a");
        _files.Link(_temp["a"], _temp["b"]);
        Assert.Equal("a", File.ReadAllText(_temp["b"]));
        FileExistsException taken = Assert.Throws<FileExistsException>(() => _files.Link(_temp["a"], _temp["b"]));
        Assert.Equal(_temp["b"], taken.Path);
    }

    [Fact]
    public void Deleting_what_is_missing_succeeds()
    {
        _files.Delete(_temp["missing"]);
        _files.DeleteTree(_temp["missing"]);
        _files.CreateDirectory(_temp["tree/below"]);
        File.WriteAllText(_temp["tree/below/f"], "");
        Assert.ThrowsAny<IOException>(() => _files.Delete(_temp["tree"]));
        _files.DeleteTree(_temp["tree"]);
        Assert.False(Directory.Exists(_temp["tree"]));
    }

    [Fact]
    public void Missing_files_are_reported_as_such()
    {
        Assert.Throws<FileNotFoundException>(() => _files.OpenRead(_temp["missing"]));
        Assert.Throws<FileNotFoundException>(() => _files.Create(_temp["missing/file"]));
        Assert.Throws<FileNotFoundException>(() => _files.Rename(_temp["missing"], _temp["b"]));
    }

    [Fact]
    public void Times_keep_their_milliseconds()
    {
        File.WriteAllText(_temp["a"], "");
        foreach (DateTimeOffset time in new[]
        {
            DateTimeOffset.FromUnixTimeMilliseconds(1704164645678), DateTimeOffset.FromUnixTimeMilliseconds(0),
            DateTimeOffset.FromUnixTimeMilliseconds(-1),
        })
        {
            _files.SetTimes(_temp["a"], time);
            Assert.Equal(time, _files.Stat(_temp["a"])!.Value.ModifiedAt);
        }
    }

    [Fact]
    public void A_full_disk_is_its_own_error()
    {
        // /dev/full answers every write with ENOSPC.
        using IFile full = _files.Create("/dev/full");
        DiskFullException error = Assert.Throws<DiskFullException>(() => full.Write("x"u8, 0));
        Assert.Equal("/dev/full", error.Path);
    }

    [Fact]
    public void A_closed_file_refuses_every_call()
    {
        IFile file = _files.Create(_temp["a"]);
        file.Dispose();
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.Write("x"u8, 0));
        Assert.Throws<ObjectDisposedException>(() => file.Sync());
    }

    [Fact]
    public void Paths_with_a_NUL_are_refused() =>
        Assert.Throws<ArgumentException>(() => _files.Delete(_temp["a\0b"]));
}
