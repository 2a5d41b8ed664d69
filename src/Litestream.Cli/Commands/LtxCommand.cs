using System.Globalization;
using Litestream.Cli.Flags;
using Litestream.Cli.Output;
using Litestream.Configuration;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream ltx</c>: the LTX files of a replica, or what is inside single files (§2.5).</summary>
internal sealed class LtxCommand : Command
{
    private const int AllLevels = -1;

    private readonly ConfigFlags config;
    private readonly ParsedFlag<int> level;
    private readonly BooleanFlag json;
    private readonly BooleanFlag dump;
    private readonly BooleanFlag verify;

    public LtxCommand(CliHost host)
        : base(host)
    {
        config = new ConfigFlags(host, Flags);
        level = Flags.Add(new ParsedFlag<int>("level", "LEVEL", 0, ParseLevel, "Level to list: 0 to 9, or \"all\" (default 0)."));
        json = Flags.Add(new BooleanFlag("json", "Print JSON."));
        dump = Flags.Add(new BooleanFlag("dump", "The argument is an LTX file: print everything in it."));
        verify = Flags.Add(new BooleanFlag(
            "verify", "The arguments are LTX files or directories of them: read each completely and\ncheck everything in it. Exit code 1 if one is damaged."));
    }

    public override string Name => "ltx";

    public override string Summary => "list, print and verify LTX files";

    public override IReadOnlyList<string> Synopsis =>
    [
        "ltx [arguments] DB_PATH", "ltx [arguments] REPLICA_URL", "ltx -dump FILE", "ltx -verify [-json] PATH...",
    ];

    public override string Description => """
        Lists the LTX files of a database's replica. With -dump or -verify it reads
        LTX files of this machine instead.
        """;

    public override async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        bool single = dump.Value || !verify.Value;
        if (arguments.Count == 0)
        {
            throw single && !dump.Value
                ? new CliException("database path or replica URL required", "litestream ltx /path/to/db")
                : new CliException("LTX file required", dump.Value ? "litestream ltx -dump FILE" : "litestream ltx -verify FILE");
        }

        if (single)
        {
            RequireAtMost(arguments, 1);
        }

        if (dump.Value && verify.Value)
        {
            throw new CliException("cannot specify -dump and -verify together");
        }

        if (dump.Value)
        {
            Dump(Host.Paths.MakeAbsolute(arguments[0]));
            return 0;
        }

        if (verify.Value)
        {
            return await new LtxVerification(Host, json.Value).RunAsync([.. arguments.Select(Host.Paths.MakeAbsolute)]).ConfigureAwait(false);
        }

        return await ListAsync(arguments[0]).ConfigureAwait(false);
    }

    private void Dump(string path)
    {
        if (Host.Files.Stat(path) is not { Kind: FileKind.Regular })
        {
            throw new CliException($"no such file: {path}");
        }

        using IFile file = Host.Files.OpenRead(path);
        using FileRangeStream source = new(file, 0, file.Length);
        LtxDump.Write(source, Host.Output, path);
    }

    private async Task<int> ListAsync(string argument)
    {
        ConfiguredDatabase database = ReplicaLocator.Find(Host, config, argument);
        IReplicaClient client = Host.Replicas.Create(database.Target);
        List<LtxFileInfo> files = [];
        await using (client.ConfigureAwait(false))
        {
            await client.InitializeAsync(default).ConfigureAwait(false);
            foreach (int wanted in level.Value == AllLevels ? Enumerable.Range(0, LtxFileInfo.LevelCount) : [level.Value])
            {
                await foreach (LtxFileInfo file in client.ListAsync(wanted, Txid.None, true, default).ConfigureAwait(false))
                {
                    files.Add(file);
                }
            }
        }

        Print(json.Value ? FormatJson(files) : FormatTable(files));
        return 0;
    }

    private static string FormatJson(List<LtxFileInfo> files) => JsonOutput.FormatArray(files, static (writer, file) =>
    {
        writer.WriteNumber("level", file.Level);
        writer.WriteString("min_txid", file.MinTxid.ToString());
        writer.WriteString("max_txid", file.MaxTxid.ToString());
        writer.WriteNumber("size", file.Size);
        writer.WriteString("timestamp", TimeText.Seconds(file.CreatedAt));
    });

    private static string FormatTable(List<LtxFileInfo> files)
    {
        TextTable table = new("level", "min_txid", "max_txid", "size", "created");
        foreach (LtxFileInfo file in files)
        {
            table.Add(
                file.Level.ToString(CultureInfo.InvariantCulture), file.MinTxid.ToString(), file.MaxTxid.ToString(),
                file.Size.ToString(CultureInfo.InvariantCulture), TimeText.Seconds(file.CreatedAt));
        }

        return table.ToString();
    }

    private static (int Level, string? Problem) ParseLevel(string text)
    {
        if (text == "all")
        {
            return (AllLevels, null);
        }

        if (!int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int level))
        {
            return (0, "invalid level: must be 0-9 or \"all\"");
        }

        return level is < 0 or >= LtxFileInfo.LevelCount ? (0, "level must be between 0 and 9") : (level, null);
    }
}
