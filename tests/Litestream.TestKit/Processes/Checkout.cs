namespace Litestream.TestKit.Processes;

/// <summary>Where the programs of this checkout lie.</summary>
public static class Checkout
{
    /// <summary>Absolute path of the folder with the solution.</summary>
    public static string Root { get; } = Find();

    /// <summary>The published executable: <c>LITESTREAM_BIN</c>, else <c>artifacts/publish/litestream</c>.</summary>
    public static string Litestream => Environment.GetEnvironmentVariable("LITESTREAM_BIN") is { Length: > 0 } path
        ? Path.GetFullPath(path)
        : Path.Combine(Root, "artifacts", "publish", "litestream");

    /// <summary>The workload program, built together with the kit in the same configuration.</summary>
    public static string Workload => Built("Litestream.Workload", "workload");

    /// <summary>The program that works on databases of any size, built in the same way.</summary>
    public static string Huge => Built("Litestream.Huge", "huge");

    private static string Built(string project, string program) => Path.Combine(
        Root, "tests", project, "bin", AppContext.BaseDirectory.Contains("/Release/", StringComparison.Ordinal) ? "Release" : "Debug", "net10.0", program);

    private static string Find()
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Litestream.slnx")))
            {
                return folder;
            }
        }

        throw new InvalidOperationException("the program must run from inside a checkout");
    }
}
