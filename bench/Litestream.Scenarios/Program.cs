using Litestream.Scenarios;

// scenarios NAME... --bin PATH [--against PATH] [--turns N] [--seconds N] [--samples N] [--size BYTES] [--folder PATH]
// Runs black-box scenarios against one or two litestream executables in turns; one line of figures per run.
IScenario[] all =
[
    new StartScenario(), new LatencyScenario(), new LagScenario(), new FollowScenario(), new SlowdownScenario(), new BusyScenario(),
    new SteadyScenario(), new IdleScenario(), new SnapshotScenario(), new SettleScenario(), new RestoreScenario(),
    new FleetScenario(), new BusyFleetScenario(),
    new S3RestoreScenario(), new S3SnapshotScenario(), new S3FilesScenario(), new S3IdleScenario(),
];

ScenarioOptions options;
try
{
    options = ScenarioOptions.Parse(args);
}
catch (ArgumentException exception)
{
    Console.Error.WriteLine(exception.Message);
    Console.Error.WriteLine("usage: scenarios NAME...|all --bin PATH [--against PATH] [--turns N] [--seconds N] [--samples N] [--size BYTES] [--folder PATH]");
    foreach (IScenario scenario in all)
    {
        Console.Error.WriteLine($"  {scenario.Name,-10} {scenario.Summary}");
    }

    return 2;
}

string[] unknown = [.. options.Names.Where(name => name != "all" && all.All(scenario => scenario.Name != name))];
if (unknown.Length > 0)
{
    Console.Error.WriteLine($"no scenario is named {string.Join(", ", unknown)}");
    return 2;
}

Probe probe = await Probe.BuildAsync();
bool failed = false;
foreach (IScenario scenario in all.Where(scenario => options.Names.Contains("all") || options.Names.Contains(scenario.Name)))
{
    failed |= !await Turns.RunAsync(scenario, options, probe);
}

return failed ? 1 : 0;
