using Litestream.TestKit.Processes;

namespace Litestream.EndToEnd.Tests;

/// <summary>A file system of one megabyte, mounted in memory; needs the right to mount.</summary>
internal sealed class SmallDisk : IDisposable
{
    private SmallDisk(string path) => Path = path;

    internal string Path { get; }

    private string Filler => System.IO.Path.Combine(Path, "filler");

    public void Dispose() => Cli.RunProgramAsync("umount", "-l", Path).GetAwaiter().GetResult();

    /// <summary>Mounts it on a new directory.</summary>
    /// <returns>Null when this user may not mount.</returns>
    internal static async Task<SmallDisk?> MountAsync(string path)
    {
        Directory.CreateDirectory(path);
        CliResult mount = await Cli.RunProgramAsync("mount", "-t", "tmpfs", "-o", "size=1m", "litestream-test", path);
        return mount.ExitCode == 0 ? new SmallDisk(path) : null;
    }

    /// <summary>Leaves no byte free.</summary>
    internal void Fill()
    {
        using FileStream file = new(Filler, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        byte[] block = new byte[4096];
        try
        {
            while (true)
            {
                file.Write(block);
            }
        }
        catch (IOException)
        {
            // Full, as wanted.
        }
    }

    /// <summary>Frees what <see cref="Fill"/> took.</summary>
    internal void Free() => File.Delete(Filler);
}
