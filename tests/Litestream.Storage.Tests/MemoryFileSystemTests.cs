using Litestream.Storage;
using Litestream.TestKit.Files;
using Xunit;

namespace Litestream.Storage.Tests;

/// <summary>The file system of the other tests must itself forget exactly what a power cut takes away.</summary>
public sealed class MemoryFileSystemTests
{
    private readonly MemoryFileSystem _files = new();

    [Fact]
    public void Unsynced_content_is_lost()
    {
        using (IFile file = _files.Create("/a"))
        {
            file.Write("synced"u8, 0);
            file.Sync();
            file.Write("later!"u8, 0);
        }

        _files.SyncDirectory("/");
        _files.PowerCut();
        Assert.Equal("synced", Read("/a"));
    }

    [Fact]
    public void Unsynced_names_are_lost_renames_included()
    {
        Create("/old", "1");
        _files.SyncDirectory("/");
        Create("/new", "2");
        _files.Rename("/new", "/old");
        _files.Link("/old", "/second");
        _files.PowerCut();
        Assert.Equal("1", Read("/old"));
        Assert.Null(_files.Stat("/second"));
        Create("/new", "2");
        _files.Rename("/new", "/old");
        _files.SyncDirectory("/");
        _files.PowerCut();
        Assert.Equal("2", Read("/old"));
    }

    [Fact]
    public void Created_directories_are_durable_and_deletions_are_not()
    {
        _files.CreateDirectory("/d/e");
        Create("/d/e/f", "x");
        _files.SyncDirectory("/d/e");
        _files.Delete("/d/e/f");
        Assert.Null(_files.Stat("/d/e/f"));
        _files.PowerCut();
        Assert.Equal("x", Read("/d/e/f"));
    }

    [Fact]
    public void Files_opened_before_the_cut_are_unusable()
    {
        IFile file = _files.Create("/a");
        Assert.Equal(1, _files.OpenFiles);
        _files.PowerCut();
        Assert.Throws<IOException>(() => file.Write("x"u8, 0));
        file.Dispose();
        Assert.Equal(0, _files.OpenFiles);
    }

    [Fact]
    public void Some_of_the_unsynced_survives_a_random_cut_and_some_does_not()
    {
        int survived = 0;
        for (int seed = 0; seed < 100; seed++)
        {
            var files = new MemoryFileSystem();
            files.Create("/a").Dispose();
            files.PowerCut(new Random(seed));
            survived += files.Stat("/a") is null ? 0 : 1;
        }

        Assert.InRange(survived, 20, 80);
    }

    private void Create(string path, string content)
    {
        using IFile file = _files.Create(path);
        file.Write(System.Text.Encoding.UTF8.GetBytes(content), 0);
        file.Sync();
    }

    private string Read(string path)
    {
        using IFile file = _files.OpenRead(path);
        byte[] content = new byte[file.Length];
        file.Read(content, 0);
        return System.Text.Encoding.UTF8.GetString(content);
    }
}
