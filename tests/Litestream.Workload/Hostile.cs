using Microsoft.Data.Sqlite;

namespace Litestream.Workload;

/// <summary>Checkpoints of every mode from a process of its own, as admins and old applications run them.</summary>
internal static class Hostile
{
    private static readonly string[] Modes = ["PASSIVE", "FULL", "RESTART", "TRUNCATE"];

    internal static int Run(Options options, Control control)
    {
        using SqliteConnection connection = Database.Open(options);
        var random = new Random(options.Seed);
        long runs = 0, busy = 0;
        control.Begin();
        while (control.Continue())
        {
            string mode = options.CheckpointMode ?? Modes[random.Next(Modes.Length)];
            try
            {
                // The pragma answers with a row instead of failing: busy, log frames, backfilled frames.
                busy += Database.Query(connection, $"PRAGMA wal_checkpoint({mode})");
                runs++;
            }
            catch (SqliteException failure) when (Database.IsBusy(failure))
            {
                busy++;
            }

            control.WaitUntil(control.Elapsed + TimeSpan.FromMilliseconds(random.Next(options.MinPause, options.MaxPause + 1)));
        }

        control.Leave();
        control.Print($$"""{"checkpoints":{{runs}},"busy":{{busy}}}""");
        return 0;
    }
}
