using Litestream.Cli.Flags;
using Litestream.Cli.Output;
using Litestream.Configuration;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream databases</c>: the databases of the configuration (§2.3).</summary>
internal sealed class DatabasesCommand : Command
{
    private readonly ConfigFlags config;
    private readonly BooleanFlag json;

    public DatabasesCommand(CliHost host)
        : base(host)
    {
        config = new ConfigFlags(host, Flags);
        json = Flags.Add(new BooleanFlag("json", "Print a JSON array."));
    }

    public override string Name => "databases";

    public override string Summary => "list the databases of the configuration file";

    public override IReadOnlyList<string> Synopsis => ["databases [arguments]"];

    public override string Description => "Lists the databases of the configuration file and the kind of their replicas.";

    public override Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        RequireAtMost(arguments, 0);
        DatabaseResolver resolver = new(config.Load(), Host.Configuration);
        List<(int Entry, string Path, string Replica)> rows =
            [.. resolver.ResolveAll(allowEmptyDirectories: true).Select(d => (d.EntryNumber, d.Options.Path, d.Target.Type))];

        // A directory without databases is shown as such, never as some other path (trap B12).
        rows.AddRange(resolver.Directories.Where(d => d.Count == 0).Select(d => (d.EntryNumber, $"{d.Directory}/{d.Pattern}", "-")));
        rows = [.. rows.OrderBy(r => r.Entry)];
        if (json.Value)
        {
            Print(JsonOutput.FormatArray(rows, static (writer, row) =>
            {
                writer.WriteString("path", row.Path);
                writer.WriteString("replica", row.Replica);
            }));
            return Task.FromResult(0);
        }

        TextTable table = new("path", "replica");
        rows.ForEach(row => table.Add(row.Path, row.Replica));
        Print(table.ToString());
        return Task.FromResult(0);
    }
}
