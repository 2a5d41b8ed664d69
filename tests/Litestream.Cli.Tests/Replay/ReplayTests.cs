using System.Text.Json;

namespace Litestream.Cli.Tests.Replay;

/// <summary>
/// The recorded runs of the released program, replayed: same arguments, same configuration, same streams, exit code and files.
/// Scripts of existing users rely on every one of them.
/// </summary>
public abstract class ReplayTests(string family)
{
    private const double LongestPause = 0.3;

    /// <summary>Names of a family's records that are replayed.</summary>
    public static TheoryData<string> Names(string family, bool processes)
    {
        TheoryData<string> names = [];
        foreach (RecordedRun run in RecordedRun.Load(family))
        {
            if (run.Defect is null && Exceptions.SkipReason(run) is null && run.NeedsProcess == processes)
            {
                names.Add(run.Name);
            }
        }

        return names;
    }

    protected async Task ReplayAsync(string name)
    {
        RecordedRun run = RecordedRun.Load(family).Single(r => r.Name == name && r.Defect is null);
        using Sandbox sandbox = new(run.Environment);
        if (run.Config is not null)
        {
            sandbox.WriteConfig(run.Config);
        }

        foreach (JsonElement step in run.Setup)
        {
            await sandbox.DoAsync(step);
        }

        RunResult result = await RunAsync(run, sandbox);
        try
        {
            if (Exceptions.IsOtherWording(run))
            {
                Assert.StartsWith("Error: ", result.Error, StringComparison.Ordinal);
            }
            else
            {
                ExpectedText.Check(run.Error, result.Error, "stderr", sandbox);
            }

            ExpectedText.Check(run.Output, result.Output, "stdout", sandbox);
            Assert.Equal(run.KilledBySignal is { } signal ? 128 + signal : run.ExitCode, result.ExitCode);
            CheckFiles(run, sandbox);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{e.Message}\n=== stdout\n{result.Output}\n=== stderr\n{result.Error}", e);
        }
    }

    private static async Task<RunResult> RunAsync(RecordedRun run, Sandbox sandbox)
    {
        if (!run.NeedsProcess)
        {
            return await sandbox.RunAsync(run.Args);
        }

        using CliProcess process = sandbox.Start(run.Args);

        // The recordings let upstream's one-second ticks pass; nothing here waits for a tick once the program has started.
        bool waitsForStart = run.Act.Any(step => step.GetProperty("do").GetString() == "waitFor");
        foreach (JsonElement step in run.Act)
        {
            await sandbox.DoAsync(step, process, waitsForStart ? LongestPause : double.MaxValue);
        }

        return await process.WaitAsync();
    }

    private static void CheckFiles(RecordedRun run, Sandbox sandbox)
    {
        if (run.Files is not null)
        {
            Assert.Equal(run.Files.Where(IsCompared).Order(StringComparer.Ordinal), sandbox.Files().Where(IsCompared));
        }

        if (run.Rows is { } rows && run.Args.Contains("restore") && run.Args.Contains("-o"))
        {
            string output = sandbox.Fill(run.Args[Array.IndexOf(run.Args, "-o") + 1]);
            Assert.Equal(rows.ValueKind == JsonValueKind.Number ? rows.GetInt32() : null, sandbox.Rows(output));
        }
    }

    /// <summary>Not compared: the files of SQLite itself, merged files and snapshots, which depend on timing, and our lock files.</summary>
    private static bool IsCompared(string file) =>
        !file.EndsWith("-shm", StringComparison.Ordinal) && !file.EndsWith("-wal", StringComparison.Ordinal)
        && !(file.Contains("/ltx/", StringComparison.Ordinal) && !file.Contains("/ltx/0/", StringComparison.Ordinal))
        && !file.EndsWith("/lock", StringComparison.Ordinal);
}
