namespace Litestream.Scenarios;

/// <summary>What a scenario is given for one run.</summary>
internal sealed record ScenarioRun(string Executable, ScenarioOptions Options, Probe Probe, string Folder)
{
    public string Database => Path.Combine(Folder, "app.db");

    public string Replica => Path.Combine(Folder, "replica");

    public string ReplicaUrl => "file://" + Replica;

    public string LevelZero => Path.Combine(Replica, "ltx", "0");

    public int Seconds(int ifUnset) => Options.Seconds > 0 ? Options.Seconds : ifUnset;

    public int Samples(int ifUnset) => Options.Samples > 0 ? Options.Samples : ifUnset;

    public Task CreateDatabaseAsync(int rows = 1000) => Probe.RunAsync("create", Database, Probe.Text(rows));
}
