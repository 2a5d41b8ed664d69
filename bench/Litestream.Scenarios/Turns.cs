namespace Litestream.Scenarios;

/// <summary>Runs a scenario with each executable in turns, so that a noisy machine is noisy for both.</summary>
internal static class Turns
{
    public static async Task<bool> RunAsync(IScenario scenario, ScenarioOptions options, Probe probe)
    {
        var runs = options.Executables.ToDictionary(executable => executable.Label, _ => new List<IReadOnlyList<Figure>>());
        for (int turn = 0; turn < options.Turns; turn++)
        {
            foreach ((string label, string path) in options.Executables)
            {
                try
                {
                    string folder = Folders.NewRun(scenario.Name + "-" + label, options.Folder);
                    IReadOnlyList<Figure> figures = await scenario.RunAsync(new ScenarioRun(path, options, probe, folder));
                    runs[label].Add(figures);
                    Print(scenario, label, figures);
                }
                catch (Exception exception) when (exception is InvalidOperationException or IOException or TimeoutException)
                {
                    Console.WriteLine($"{scenario.Name,-10} {label,-8} FAILED {exception.Message}");
                    return false;
                }
            }
        }

        if (options.Turns > 1)
        {
            foreach ((string label, List<IReadOnlyList<Figure>> figures) in runs)
            {
                Print(scenario, label + ":median", [.. figures[0].Select((figure, at) => figure with { Value = Statistics.Median(figures.Select(run => run[at].Value)) })]);
            }
        }

        return true;
    }

    private static void Print(IScenario scenario, string label, IReadOnlyList<Figure> figures) =>
        Console.WriteLine($"{scenario.Name,-10} {label,-8} {string.Join("  ", figures)}");
}
