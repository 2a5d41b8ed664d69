using Microsoft.Data.Sqlite;

namespace Litestream.Workload;

/// <summary>
/// A reading application on a database that a <see cref="PairWriter"/> made and that follows: short transactions, one after the other,
/// each of which must see one number in all rows of both tables, never a smaller one than before, and a sound database.
/// </summary>
internal static class Reader
{
    private const string Numbers = """
        SELECT min(n), max(n), count(*) FROM (SELECT n FROM pair_a UNION ALL SELECT n FROM pair_b)
        UNION ALL SELECT coalesce(max(n), 0), count(*), 0 FROM ack
        """;

    internal static int Run(Options options, Control control)
    {
        long reads = 0, busy = 0, torn = 0, last = 0;
        TimeSpan longest = TimeSpan.Zero;
        SqliteConnection connection = Database.Open(options);
        control.Begin();
        while (control.Continue())
        {
            try
            {
                TimeSpan start = control.Elapsed;
                string? problem = Look(connection, reads % 16 == 0, ref last);
                TimeSpan took = control.Elapsed - start;
                longest = took > longest ? took : longest;
                if (problem is not null)
                {
                    torn++;
                    control.Print("torn " + problem);
                }

                reads++;
            }
            catch (SqliteException failure) when (Database.IsBusy(failure))
            {
                busy++;
            }
            catch (SqliteException failure)
            {
                // Damage is what must not happen; anything else (a journal that vanishes while it is looked at) is an error, not a lie.
                torn += failure.SqliteErrorCode is 11 or 26 ? 1 : 0;
                control.Print($"error {failure.SqliteErrorCode}: {failure.Message}");
                connection.Dispose();
                connection = Database.Open(options);
            }

            control.WaitUntil(control.Elapsed + TimeSpan.FromMilliseconds(2));
        }

        connection.Dispose();
        control.Leave();
        control.Print($$"""{"reads":{{reads}},"busy":{{busy}},"torn":{{torn}},"last":{{last}},"longest_us":{{longest.TotalMicroseconds:F0}}}""");
        return torn == 0 ? 0 : 1;
    }

    /// <summary>One transaction; null = all is well.</summary>
    private static string? Look(SqliteConnection connection, bool check, ref long last)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandTimeout = 1;
        using SqliteTransaction transaction = connection.BeginTransaction(deferred: true);
        command.Transaction = transaction;
        command.CommandText = Numbers;
        long[] seen = new long[6];
        using (SqliteDataReader rows = command.ExecuteReader())
        {
            for (int i = 0; rows.Read(); i += 3)
            {
                (seen[i], seen[i + 1], seen[i + 2]) = (rows.GetInt64(0), rows.GetInt64(1), rows.GetInt64(2));
            }
        }

        string problem = "";
        if (seen[0] != seen[1] || seen[3] != seen[0] || seen[4] != seen[0] || seen[2] == 0)
        {
            problem = $"rows {seen[0]} to {seen[1]} ({seen[2]}), acknowledged {seen[3]} ({seen[4]})";
        }
        else if (seen[0] < last)
        {
            problem = $"back from {last} to {seen[0]}";
        }

        if (check)
        {
            command.CommandText = "PRAGMA quick_check(1)";
            string? result = (string?)command.ExecuteScalar();
            problem += result == "ok" ? "" : $" quick_check: {result}";
        }

        last = Math.Max(last, seen[0]);
        return problem.Length == 0 ? null : problem;
    }
}
