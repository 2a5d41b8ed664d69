using System.Globalization;

namespace Litestream.Huge;

/// <summary>The command line.</summary>
internal sealed record Arguments(string Mode, string Folder, int PageSize, uint PageCount, int Files)
{
    private static readonly string[] Modes = ["generate", "snapshot", "merge", "restore", "files", "compact"];

    /// <summary>The replica's directory.</summary>
    internal string Replica => Path.Combine(Folder, "replica");

    internal static Arguments Parse(string[] args)
    {
        if (args.Length == 0 || !Modes.Contains(args[0]))
        {
            throw new ArgumentException("the first argument is the mode");
        }

        string? folder = null;
        long size = 0;
        int pageSize = 4096;
        int files = 3000;
        for (int i = 1; i + 1 < args.Length; i += 2)
        {
            switch (args[i])
            {
                case "--folder": folder = Path.GetFullPath(args[i + 1]); break;
                case "--size": size = long.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
                case "--page-size": pageSize = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
                case "--files": files = int.Parse(args[i + 1], CultureInfo.InvariantCulture); break;
                default: throw new ArgumentException($"unknown option {args[i]}");
            }
        }

        return folder is null
            ? throw new ArgumentException("--folder is missing")
            : new Arguments(args[0], folder, pageSize, checked((uint)(size / pageSize)), files);
    }
}
