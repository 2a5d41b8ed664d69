using System.Globalization;
using System.Text.Json;
using Litestream.Cli.Flags;
using Litestream.Cli.Output;
using Litestream.Configuration;
using Litestream.Ltx;
using Litestream.Storage;
using Litestream.Verify;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream status</c>: what the local files say, without asking daemon or replica (§2.4).</summary>
internal sealed class StatusCommand : Command
{
    private readonly ConfigFlags config;
    private readonly BooleanFlag json;

    public StatusCommand(CliHost host)
        : base(host)
    {
        config = new ConfigFlags(host, Flags);
        json = Flags.Add(new BooleanFlag("json", "Print a JSON array."));
    }

    public override string Name => "status";

    public override string Summary => "show the local state of the databases";

    public override IReadOnlyList<string> Synopsis => ["status [arguments] [database path]"];

    public override string Description => """
        Shows for each database of the configuration file, or for one of them, the last
        transaction that was captured, the size of the write-ahead log, and the result
        of the last verification of its replica. Only local files are read; neither a
        running daemon nor the replica is asked.
        """;

    public override Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        DatabaseResolver resolver = new(config.Load(), Host.Configuration);
        IReadOnlyList<ConfiguredDatabase> databases = resolver.ResolveAll(allowEmptyDirectories: true);
        if (arguments.Count > 0)
        {
            string path = Host.Paths.Expand(arguments[0]);
            databases = resolver.Find(path) is { } found
                ? [found]
                : throw new CliException($"database not found in config: {path}");
        }

        List<(string Database, string Status, string Txid, string WalSize)> rows = [.. databases.Select(d => Examine(d.Options))];
        Dictionary<string, VerificationStatus> verified = databases
            .Select(d => (d.Options.Path, Status: VerificationStatus.Read(Host.Files, d.Options)))
            .Where(found => found.Status is not null).ToDictionary(found => found.Path, found => found.Status!);
        if (json.Value)
        {
            Print(JsonOutput.FormatArray(rows, (writer, row) =>
            {
                writer.WriteString("database", row.Database);
                writer.WriteString("status", row.Status);
                writer.WriteString("local_txid", row.Txid);
                writer.WriteString("wal_size", row.WalSize);
                if (verified.TryGetValue(row.Database, out VerificationStatus? status))
                {
                    Write(writer, status);
                }
            }));
            return Task.FromResult(0);
        }

        // Scripts know four columns; who verifies gets a fifth.
        bool any = verified.Count > 0;
        TextTable table = new([.. (string[])["database", "status", "local txid", "wal size"], .. any ? (string[])["replica"] : []]);
        rows.ForEach(row => table.Add(
            [row.Database, row.Status, row.Txid, row.WalSize, .. any ? (string[])[Describe(verified.GetValueOrDefault(row.Database))] : []]));
        Print(table.ToString());
        return Task.FromResult(0);
    }

    private static string Describe(VerificationStatus? status) => status switch
    {
        null => "not verified",
        { DamagedFiles: > 0 } => string.Create(
            CultureInfo.InvariantCulture, $"{status.Result}: {status.DamagedFiles} files, proven to {status.Proven} at {TimeText.Seconds(status.ProvenAt)}"),
        _ => $"{status.Result}: to {status.Proven} at {TimeText.Seconds(status.ProvenAt)}",
    };

    private static void Write(Utf8JsonWriter writer, VerificationStatus status)
    {
        writer.WriteStartObject("verification");
        writer.WriteString("result", status.Result);
        writer.WriteString("proven_txid", status.Proven.IsNone ? "" : status.Proven.ToString());
        writer.WriteString("proven_time", status.ProvenTime is { } time ? TimeText.Milliseconds(time) : "");
        writer.WriteString("proven_at", TimeText.Seconds(status.ProvenAt));
        writer.WriteString("finished_at", TimeText.Seconds(status.FinishedAt));
        writer.WriteNumber("damaged_files", status.DamagedFiles);
        writer.WriteNumber("lost_ranges", status.LostRanges);
        writer.WriteEndObject();
    }

    private (string Database, string Status, string Txid, string WalSize) Examine(DatabaseOptions options)
    {
        if (Host.Files.Stat(options.Path) is null)
        {
            return (options.Path, "no database", "-", "-");
        }

        string walSize = ByteSizeText.Format(Host.Files.Stat(options.Path + "-wal")?.Size ?? 0);
        try
        {
            Txid last = LastLocalTxid(options.StateDirectory + "/ltx/0");
            return last.IsNone
                ? (options.Path, "not initialized", "-", walSize)
                : (options.Path, "ok", last.ToString(), walSize);
        }
        catch (IOException)
        {
            return (options.Path, "error", "-", walSize);
        }
    }

    /// <summary>Highest transaction among the captured files; 0 if there are none.</summary>
    private Txid LastLocalTxid(string directory)
    {
        if (Host.Files.Stat(directory) is { Kind: not FileKind.Directory })
        {
            throw new IOException($"{directory} is not a directory");
        }

        Txid last = Txid.None;
        foreach (DirectoryEntry entry in Host.Files.List(directory))
        {
            if (LtxFileName.TryParse(entry.Name, out _, out Txid max) && max > last)
            {
                last = max;
            }
        }

        return last;
    }
}
