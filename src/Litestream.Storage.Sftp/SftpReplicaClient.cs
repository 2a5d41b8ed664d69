using System.Runtime.CompilerServices;
using Litestream.Ltx;
using Litestream.Storage.Transport;
using Renci.SshNet;
using Renci.SshNet.Sftp;

namespace Litestream.Storage.Sftp;

/// <summary>
/// A replica on an SFTP server: <c>&lt;path&gt;/ltx/&lt;level&gt;/&lt;min&gt;-&lt;max&gt;.ltx</c> (backends §4.6, layout B). The header time is the
/// modification time of the file in whole seconds; where milliseconds count it is read from the header (trap T6).
/// </summary>
public sealed partial class SftpReplicaClient : IReplicaClient
{
    private const int HeaderReads = 16;

    private readonly SftpOptions _options;
    private readonly ReplicaKeys _keys;
    private readonly RetryPolicy _retry;
    private readonly SftpPool _pool;
    private readonly TransportOptions _transport;
    private bool _disposed;

    /// <summary>Creates the client; nothing is connected.</summary>
    /// <param name="options">Server, login, path.</param>
    /// <param name="transport">Limits, clock and log of the process. Clients of one transport with the same server and login share connections.</param>
    /// <exception cref="ReplicaException">Host or user is missing, or the port is none.</exception>
    public SftpReplicaClient(SftpOptions options, StorageTransport transport)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(transport);
        _options = options;
        _keys = ReplicaKeys.LtxDirectory(options.Path);
        _transport = transport.Options;
        _retry = transport.CreateRetryPolicy(RetryOptions.Default);
        if (string.IsNullOrEmpty(options.User))
        {
            throw new ReplicaException("user required for sftp replica", isTransient: false);
        }

