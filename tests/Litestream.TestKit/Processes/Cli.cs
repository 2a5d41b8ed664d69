using System.Diagnostics;

namespace Litestream.TestKit.Processes;

/// <summary>Runs commands to their end.</summary>
public static class Cli
{
    /// <summary>Runs the published <c>litestream</c>.</summary>
    public static Task<CliResult> RunAsync(params string[] arguments) => RunProgramAsync(Checkout.Litestream, arguments);

    /// <summary>Runs the published <c>litestream</c> and demands success.</summary>
    public static async Task<CliResult> RunOkAsync(params string[] arguments)
    {
        CliResult result = await RunAsync(arguments);
        return result.ExitCode == 0 ? result : throw new InvalidOperationException(
            $"litestream {string.Join(' ', arguments)}: exit code {result.ExitCode}{Environment.NewLine}{result.StandardOutput}{result.StandardError}");
    }

    /// <summary>Runs any program.</summary>
    public static async Task<CliResult> RunProgramAsync(string executable, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(executable, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw new TimeoutException($"{executable} {string.Join(' ', arguments)} does not end");
        }

        return new CliResult(process.ExitCode, await output, await error);
    }
}
