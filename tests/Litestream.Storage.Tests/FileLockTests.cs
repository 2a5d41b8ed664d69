using System.Runtime.InteropServices;
using Litestream.Storage;
using Litestream.TestKit;
using Xunit;

namespace Litestream.Storage.Tests;

/// <summary>The lock of a state directory lies between one owner and the next.</summary>
public sealed partial class FileLockTests
{
    [Fact]
    public void A_lock_ends_with_its_owner_also_while_a_child_that_is_being_started_has_a_copy_of_the_descriptor()
    {
        using var directory = new TempDirectory();
        string path = directory["lock"];
        IDisposable held = LocalFileSystem.Instance.TryLock(path)!;
        int copy = Duplicate(DescriptorOf(path));
        try
        {
            Assert.Null(LocalFileSystem.Instance.TryLock(path));
            held.Dispose();
            using IDisposable? next = LocalFileSystem.Instance.TryLock(path);
            Assert.NotNull(next);
        }
        finally
        {
            held.Dispose();
            _ = Close(copy);
        }
    }

    private static int DescriptorOf(string path) => int.Parse(
        Path.GetFileName(Directory.EnumerateFileSystemEntries("/proc/self/fd").First(link => File.ResolveLinkTarget(link, false)?.FullName == path)),
        System.Globalization.CultureInfo.InvariantCulture);

    [LibraryImport("libc", EntryPoint = "dup")]
    private static partial int Duplicate(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
