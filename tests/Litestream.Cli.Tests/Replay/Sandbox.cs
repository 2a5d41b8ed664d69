using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Litestream.Cli.Tests.Replay;

/// <summary>A fresh directory in which a command line runs, with the steps that prepare it (fixtures/cli/README).</summary>
internal sealed class Sandbox : IDisposable
{
    private readonly List<SqliteShell> shells = [];
    private readonly Dictionary<string, string> environment;

    public Sandbox(Dictionary<string, string>? variables = null)
    {
        Root = Directory.CreateTempSubdirectory("ls").FullName;
        environment = new()
        {
            ["PATH"] = System.Environment.GetEnvironmentVariable("PATH")!,
            ["HOME"] = Root,
            ["TZ"] = "UTC",
            ["LANG"] = "C.UTF-8",
        };
        foreach ((string name, string value) in variables ?? [])
        {
            environment[name] = Fill(value);
        }
    }

    /// <summary>The directory that <c>{dir}</c> stands for.</summary>
    public string Root { get; }

    public string Config => Root + "/litestream.yml";

    /// <summary>Replaces the placeholders of arguments and files.</summary>
    public string Fill(string text) => text
        .Replace("{dir}", Root, StringComparison.Ordinal)
        .Replace("{now}", DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture), StringComparison.Ordinal)
        .Replace("{past}", "2001-01-01T00:00:00Z", StringComparison.Ordinal)
        .Replace("{future}", "2099-01-01T00:00:00Z", StringComparison.Ordinal);

    public void WriteConfig(string text) => File.WriteAllText(Config, Fill(text));

    /// <summary>Runs a command line in this process.</summary>
    public async Task<RunResult> RunAsync(params string[] args)
    {
        StringWriter output = new() { NewLine = "\n" };
        StringWriter error = new() { NewLine = "\n" };
        int code = await CommandLine.RunAsync([.. args.Select(Fill)], new CliHost
        {
            Output = TextWriter.Synchronized(output),
            Error = TextWriter.Synchronized(error),
            GetVariable = environment.GetValueOrDefault,
            WorkingDirectory = Root,
        });
        return new RunResult(code, output.ToString(), error.ToString());
    }

    /// <summary>Starts a command line as a process of its own.</summary>
    public CliProcess Start(params string[] args) => new(Root, environment, [.. args.Select(Fill)]);

    /// <summary>Carries out a step of a record.</summary>
    public async Task DoAsync(JsonElement step, CliProcess? process = null, double longestPause = double.MaxValue)
    {
        string path = step.TryGetProperty("path", out JsonElement p) ? Fill(p.GetString()!) : "";
        int rows = step.TryGetProperty("rows", out JsonElement r) ? r.GetInt32() : 3;
        switch (step.GetProperty("do").GetString())
        {
            case "db":
                CreateDatabase(path, rows, step.TryGetProperty("journal", out JsonElement journal) ? journal.GetString()! : "wal");
                break;
            case "hold":
                Hold(path, rows);
                break;
            case "insert":
                Insert(path, rows, step.TryGetProperty("hold", out JsonElement hold) && hold.GetBoolean());
                break;
            case "write":
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                await File.WriteAllTextAsync(path, step.GetProperty("text").GetString());
                break;
            case "mkdir":
                Directory.CreateDirectory(path);
                break;
            case "symlink":
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.CreateSymbolicLink(path, Fill(step.GetProperty("to").GetString()!));
                break;
            case "remove":
                Remove(path);
                break;
            case "run" or "cli":
                await RunAsync([.. step.GetProperty("args").EnumerateArray().Select(a => a.GetString()!)]);
                break;
            case "waitFor":
                await process!.WaitForAsync(Fill(step.GetProperty("text").GetString()!));
                break;
            case "sleep":
                await Task.Delay(TimeSpan.FromSeconds(Math.Min(longestPause, step.GetProperty("seconds").GetDouble())));
                break;
            case "signal":
                process!.Send(step.GetProperty("name").GetString()!);
                break;
            case string other:
                throw new InvalidOperationException("unknown step " + other);
        }
    }

    public void CreateDatabase(string path, int rows = 3, string journal = "wal")
    {
        path = Path.Combine(Root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using SqliteShell shell = new(path);
        shell.Execute($"PRAGMA journal_mode={journal}; CREATE TABLE t(x);");
        shell.Insert(rows);
    }

    public void Hold(string path, int rows = 3)
    {
        if (!File.Exists(path))
        {
            CreateDatabase(path, 0);
        }

        Insert(path, rows, hold: true);
    }

    public void Insert(string path, int rows, bool hold = false)
    {
        SqliteShell shell = new(Path.Combine(Root, path));
        shells.Add(shell);
        shell.Insert(rows);
        if (!hold)
        {
            shell.Dispose();
        }
    }

    /// <summary>Rows of table t, or null if the file is no readable database.</summary>
    public int? Rows(string name)
    {
        string path = Path.Combine(Root, name);
        if (!File.Exists(path) || new FileInfo(path).Length == 0)
        {
            return null;
        }

        using Process process = Process.Start(new ProcessStartInfo("sqlite3", ["-readonly", $"file:{Uri.EscapeDataString(path)}?immutable=1", "SELECT count(*) FROM t"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        string text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return int.TryParse(text, CultureInfo.InvariantCulture, out int count) ? count : null;
    }

    /// <summary>Regular files below the directory, without the configuration.</summary>
    public string[] Files() =>
        [.. Below(new DirectoryInfo(Root)).Select(f => Path.GetRelativePath(Root, f)).Where(f => f != "litestream.yml").Order(StringComparer.Ordinal)];

    private static IEnumerable<string> Below(DirectoryInfo directory) => directory.EnumerateFileSystemInfos().SelectMany(
        entry => entry is DirectoryInfo { LinkTarget: null } below ? Below(below) : entry is FileInfo ? [entry.FullName] : (IEnumerable<string>)[]);

    public void Dispose()
    {
        shells.ForEach(s => s.Dispose());
        Directory.Delete(Root, recursive: true);
    }

    private static void Remove(string path)
    {
        if (Directory.Exists(path))
        {
            Directory.Delete(path, recursive: true);
        }
        else
        {
            File.Delete(path);
        }
    }
}

/// <summary>What a command line came to.</summary>
internal sealed record RunResult(int ExitCode, string Output, string Error);