        _pool = SftpPool.Share(transport, options);
    }

    /// <inheritdoc/>
    public string Type => "sftp";

    /// <summary>True behaves as on a server without <c>posix-rename@openssh.com</c>; for tests.</summary>
    internal bool WithoutPosixRename { get; init; }

    /// <summary>Connections made so far by all clients with the same server and login.</summary>
    internal int ConnectionsMade => _pool.ConnectionsMade;

    /// <inheritdoc/>
    public async ValueTask InitializeAsync(CancellationToken cancellationToken) =>
        await RunAsync(_pool.Writes, $"connect to {_options}", static (_, _) => Task.FromResult(true), cancellationToken).ConfigureAwait(false);

    /// <inheritdoc/>
    public async IAsyncEnumerable<LtxFileInfo> ListAsync(
        int level, Txid seek, bool accurateTimes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string directory = _keys.Level(level);
        List<ISftpFile> entries = await ReadDirectoryAsync(directory, cancellationToken).ConfigureAwait(false);
        List<LtxFileInfo> found = [];
        foreach (ISftpFile entry in entries)
        {
            if (entry.IsRegularFile && LtxFileName.TryParse(entry.Name, out Txid min, out Txid max) && min >= seek)
            {
                found.Add(new LtxFileInfo(level, min, max, entry.Length, new DateTimeOffset(entry.LastWriteTimeUtc, TimeSpan.Zero)));
            }
        }

        found.Sort(static (a, b) => a.MinTxid != b.MinTxid ? a.MinTxid.CompareTo(b.MinTxid) : a.MaxTxid.CompareTo(b.MaxTxid));
        if (accurateTimes)
        {
            found = await ReadTimesAsync(found, cancellationToken).ConfigureAwait(false);
        }

        foreach (LtxFileInfo info in found)
        {
            yield return info;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<Stream> OpenAsync(
        int level, Txid minTxid, Txid maxTxid, long offset, long size, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        string path = _keys.File(level, minTxid, maxTxid);
        string what = $"open ltx file {path} (level {level}, TXID {minTxid} to {maxTxid})";
        ReplicaMetrics.Count(Type, "GET", size);
        return await _retry.ExecuteAsync(
            what,
            async token => await OpenOnceAsync(path, what, offset, size, token).ConfigureAwait(false)
                ?? throw new LtxFileNotFoundException(level, minTxid, maxTxid, path),
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        if (!_disposed)
        {
            _disposed = true;
            _pool.Release();
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Runs an operation on a shared connection until it succeeds, fails for good, or its attempts are used up.</summary>
    private ValueTask<T> RunAsync<T>(
        SftpLaneGroup group, string what, Func<SftpLane, CancellationToken, Task<T>> operation, CancellationToken cancellationToken) =>
        _retry.ExecuteAsync(
            what,
            async token =>
            {
                using SftpLease lease = await group.RentAsync(token).ConfigureAwait(false);
                try
                {
                    return await operation(lease.Lane, token).ConfigureAwait(false);
                }
                catch (Exception failure) when (SftpFailure.IsOfServer(failure))
                {
                    token.ThrowIfCancellationRequested();
                    lease.Retire = !SftpFailure.IsAnswer(failure);
                    throw SftpFailure.Describe(what, failure);
                }
            },
            cancellationToken);

    /// <summary>Opens a file once; null if there is none.</summary>
    private async Task<Stream?> OpenOnceAsync(string path, string what, long offset, long size, CancellationToken cancellationToken)
    {
        SftpLease lease = await _pool.Reads.RentAsync(cancellationToken).ConfigureAwait(false);
        SftpLease? owned = lease;
        try
        {
            Task<SftpFileStream> opening = lease.Lane.StartOpen(path, size);
            SftpFileStream file;
            try
            {
                file = await lease.Lane.WaitAsync(opening, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                owned = null;
                _ = opening.ContinueWith(
                    late => late.IsCompletedSuccessfully ? SftpReadStream.CloseAsync(late.Result, lease) : ReturnAsync(late, lease),
                    CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
                throw;
            }

            if (offset > 0)
            {
                file.Seek(offset, SeekOrigin.Begin); // No request: the next READ carries it.
            }

            owned = null;
            return new SftpReadStream(file, lease, size == 0 ? long.MaxValue : size, what, cancellationToken);
        }
        catch (Exception missing) when (SftpFailure.IsMissing(missing))
        {
            return null;
        }
        catch (Exception failure) when (SftpFailure.IsOfServer(failure))
        {
            cancellationToken.ThrowIfCancellationRequested();
            lease.Retire = !SftpFailure.IsAnswer(failure);
            throw SftpFailure.Describe(what, failure);
        }
        finally
        {
            owned?.Dispose();
        }
    }

    private static Task ReturnAsync(Task failed, SftpLease lease)
    {
        _ = failed.Exception;
        lease.Dispose();
        return Task.CompletedTask;
    }

    /// <summary>All entries of a directory but <c>.</c> and <c>..</c>; empty if it does not exist.</summary>
    private async ValueTask<List<ISftpFile>> ReadDirectoryAsync(string directory, CancellationToken cancellationToken)
    {
        ReplicaMetrics.Count(Type, "LIST");
        return await RunAsync(_pool.Reads, $"list {directory}", (lane, token) => ReadDirectoryAsync(lane, directory, token), cancellationToken)
            .ConfigureAwait(false);
    }

    private static async Task<List<ISftpFile>> ReadDirectoryAsync(SftpLane lane, string directory, CancellationToken cancellationToken)
    {
        List<ISftpFile> entries = [];
        IAsyncEnumerator<ISftpFile> listing = lane.Client.ListDirectoryAsync(directory, cancellationToken).GetAsyncEnumerator(CancellationToken.None);
        try
        {
            while (true)
            {
                ValueTask<bool> next = listing.MoveNextAsync();
                bool more = next.IsCompletedSuccessfully
                    ? next.Result
                    : await lane.WaitAsync(next.AsTask(), cancellationToken).ConfigureAwait(false);
                if (!more)
                {
                    break;
                }

                if (listing.Current.Name is not ("." or ".."))
                {
                    entries.Add(listing.Current);
                }
            }
        }
        catch (Exception missing) when (SftpFailure.IsMissing(missing) && entries.Count == 0)
        {
            // A level that nothing was written to.
        }

        await listing.DisposeAsync().ConfigureAwait(false);
        return entries;
    }

    /// <summary>Replaces the times of a listing by those of the headers; a file that has vanished since is left out.</summary>
    private async Task<List<LtxFileInfo>> ReadTimesAsync(List<LtxFileInfo> files, CancellationToken cancellationToken)
    {
        var times = new DateTimeOffset?[files.Count];
        var limits = new ParallelOptions { MaxDegreeOfParallelism = HeaderReads, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(
            Enumerable.Range(0, files.Count),
            limits,
            async (i, token) => times[i] = await ReadTimeAsync(files[i], token).ConfigureAwait(false)).ConfigureAwait(false);
        return [.. files.Select((file, i) => (file, time: times[i])).Where(pair => pair.time is not null).Select(pair => pair.file with { CreatedAt = pair.time!.Value })];
    }

    /// <summary>A header that cannot be read fails the listing: a wrong time would give a wrong point in time (decision D9).</summary>
    private async ValueTask<DateTimeOffset?> ReadTimeAsync(LtxFileInfo file, CancellationToken cancellationToken)
    {
        string path = _keys.File(file.Level, file.MinTxid, file.MaxTxid);
        string what = $"read header of {path}";
        ReplicaMetrics.Count(Type, "GET", LtxFormat.HeaderSize);
        byte[] header = new byte[LtxFormat.HeaderSize];
        int count = await _retry.ExecuteAsync(
            what,
            async token =>
            {
                Stream? stream = await OpenOnceAsync(path, what, 0, header.Length, token).ConfigureAwait(false);
                if (stream is null)
                {
                    return -1;
                }

                await using (stream.ConfigureAwait(false))
                {
                    return await stream.ReadAtLeastAsync(header, header.Length, throwOnEndOfStream: false, token).ConfigureAwait(false);
                }
            },
            cancellationToken).ConfigureAwait(false);
        if (count < 0)
        {
            return null;
        }

        try
        {
            return DateTimeOffset.FromUnixTimeMilliseconds(LtxHeader.Peek(header.AsSpan(0, count), path).Timestamp);
        }
        catch (Exception defect) when (defect is LtxException or ArgumentOutOfRangeException)
        {
            throw new ReplicaException(
                $"{what}: {defect.Message}; its time is not known, so no point in time can be chosen. Move the file away if it is damaged", isTransient: false, defect);
        }
    }
}
