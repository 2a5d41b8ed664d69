using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Litestream.Storage.Transport;

namespace Litestream.Storage.S3;

/// <summary>A lease that was taken.</summary>
/// <param name="Generation">Grows by one with every holder.</param>
/// <param name="ExpiresAt">From then on others may take it.</param>
/// <param name="Owner">Who holds it: <c>host:pid</c>.</param>
/// <param name="Tag">Entity tag of the lock object as its holder wrote it.</param>
public sealed record S3LeaseTerm(long Generation, DateTimeOffset ExpiresAt, string Owner, string Tag);

/// <summary>Somebody else holds the lease, or it is held no longer.</summary>
/// <param name="message">Who and until when.</param>
public sealed class S3LeaseException(string message) : ReplicaException(message, isTransient: false);

/// <summary>
/// A lock on a replica's path by conditional writes of <c>&lt;path&gt;/lock.json</c> (backends §4.2). No command uses it: it costs requests while
/// idle (decision D35). The store must honour <c>If-None-Match</c> and <c>If-Match</c>.
/// </summary>
public sealed class S3Lease
{
    private readonly S3Options _options;
    private readonly StorageTransport _transport;
    private readonly string _owner;
    private readonly string _key;
    private S3Bucket? _bucket;

    /// <summary>Creates the lock; nothing is sent.</summary>
    /// <param name="options">The replica.</param>
    /// <param name="transport">Connections of the process.</param>
    /// <param name="owner">Who asks; null = <c>host:pid</c>, or <c>pid-…</c> without a host name.</param>
    public S3Lease(S3Options options, StorageTransport transport, string? owner = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(transport);
        (_options, _transport) = (options, transport);
        string pid = Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        _owner = owner ?? (Environment.MachineName.Length > 0 ? $"{Environment.MachineName}:{pid}" : $"pid-{pid}");
        _key = options.Path.Length > 0 ? options.Path + "/lock.json" : "lock.json";
    }

    /// <summary>How long a lease holds without renewal.</summary>
    public static TimeSpan TimeToLive { get; } = TimeSpan.FromSeconds(30);

    /// <summary>Takes the lease if nobody holds it.</summary>
    /// <exception cref="S3LeaseException">Somebody holds it.</exception>
    public async ValueTask<S3LeaseTerm> AcquireAsync(CancellationToken cancellationToken)
    {
        S3Bucket bucket = await OpenAsync(cancellationToken).ConfigureAwait(false);
        S3LeaseTerm? current = await ReadAsync(bucket, cancellationToken).ConfigureAwait(false);
        DateTimeOffset now = _transport.Options.Time.GetUtcNow();
        if (current is not null && current.ExpiresAt > now)
        {
            throw Held(current);
        }

        var wanted = new S3LeaseTerm((current?.Generation ?? 0) + 1, now + TimeToLive, _owner, "");
        try
        {
            return wanted with { Tag = await bucket.PutSmallAsync(_key, Format(wanted), current?.Tag, cancellationToken).ConfigureAwait(false) };
        }
        catch (S3Exception e) when (S3Bucket.IsConflict(e))
        {
            // The answer to our own first attempt may have been lost.
            S3LeaseTerm? winner = await ReadAsync(bucket, cancellationToken).ConfigureAwait(false);
            return winner is not null && winner with { Tag = "" } == wanted ? winner
                : throw (winner is not null ? Held(winner) : new S3LeaseException($"lease {_key}: lost to another process, which has released it since: try again"));
        }
    }

    /// <summary>Extends a lease that is held.</summary>
    /// <exception cref="S3LeaseException">It is held no longer.</exception>
    public async ValueTask<S3LeaseTerm> RenewAsync(S3LeaseTerm lease, CancellationToken cancellationToken)
    {
        RequireLease(lease);
        S3Bucket bucket = await OpenAsync(cancellationToken).ConfigureAwait(false);
        S3LeaseTerm wanted = lease with { ExpiresAt = _transport.Options.Time.GetUtcNow() + TimeToLive, Tag = "" };
        try
        {
            return wanted with { Tag = await bucket.PutSmallAsync(_key, Format(wanted), lease.Tag, cancellationToken).ConfigureAwait(false) };
        }
        catch (S3Exception e) when (S3Bucket.IsConflict(e) || e.Error.Code is "NoSuchKey" or "NotFound" or "404")
        {
            S3LeaseTerm? holder = await ReadAsync(bucket, cancellationToken).ConfigureAwait(false);
            return holder is not null && holder with { Tag = "" } == wanted ? holder : throw new S3LeaseException($"lease {_key}: lease not held");
        }
    }

    /// <summary>Gives a lease back.</summary>
    /// <exception cref="S3LeaseException">It is held no longer, or released already.</exception>
    public async ValueTask ReleaseAsync(S3LeaseTerm lease, CancellationToken cancellationToken)
    {
        RequireLease(lease);
        S3Bucket bucket = await OpenAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!await bucket.DeleteSmallAsync(_key, lease.Tag, cancellationToken).ConfigureAwait(false))
            {
                throw new S3LeaseException($"lease {_key}: lease already released");
            }
        }
        catch (S3Exception e) when (S3Bucket.IsConflict(e))
        {
            throw new S3LeaseException($"lease {_key}: lease not held");
        }
    }

    private async ValueTask<S3LeaseTerm?> ReadAsync(S3Bucket bucket, CancellationToken cancellationToken)
    {
        if (await bucket.GetSmallAsync(_key, cancellationToken).ConfigureAwait(false) is not (ReadOnlyMemory<byte> json, string tag))
        {
            return null;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement root = document.RootElement;
            return new S3LeaseTerm(
                root.GetProperty("generation").GetInt64(), root.GetProperty("expires_at").GetDateTimeOffset().ToUniversalTime(), root.GetProperty("owner").GetString() ?? "", tag);
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new ReplicaException($"lease {_key}: it holds no lease: {e.Message}; remove the object if nobody replicates here", isTransient: false, e);
        }
    }

    private static ReadOnlyMemory<byte> Format(S3LeaseTerm lease)
    {
        var json = new ArrayBufferWriter<byte>(128);
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            writer.WriteNumber("generation", lease.Generation);
            writer.WriteString("expires_at", HeaderTime.Format(lease.ExpiresAt));
            writer.WriteString("owner", lease.Owner);
            writer.WriteEndObject();
        }

        return json.WrittenMemory;
    }

    private static void RequireLease(S3LeaseTerm? lease)
    {
        if (lease is null)
        {
            throw new ArgumentNullException(nameof(lease), "lease required");
        }

        if (lease.Tag.Length == 0)
        {
            throw new ArgumentException("lease etag required", nameof(lease));
        }
    }

    private S3LeaseException Held(S3LeaseTerm holder) =>
        new($"lease {_key}: lease already held by {holder.Owner} until {HeaderTime.Format(holder.ExpiresAt)}");

    private async ValueTask<S3Bucket> OpenAsync(CancellationToken cancellationToken) =>
        _bucket ??= await S3Opener.OpenAsync(_options, _transport, LocalFileSystem.Instance, cancellationToken).ConfigureAwait(false);
}
