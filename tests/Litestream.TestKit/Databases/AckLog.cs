using System.Globalization;
using Litestream.Sqlite;

namespace Litestream.TestKit.Databases;

/// <summary>What applications were told is committed, as the workload program logged it, against what a database holds.</summary>
public static class AckLog
{
    /// <summary>The last acknowledged number of each writer, over the logs of all processes (<c>path.0</c>, <c>path.10</c>, …).</summary>
    public static IReadOnlyDictionary<int, long> Read(string path)
    {
        var last = new Dictionary<int, long>();
        foreach (string file in Directory.GetFiles(Path.GetDirectoryName(path)!, Path.GetFileName(path) + ".*"))
        {
            // A last line that a kill cut short is one that was not logged.
            string text = File.ReadAllText(file);
            foreach (string line in text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                string[] parts = line.Split(' ');
                last[int.Parse(parts[0], CultureInfo.InvariantCulture)] = long.Parse(parts[1], CultureInfo.InvariantCulture);
            }
        }

        return last;
    }

    /// <summary>Says which acknowledged transaction a database lacks; null = none. Writers number theirs 1, 2, 3, …</summary>
    /// <param name="path">Database that a workload in mode random or steady wrote.</param>
    /// <param name="acknowledged">From <see cref="Read"/>.</param>
    /// <param name="table">Where the numbers are: <c>ack</c> (random) or <c>line</c> (steady).</param>
    public static string? Missing(string path, IReadOnlyDictionary<int, long> acknowledged, string table = "ack")
    {
        using SqliteConnection connection = SqliteConnection.Open(path, new SqliteOpenOptions { BusyTimeout = TimeSpan.FromSeconds(10) });
        foreach ((int writer, long last) in acknowledged)
        {
            long found = connection.QueryInt64($"SELECT count(DISTINCT n) FROM {table} WHERE writer = {writer} AND n <= {last}");
            if (found != last)
            {
                return $"writer {writer} had {last} transactions acknowledged, the database has {found} of them";
            }
        }

        return null;
    }
}
