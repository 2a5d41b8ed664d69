using System.Globalization;

namespace Litestream.Workload;

/// <summary>The command line.</summary>
internal sealed record Options
{
    internal const string Usage = """
        usage: workload steady|random|hostile|pair|read --db FILE [options]
          --seed N            first random seed (default 1)
          --connections N     writers in this process, each with a connection of its own (default 1)
          --writer N          number of the first writer; distinct over all processes on one database (default 0)
          --rate N            commits per second and connection; 0 = flat out (default 0)
          --commits N         stop after so many commits per connection; 0 = never (default 0)
          --seconds S         stop after that time; 0 = never (default 0)
          --ack-log FILE      append one line "writer n" to FILE.<first writer> after each acknowledged commit
          --progress          the same lines on standard output
          --row-bytes N       payload of a row (default 100)
          --page-size N       page size of a new database (default 4096)
          --auto-vacuum N     auto_vacuum of a new database, 0-2 (default 0)
          --auto-checkpoint N wal_autocheckpoint of the application (default 1000)
          --synchronous M     OFF, NORMAL or FULL (default NORMAL)
          --busy-timeout MS   0 = none; a busy answer is then counted (default 5000)
          --min-ms, --max-ms  hostile: pause between checkpoints (default 10, 500)
          --mode M            hostile: one mode only instead of a random one
        workload version prints the version of its SQLite
        prints "ready" when the database is set up and a line of JSON at the end; understands "pause", "resume", "stop" on standard input.
        """;

    internal Mode Mode { get; init; }

    internal required string Database { get; init; }

    internal int Seed { get; init; }

    internal int Connections { get; init; }

    internal int FirstWriter { get; init; }

    internal double Rate { get; init; }

    internal long Commits { get; init; }

    internal double Seconds { get; init; }

    internal string? AckLog { get; init; }

    internal bool Progress { get; init; }

    internal int RowBytes { get; init; }

    internal int PageSize { get; init; }

    internal int AutoVacuum { get; init; }

    internal int AutoCheckpoint { get; init; }

    internal required string Synchronous { get; init; }

    internal int BusyTimeout { get; init; }

    internal int MinPause { get; init; }

    internal int MaxPause { get; init; }

    internal string? CheckpointMode { get; init; }

    internal static Options Parse(string[] args)
    {
        if (args.Length == 0 || !Enum.TryParse(args[0], ignoreCase: true, out Mode mode))
        {
            throw new ArgumentException("the first argument is the mode");
        }

        var values = new Dictionary<string, string>();
        for (int i = 1; i < args.Length; i++)
        {
            values[args[i]] = args[i] == "--progress" ? "1"
                : i + 1 < args.Length ? args[++i] : throw new ArgumentException($"{args[i]} needs a value");
        }

        string? Text(string name) => values.Remove(name, out string? value) ? value : null;
        int Number(string name, int fallback) =>
            Text(name) is not { } text ? fallback
            : int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int number) ? number
            : throw new ArgumentException($"{name} needs a number, not {text}");

        var options = new Options
        {
            Mode = mode,
            Database = Text("--db") ?? throw new ArgumentException("--db is missing"),
            Seed = Number("--seed", 1),
            Connections = Number("--connections", 1),
            FirstWriter = Number("--writer", 0),
            Rate = Number("--rate", 0),
            Commits = Number("--commits", 0),
            Seconds = double.Parse(Text("--seconds") ?? "0", CultureInfo.InvariantCulture),
            AckLog = Text("--ack-log"),
            Progress = Text("--progress") is not null,
            RowBytes = Number("--row-bytes", 100),
            PageSize = Number("--page-size", 4096),
            AutoVacuum = Number("--auto-vacuum", 0),
            AutoCheckpoint = Number("--auto-checkpoint", 1000),
            Synchronous = Text("--synchronous") ?? "NORMAL",
            BusyTimeout = Number("--busy-timeout", 5000),
            MinPause = Number("--min-ms", 10),
            MaxPause = Number("--max-ms", 500),
            CheckpointMode = Text("--mode"),
        };
        return values.Count == 0 ? options : throw new ArgumentException($"unknown option {values.Keys.First()}");
    }
}
