using Litestream.Cli.Flags;
using Litestream.Cli.Output;
using Litestream.Follow;
using Litestream.Ltx;
using Litestream.Restore;

namespace Litestream.Cli.Commands;

/// <summary>The flags of <c>litestream restore</c> and the checks that need nothing but the flags (§2.2).</summary>
internal sealed class RestoreFlags
{
    private readonly TextFlag timestamp;
    private readonly TextFlag asOf;
    private readonly IntegerFlag parallelism;
    private readonly TextFlag integrityCheck;

    public RestoreFlags(FlagSet flags)
    {
        Output = flags.Add(new TextFlag("o", "PATH", "Where to write the database; needed with a replica URL.\nDefault: the path of the database."));
        Txid = flags.Add(new ParsedFlag<Txid>("txid", "TXID", default, ParseTxid, "Restore up to this transaction, 16 hex digits. Default: the last one."));
        timestamp = flags.Add(new TextFlag("timestamp", "TIMESTAMP", "Restore the state at this time, such as 2000-01-01T00:00:00Z.\nDefault: the latest."));
        asOf = flags.Add(new TextFlag("as-of", "TIMESTAMP", "Read the replica as the store held it at this time: undoes deletions and overwriting.\nOnly for s3 buckets with versioning."));
        parallelism = flags.Add(new IntegerFlag("parallelism", "NUM", RestoreOptions.DefaultParallelism, "Parts of the backup read at the same time (default 8)."));
        IfDatabaseMissing = flags.Add(new BooleanFlag("if-db-not-exists", "Do nothing, successfully, if the output exists."));
        IfReplicaExists = flags.Add(new BooleanFlag("if-replica-exists", "Do nothing, successfully, if there is no backup."));
        DryRun = flags.Add(new BooleanFlag("dry-run", "Only print which files would be used."));
        Force = flags.Add(new BooleanFlag("force", "Replace an existing database. It stays until the new one is complete."));
        Follow = flags.Add(new BooleanFlag("f", "Follow the replica: apply what comes, for ever, while others read."));
        FollowInterval = flags.Add(new DurationFlag("follow-interval", "DURATION", FollowOptions.DefaultInterval, "How often to look for changes with -f (default 1s)."));
        All = flags.Add(new BooleanFlag("all", "Restore every database of the configuration file; with -o DIR below that directory."));
        Delta = flags.Add(new TextFlag("delta", "PATH", "Fetch only the pages that this older or damaged copy lacks. It is kept until the\nend; -o may be the same path."));
        integrityCheck = flags.Add(new TextFlag(
            "integrity-check", "MODE", "Let SQLite check the result: none, quick or full (default none).\nChecksums are verified in any case.", "none"));
        Json = flags.Add(new BooleanFlag("json", "Print the result as JSON; log records go to standard error."));
    }

    public TextFlag Output { get; }

    public ParsedFlag<Txid> Txid { get; }

    public BooleanFlag IfDatabaseMissing { get; }

    public BooleanFlag IfReplicaExists { get; }

    public BooleanFlag DryRun { get; }

    public BooleanFlag Force { get; }

    public BooleanFlag All { get; }

    public TextFlag Delta { get; }

    public BooleanFlag Follow { get; }

    public DurationFlag FollowInterval { get; }

    public BooleanFlag Json { get; }

    /// <summary>Word for the integrity check, as given.</summary>
    public string IntegrityWord => integrityCheck.Value;

    /// <summary>The time whose objects are read; null = those of now.</summary>
    /// <exception cref="CliException">The value is no time.</exception>
    public DateTimeOffset? AsOf => asOf.Value.Length == 0 ? null : Rfc3339.TryParse(asOf.Value, out DateTimeOffset time)
        ? time
        : throw new CliException("invalid -as-of, must be a time such as 2000-01-01T00:00:00Z");

    /// <summary>The options that the flags stand for.</summary>
    /// <param name="path">Absolute output path.</param>
    /// <param name="isUrl">Whether the replica was given as a URL; then the time must lie within its range.</param>
    /// <exception cref="CliException">A value is invalid.</exception>
    public RestoreOptions ToOptions(string path, bool isUrl)
    {
        IntegrityCheckMode mode = IntegrityWord switch
        {
            "none" => IntegrityCheckMode.None,
            "quick" => IntegrityCheckMode.Quick,
            "full" => IntegrityCheckMode.Full,
            _ => throw new CliException($"invalid -integrity-check value: {IntegrityWord}"),
        };
        DateTimeOffset? time = null;
        if (timestamp.Value.Length > 0)
        {
            // The space before "format" is a non-breaking one, as in the message that scripts know.
            time = Rfc3339.TryParse(timestamp.Value, out DateTimeOffset parsed)
                ? parsed
                : throw new CliException("invalid -timestamp, must specify in ISO 8601\u00a0format (e.g. 2000-01-01T00:00:00Z)");
        }

        return new RestoreOptions
        {
            OutputPath = path,
            TargetTxid = Txid.Value,
            Timestamp = time,
            Parallelism = (int)Math.Clamp(parallelism.Value, 1, RestoreOptions.MaxParallelism),
            IntegrityCheck = mode,
            Force = Force.Value,
            CheckTimestampBounds = isUrl,
        };
    }

    private static (Txid Value, string? Problem) ParseTxid(string text) =>
        Ltx.Txid.TryParse(text, out Txid txid) ? (txid, null) : (txid, "invalid txid format");
}
