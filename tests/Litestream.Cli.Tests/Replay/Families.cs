namespace Litestream.Cli.Tests.Replay;

/// <summary>Replays fixtures/cli/general.json.</summary>
public sealed class GeneralReplay() : ReplayTests("general")
{
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "general", false)]
    public Task Recorded_run(string name) => ReplayAsync(name);
}

/// <summary>Replays fixtures/cli/databases.json.</summary>
public sealed class DatabasesReplay() : ReplayTests("databases")
{
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "databases", false)]
    public Task Recorded_run(string name) => ReplayAsync(name);
}

/// <summary>Replays fixtures/cli/status.json.</summary>
public sealed class StatusReplay() : ReplayTests("status")
{
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "status", false)]
    public Task Recorded_run(string name) => ReplayAsync(name);
}

/// <summary>Replays fixtures/cli/ltx.json.</summary>
public sealed class LtxReplay() : ReplayTests("ltx")
{
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "ltx", false)]
    public Task Recorded_run(string name) => ReplayAsync(name);
}

/// <summary>Replays fixtures/cli/reset.json.</summary>
public sealed class ResetReplay() : ReplayTests("reset")
{
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "reset", false)]
    public Task Recorded_run(string name) => ReplayAsync(name);
}

/// <summary>Replays fixtures/cli/version.json.</summary>
public sealed class VersionReplay() : ReplayTests("version")
{
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "version", false)]
    public Task Recorded_run(string name) => ReplayAsync(name);
}

/// <summary>Replays fixtures/cli/restore.json.</summary>
public sealed class RestoreReplay() : ReplayTests("restore")
{
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "restore", false)]
    public Task Recorded_run(string name) => ReplayAsync(name);
}

/// <summary>Replays fixtures/cli/replicate.json.</summary>
public sealed class ReplicateReplay() : ReplayTests("replicate")
{
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "replicate", false)]
    public Task Recorded_run(string name) => ReplayAsync(name);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "replicate", true)]
    public Task Recorded_process(string name) => ReplayAsync(name);
}

/// <summary>Replays fixtures/cli/process.json.</summary>
public sealed class ProcessReplay() : ReplayTests("process")
{
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "process", true)]
    public Task Recorded_process(string name) => ReplayAsync(name);
}

/// <summary>Replays fixtures/cli/config.json.</summary>
public sealed class ConfigReplay() : ReplayTests("config")
{
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "config", false)]
    public Task Recorded_run(string name) => ReplayAsync(name);
}

/// <summary>Replays fixtures/cli/environment.json.</summary>
public sealed class EnvironmentReplay() : ReplayTests("environment")
{
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "environment", false)]
    public Task Recorded_run(string name) => ReplayAsync(name);
}

/// <summary>Replays fixtures/cli/directory.json.</summary>
public sealed class DirectoryReplay() : ReplayTests("directory")
{
    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "directory", false)]
    public Task Recorded_run(string name) => ReplayAsync(name);

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Names), "directory", true)]
    public Task Recorded_process(string name) => ReplayAsync(name);
}
