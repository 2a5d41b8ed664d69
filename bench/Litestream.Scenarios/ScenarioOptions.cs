using System.Globalization;

namespace Litestream.Scenarios;

/// <summary>The command line. Zero means "the scenario's own default".</summary>
internal sealed record ScenarioOptions
{
    public List<string> Names { get; } = [];

    /// <summary>Label and path of each executable.</summary>
    public List<(string Label, string Path)> Executables { get; } = [];

    public int Turns { get; private set; } = 1;

    public int Seconds { get; private set; }

    public int Samples { get; private set; }

    public long Size => size > 0 ? size : 1L << 30;

    /// <summary>Where the runs keep their files; null = artifacts/bench.</summary>
    public string? Folder { get; private set; }

    private long size;

    /// <summary><c>--size</c> as a number of databases.</summary>
    public int Databases(int ifUnset) => size > 0 ? checked((int)size) : ifUnset;

    /// <exception cref="ArgumentException">Unknown option, missing value, or no executable.</exception>
    public static ScenarioOptions Parse(string[] args)
    {
        var options = new ScenarioOptions();
        for (int i = 0; i < args.Length; i++)
        {
            if (!args[i].StartsWith('-'))
            {
                options.Names.Add(args[i]);
                continue;
            }

            string value = i + 1 < args.Length ? args[i + 1] : throw new ArgumentException($"{args[i]} needs a value");
            switch (args[i++])
            {
                case "--bin": options.Executables.Add(("bin", Executable(value))); break;
                case "--against": options.Executables.Add(("against", Executable(value))); break;
                case "--turns": options.Turns = Number(value); break;
                case "--folder": options.Folder = Path.GetFullPath(value); break;
                case "--seconds": options.Seconds = Number(value); break;
                case "--samples": options.Samples = Number(value); break;
                case "--size": options.size = long.Parse(value, CultureInfo.InvariantCulture); break;
                default: throw new ArgumentException($"unknown option {args[i - 1]}");
            }
        }

        return options.Names.Count == 0 || options.Executables.Count == 0
            ? throw new ArgumentException("a scenario and --bin are needed")
            : options;
    }

    private static string Executable(string path) =>
        File.Exists(path) ? Path.GetFullPath(path) : throw new ArgumentException($"{path} does not exist");

    private static int Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value > 0
            ? value
            : throw new ArgumentException($"{text} is not a positive number");
}
