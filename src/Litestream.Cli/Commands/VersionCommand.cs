using System.Runtime.InteropServices;
using Litestream.Cli.Flags;
using Litestream.Sqlite;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream version</c> (§2.8).</summary>
internal sealed class VersionCommand : Command
{
    private readonly BooleanFlag verbose;

    public VersionCommand(CliHost host)
        : base(host)
    {
        verbose = Flags.Add(new BooleanFlag("verbose", "Print the versions of what the program is made of, too."));
        Flags.AddAlias("v", verbose);
    }

    public override string Name => "version";

    public override string Summary => "print the version";

    public override IReadOnlyList<string> Synopsis => ["version [arguments]"];

    public override string Description => "Prints the version of this program.";

    public override Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        if (!verbose.Value)
        {
            Print(BuildInfo.Version + "\n");
            return Task.FromResult(0);
        }

        string architecture = RuntimeInformation.OSArchitecture switch
        {
            Architecture.X64 => "amd64",
            Architecture other => other.ToString().ToLowerInvariant(),
        };
        Print($"Version:      {BuildInfo.Version}\n");
        Print($".NET Version: {Environment.Version}\n");
        Print($"SQLite:       {SqliteLibrary.Version}\n");
        Print($"Git Commit:   {BuildInfo.Revision}\n");
        Print($"Commit Time:  {BuildInfo.CommitTime}\n");
        Print($"OS/Arch:      linux/{architecture}\n");
        return Task.FromResult(0);
    }
}
