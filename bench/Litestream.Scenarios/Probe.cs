using System.Diagnostics;
using System.Globalization;

namespace Litestream.Scenarios;

/// <summary>The small C program that writes, reads and watches (Native/*.c), built on first use.</summary>
internal sealed class Probe
{
    private readonly string path;

    private Probe(string path) => this.path = path;

    public static async Task<Probe> BuildAsync()
    {
        string[] sources = Directory.GetFiles(Path.Combine(Folders.Root, "bench", "Litestream.Scenarios", "Native"), "*.c");
        string library = Path.Combine(Folders.Root, "artifacts", "native", "linux-x64", "liblitestream_sqlite3.a");
        string target = Folders.Probe;
        if (!File.Exists(target) || File.GetLastWriteTimeUtc(target) < sources.Max(File.GetLastWriteTimeUtc))
        {
            await RunAsync("gcc", ["-O2", "-Wall", "-Wextra", "-Werror", .. sources, library, "-o", target, "-lm", "-lpthread"]);
        }

        return new Probe(target);
    }

    /// <summary>Runs one mode to its end and returns the numbers of its output's lines.</summary>
    public async Task<long[][]> RunAsync(params string[] arguments)
    {
        string output = await RunAsync(path, arguments);
        return [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Numbers)];
    }

    /// <summary>Runs a command and measures it from outside.</summary>
    public async Task<CommandCost> MeasureAsync(params string[] command)
    {
        using Process process = Start(path, ["run", .. command]);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string error = await process.StandardError.ReadToEndAsync();
        await output;
        await process.WaitForExitAsync();
        int at = error.LastIndexOf("probe-run ", StringComparison.Ordinal);
        long[] numbers = Numbers(error[(at + "probe-run ".Length)..].Trim());
        return numbers[3] == 0
            ? new CommandCost(numbers[0] / 1e6, numbers[1] / 1e6, numbers[2] * 1024)
            : throw new InvalidOperationException($"{string.Join(' ', command)} ended with {numbers[3]}: {error}");
    }

    public Process StartWatch(string directory) => Start(path, ["watch", directory]);

    public Process StartVisible(string database) => Start(path, ["visible", database]);

    /// <summary>A proxy in front of a local port; it ends with its standard input.</summary>
    public Process StartProxy(int port, TimeSpan delay, double bytesPerSecond) => Start(path, ["proxy", Text(port), Text(delay.TotalMicroseconds), Text(bytesPerSecond)]);

    /// <summary>The command that transfers pieces of a file; see <see cref="S3Transfer"/>.</summary>
    public string[] Transfer(string kind, int port, string list, string file, int connections, double stretch) =>
        [path, "transfer", kind, Text(port), list, file, Text(connections), Text(stretch)];

    public Process StartWatchAll(string list) => Start(path, ["watchall", list]);

    public static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);

    private static long[] Numbers(string line) =>
        [.. line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(word => long.Parse(word, CultureInfo.InvariantCulture))];

    private static async Task<string> RunAsync(string file, string[] arguments)
    {
        using Process process = Start(file, arguments);
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? output
            : throw new InvalidOperationException($"{Path.GetFileName(file)} {string.Join(' ', arguments)} ended with {process.ExitCode}: {await error}");
    }

    private static Process Start(string file, string[] arguments) =>
        Process.Start(new ProcessStartInfo(file, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })
        ?? throw new InvalidOperationException($"{file} did not start");
}
