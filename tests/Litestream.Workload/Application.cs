using Microsoft.Data.Sqlite;

namespace Litestream.Workload;

/// <summary>Sets the database up and runs the writers.</summary>
internal static class Application
{
    internal static int Run(Options options, Control control)
    {
        using (SqliteConnection connection = Database.Open(options))
        {
            Database.Create(connection, options);
        }

        using var log = new AckLog(options, control);
        var total = new Latencies();
        var failures = new List<Exception>();
        control.Begin();
        TimeSpan start = control.Elapsed;
        Thread[] threads = [.. Enumerable.Range(0, options.Connections).Select(i => new Thread(() =>
        {
            var latencies = new Latencies();
            try
            {
                Write(options, options.FirstWriter + i, control, log, latencies);
            }
            catch (SqliteException failure)
            {
                lock (failures)
                {
                    failures.Add(failure);
                }
            }

            lock (total)
            {
                total.Merge(latencies);
            }

            control.Leave();
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        failures.ForEach(failure => Console.Error.WriteLine(failure));
        control.Print(total.ToJson(control.Elapsed - start));
        return failures.Count == 0 ? 0 : 1;
    }

    private static void Write(Options options, int writer, Control control, AckLog log, Latencies latencies)
    {
        using SqliteConnection connection = Database.Open(options);
        using IWriter transactions = options.Mode switch
        {
            Mode.Steady => new SteadyWriter(connection, options, writer),
            Mode.Pair => new PairWriter(connection, options, writer),
            _ => new RandomWriter(connection, options, writer),
        };
        long n = transactions.LastCommitted;
        TimeSpan pause = options.Rate > 0 ? TimeSpan.FromSeconds(1 / options.Rate) : TimeSpan.Zero;
        TimeSpan next = control.Elapsed;
        for (long commits = 0; (options.Commits == 0 || commits < options.Commits) && control.Continue();)
        {
            TimeSpan start = control.Elapsed;
            switch (transactions.Run(n + 1))
            {
                case Outcome.Committed:
                    latencies.Add(control.Elapsed - start);
                    log.Add(writer, ++n);
                    commits++;
                    break;
                case Outcome.Busy:
                    latencies.Busy++;
                    break;
                default:
                    break;
            }

            if (pause > TimeSpan.Zero)
            {
                next += pause;
                control.WaitUntil(next);
                next = next < control.Elapsed - TimeSpan.FromSeconds(1) ? control.Elapsed : next;
            }
        }
    }
}
