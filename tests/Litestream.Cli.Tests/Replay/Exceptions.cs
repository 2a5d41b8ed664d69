namespace Litestream.Cli.Tests.Replay;

/// <summary>
/// Records that are not replayed, or not word by word, each with the reason. Records with <c>defect</c> are not listed: a test named
/// after the entry requires the better behaviour instead.
/// </summary>
internal static class Exceptions
{
    private const string S3 = "the S3 backend comes with a later issue";
    private const string B28 = "an address in place of the bucket is refused (trap B28)";
    private const string D11 = "snapshot settings are per database (decision D11)";
    private const string B5 = "a file that is no database is an error of the final sync, too (trap B5)";
    private const string ExecStart = "the databases are closed with a final sync although the child did not start";
    private const string ExecParse = "a command that cannot be parsed is refused before anything is started";
    private const string FullCopy = "a WAL without header cannot prove that nothing was missed: a full copy is taken, with a WARN";
    private const string Later = "compaction, retention, validation and metrics come with a later issue";
    private const string Socket = "the control socket comes with a later issue";
    private const string Watch = "watching directories comes with a later issue";

    /// <summary>Records of features that this version does not have, and of behaviour that a decision changes.</summary>
    public static string? SkipReason(RecordedRun run)
    {
        if (run.ExitCode is null && run.KilledBySignal is null)
        {
            return "the recording has no end";
        }

        return Skipped.GetValueOrDefault((run.Family, run.Name));
    }

    /// <summary>Records whose error is another library's wording: stream and exit code count, the text only up to <c>Error: </c>.</summary>
    public static bool IsOtherWording(RecordedRun run) => OtherWording.Contains((run.Family, run.Name));

    private static readonly Dictionary<(string Family, string Name), string> Skipped = new()
    {
        [("config", "url s3://127.0.0.1:9000/b/p")] = B28,
        [("config", "db snapshot zero")] = D11,
        [("config", "db snapshot conflict")] = D11,
        [("config", "db snapshot retention conflict")] = D11,
        [("config", "db snapshot conflict but global")] = D11,
        [("version", "version -verbose")] = "our own components are listed",
        [("process", "SIGQUIT")] = "a stack dump is not to be copied; the runtime's default applies",
        [("process", "not a database 3 s")] = B5,
        [("process", "exec true")] = "every database is synced before it is closed (trap B45), so there are more files",
        [("process", "exec not found")] = ExecStart,
        [("process", "exec not on PATH")] = ExecStart,
        [("process", "exec not executable")] = ExecStart,
        [("process", "exec env assignment")] = ExecStart,
        [("process", "exec unbalanced")] = ExecParse,
        [("process", "exec parenthesis")] = ExecParse,
        [("process", "exec flag beats config")] = "the exit code of the child is passed on (trap B7)",
        [("process", "exec env has AWS copy")] = "no secret is copied into the environment of children (decision D37)",
        [("process", "silent S3 server, restore, SIGINT")] = S3,
        [("directory", "watch: create, nested create, remove, recreate, directory removed")] = Watch,
        [("directory", "watch: empty at start, then appears")] = Watch,
        [("restore", "follow SIGINT")] = "applied updates are logged with files and lag_ms (decision D18)",
        [("restore", "follow -if-db-not-exists existing")] = "an existing database is continued (store-and-restore F7)",
        [("replicate", "database directory not writable path is a directory")] = "nothing was opened, so nothing fails to close",
        [("replicate", "db snapshot promoted")] = Later,
        [("replicate", "db snapshot, global wins")] = Later,
        [("replicate", "global endpoint inherited")] = S3,
        [("replicate", "validation finds a gap")] = Later,
        [("replicate", "not a database run")] = B5,
        [("replicate", "once not a database")] = B5,
        [("replicate", "addr in use")] = Later,
        [("replicate", "addr empty host")] = Later,
        [("replicate", "addr bad")] = Later,
        [("replicate", "mcp-addr bad")] = "the MCP server comes with a later issue",
        [("replicate", "socket")] = Socket,
        [("replicate", "socket path is a file")] = Socket,
        [("replicate", "socket dir missing")] = Socket,
        [("replicate", "socket too long")] = Socket,
        [("replicate", "retention disabled")] = Later,
        [("replicate", "log text source")] = "a native executable does not know source lines; logging.source is reported",
        [("replicate", "log json source stderr")] = "a native executable does not know source lines; logging.source is reported",
        [("replicate", "restore-if-db-not-exists, restores")] = FullCopy,
        [("replicate", "restore-if-db-not-exists key")] = FullCopy,
        [("replicate", "legacy config")] = "its addr is reported (metrics come later), its retired keys are, too (trap B1)",
        [("replicate", "once enforce-retention")] = Later,
        [("replicate", "once both")] = Later,
        [("replicate", "once again without change")] = FullCopy,
        [("replicate", "restore-if-db-not-exists argument mode")] = FullCopy,
        [("replicate", "restore-if-db-not-exists, local state kept")] = FullCopy,
        [("replicate", "once empty database file")] = "an empty file has nothing to copy; it is replicated once it has content",
        [("replicate", "once first of two missing")] = "closing syncs every database once (trap B45), also those behind the failed one",
        [("replicate", "once replica path is a file")] = "found when the replica is initialised, before any database is opened (decision D10)",
        [("replicate", "once, S3 endpoint refuses connections")] = S3,
    };

    private static readonly HashSet<(string Family, string Name)> OtherWording =
    [
        ("config", "malformed yaml indent"),
        ("config", "malformed yaml tab"),
        ("config", "malformed yaml bracket"),
        ("config", "top level is a list"),
        ("config", "top level is text"),
        ("config", "dbs is a map"),
        ("config", "dbs item is text"),
        ("config", "url http://x/y"),
        ("config", "part-size -5MB"),
        ("environment", "expand in comment"),
        ("reset", "reset bad config"),
        ("restore", "corrupt ltx"),
        ("replicate", "restore-if-db-not-exists, corrupt"),
        ("restore", "sqlite:// db path"),
        ("replicate", "json logging error"),
    ];
}
