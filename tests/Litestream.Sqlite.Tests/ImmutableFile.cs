using System.Diagnostics;

namespace Litestream.Sqlite.Tests;

/// <summary>A file that nobody may write: by its mode for ordinary users, by its immutable flag for root, whom modes do not stop.</summary>
internal sealed class ImmutableFile : IDisposable
{
    private readonly string _path;

    private ImmutableFile(string path) => _path = path;

    public void Dispose()
    {
        _ = ChangeAttribute("-i", _path);
        File.SetUnixFileMode(_path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    /// <summary>Makes it so; null when that does not work here.</summary>
    internal static ImmutableFile? TryMake(string path)
    {
        if (Environment.UserName != "root")
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead);
            return new ImmutableFile(path);
        }

        return ChangeAttribute("+i", path) ? new ImmutableFile(path) : null;
    }

    private static bool ChangeAttribute(string change, string path)
    {
        using Process process = Process.Start(new ProcessStartInfo("chattr", [change, path]) { RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
