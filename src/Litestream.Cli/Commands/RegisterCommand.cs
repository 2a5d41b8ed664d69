using Litestream.Cli.Flags;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream register</c>: adds a database to a running daemon (§2.7).</summary>
internal sealed class RegisterCommand : SocketCommand
{
    private readonly TextFlag replica;

    public RegisterCommand(CliHost host)
        : base(host, "register", "replicate one more database", 30, takesPath: true) =>
        replica = Flags.Add(new TextFlag("replica", "URL", "Where to replicate to."));

    protected override string Example => "litestream register -replica s3://bucket/prefix /path/to/db";

    protected override void CheckArguments(IReadOnlyList<string> arguments)
    {
        base.CheckArguments(arguments);
        if (replica.Value.Length == 0)
        {
            throw new CliException("-replica is required", Example);
        }
    }
}
