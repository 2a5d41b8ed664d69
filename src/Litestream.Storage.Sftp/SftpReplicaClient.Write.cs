using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using Litestream.Ltx;
using Litestream.Storage.Transport;
using Renci.SshNet.Common;
using Renci.SshNet.Sftp;

namespace Litestream.Storage.Sftp;

/// <summary>Uploads: a file under a temporary name, complete with size and time, then renamed.</summary>
public sealed partial class SftpReplicaClient
{
    private const string TempSuffix = ".tmp";

    private static readonly TimeSpan StaleAge = TimeSpan.FromDays(1);

    private static readonly TimeSpan TempPatience = TimeSpan.FromSeconds(10);

    private readonly bool[] _swept = new bool[LtxFileInfo.LevelCount];

    // Two writers must never share a temp file: the one would publish what the other is still writing.
    private readonly string _writer = RandomNumberGenerator.GetHexString(16, lowercase: true);
    private uint _writes;

    /// <summary>The last search for leftovers.</summary>
    internal Task Sweeping { get; private set; } = Task.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        string path = _keys.File(level, minTxid, maxTxid);
        LtxUploadHead head = await LtxUploadHead.ReadAsync(source, path, cancellationToken).ConfigureAwait(false);
        List<string> leftovers = [];
        await _pool.Uploads.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            using var content = new ReplaySource(head, source);
            var info = new LtxFileInfo(level, minTxid, maxTxid, 0, head.CreatedAt);
            Outcome outcome = await _retry.ExecuteAsync(
                $"write ltx file {path}", token => TryWriteAsync(path, info, content, mode, leftovers, token), cancellationToken).ConfigureAwait(false);
            outcome.Failure?.Throw();
            info = info with { Size = content.Tap.Length };
            if (outcome.Exists)
            {
                await RequireSameAsync(info, content.Tap, path, cancellationToken).ConfigureAwait(false);
            }

            ReplicaMetrics.Count(Type, "PUT", info.Size);
            return info;
        }
        finally
        {
            _pool.Uploads.Release();
            await DeleteTempsAsync(leftovers).ConfigureAwait(false);
        }
    }

    /// <summary>One attempt. What another attempt cannot mend is returned, not thrown.</summary>
    private async ValueTask<Outcome> TryWriteAsync(
        string path, LtxFileInfo info, ReplaySource content, WriteMode mode, List<string> leftovers, CancellationToken cancellationToken)
    {
        string temp = $"{path}.{_writer}{Interlocked.Increment(ref _writes):x8}{TempSuffix}";
        using SftpLease lease = await _pool.Writes.RentAsync(cancellationToken).ConfigureAwait(false);
        content.Rewind();
        leftovers.Add(temp);
        try
        {
            DateTime now = await UploadAsync(lease.Lane, path, temp, info, content, cancellationToken).ConfigureAwait(false);
            bool published = await PublishAsync(lease.Lane, temp, path, info, content, mode, cancellationToken).ConfigureAwait(false);
            if (published)
            {
                leftovers.Remove(temp);
            }

            if (!Interlocked.Exchange(ref _swept[info.Level], true))
            {
                Sweeping = SweepAsync(info.Level, now); // Nobody waits for it.
            }

            return new Outcome(Exists: !published, null);
        }
        catch (Exception failure)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (content.Failure is { } ofSource)
            {
                return new Outcome(false, ExceptionDispatchInfo.Capture(ofSource));
            }

            if (SftpFailure.IsOfServer(failure))
            {
                // The library leaves the handle open when a WRITE is refused: such a connection is not used again.
                lease.Retire = true;
                failure = SftpFailure.IsMissing(failure)
                    ? new ReplicaException($"write ltx file {path}: its directory or temporary file has vanished; does something else clean up there?", isTransient: true, failure)
                    : SftpFailure.Describe($"write ltx file {path}", failure);
            }

            return failure is ReplicaException { IsTransient: true } && content.CanRewind
                ? throw failure
                : new Outcome(false, ExceptionDispatchInfo.Capture(failure));
        }
    }

    /// <summary>Stores the bytes under the temporary name.</summary>
    /// <returns>The server's clock.</returns>
    private async Task<DateTime> UploadAsync(
        SftpLane lane, string path, string temp, LtxFileInfo info, ReplaySource content, CancellationToken cancellationToken)
    {
        try
        {
            await SendAsync(lane, temp, content, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception missing) when (SftpFailure.IsMissing(missing))
        {
            await CreateDirectoryAsync(lane, path[..path.LastIndexOf('/')], cancellationToken).ConfigureAwait(false);
            content.Rewind();
            await SendAsync(lane, temp, content, cancellationToken).ConfigureAwait(false);
        }

        // Size and time are settled before the file gets its name: no break leaves one with a wrong size or time.
        ISftpFile file = await lane.WaitAsync(lane.Client.GetAsync(temp, CancellationToken.None), cancellationToken).ConfigureAwait(false);
        if (file.Length != content.Tap.Length)
        {
            throw new ReplicaException($"write ltx file {path}: {content.Tap.Length} bytes were sent, the server has {file.Length}", isTransient: true);
        }

        DateTime now = file.LastWriteTimeUtc;
        DateTime time = DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(info.CreatedAt.ToUnixTimeSeconds(), 0, uint.MaxValue)).UtcDateTime;
        file.LastAccessTimeUtc = time;
        file.LastWriteTimeUtc = time;
        await lane.BlockAsync(_ => file.UpdateStatus(), cancellationToken).ConfigureAwait(false);
        return now;
    }

    /// <summary>Sends all bytes and closes the file.</summary>
    private async Task SendAsync(SftpLane lane, string temp, ReplaySource content, CancellationToken cancellationToken)
    {
        if (!_options.ConcurrentWrites)
        {
            await SendOneByOneAsync(lane, temp, content, cancellationToken).ConfigureAwait(false);
            return;
        }

        var feed = new UploadFeed(content, lane, cancellationToken);
        await using (feed.ConfigureAwait(false))
        {
            // Not cancelled from outside: the feed ends it, so that the server's handle is closed.
            Task upload = Task.Run(() => lane.Client.UploadFileAsync(feed, temp, canOverride: true, feed, CancellationToken.None), CancellationToken.None);
            try
            {
                await lane.WaitAsync(upload, () => feed.IsReadingSource, CancellationToken.None).ConfigureAwait(false);
            }
            finally
            {
                feed.Abandon();
            }

            ThrowIfIncomplete(content, cancellationToken);
            if (!feed.IsConfirmed)
            {
                throw new SshConnectionException("a WRITE request was not answered");
            }
        }
    }

    private static async Task SendOneByOneAsync(SftpLane lane, string temp, ReplaySource content, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[32 << 10];
        SftpFileStream file = await lane.WaitAsync(
            lane.Client.OpenAsync(temp, FileMode.Create, FileAccess.Write, CancellationToken.None), CancellationToken.None).ConfigureAwait(false);
        try
        {
            int count;
            while ((count = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            {
                await lane.WaitAsync(file.WriteAsync(buffer.AsMemory(0, count), CancellationToken.None).AsTask(), null, CancellationToken.None).ConfigureAwait(false);
            }

            await lane.WaitAsync(file.FlushAsync(CancellationToken.None), null, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            await lane.WaitAsync(file.DisposeAsync().AsTask(), null, CancellationToken.None).ConfigureAwait(false);
        }

        ThrowIfIncomplete(content, cancellationToken);
    }

    private static void ThrowIfIncomplete(ReplaySource content, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (content.Failure is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <summary>Gives the file its name. False if the name is taken in <see cref="WriteMode.CreateOnly"/>.</summary>
    private async Task<bool> PublishAsync(
        SftpLane lane, string temp, string path, LtxFileInfo info, ReplaySource content, WriteMode mode, CancellationToken cancellationToken)
    {
        if (mode == WriteMode.Overwrite && !WithoutPosixRename)
        {
            try
            {
                await lane.BlockAsync(client => client.RenameFile(temp, path, isPosix: true), cancellationToken).ConfigureAwait(false);
                return true;
            }
            catch (NotSupportedException)
            {
                // The server speaks only version 3: a rename never replaces there.
            }
        }

        try
        {
            await lane.WaitAsync(lane.Client.RenameFileAsync(temp, path, CancellationToken.None), null, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception refused) when (SftpFailure.IsAnswer(refused) && refused is not SftpPermissionDeniedException)
        {
            if (!await ExistsAsync(lane, path, cancellationToken).ConfigureAwait(false))
            {
                throw;
            }
        }

        if (mode == WriteMode.CreateOnly)
        {
            return false;
        }

        try
        {
            await ExistingObject.RequireSameAsync(this, info with { Size = content.Tap.Length }, content.Tap.Last, path, cancellationToken).ConfigureAwait(false);
            return false;
        }
        catch (Exception other) when (other is ReplicaConflictException or LtxFileNotFoundException)
        {
            // Between these two requests there is no file of this name; its inputs are still there, and the caller has no success yet.
            await DeleteFileAsync(lane, path, cancellationToken).ConfigureAwait(false);
            await lane.WaitAsync(lane.Client.RenameFileAsync(temp, path, CancellationToken.None), null, cancellationToken).ConfigureAwait(false);
            return true;
        }
    }

    private async ValueTask RequireSameAsync(LtxFileInfo info, TrailerTap tap, string path, CancellationToken cancellationToken)
    {
        try
        {
            await ExistingObject.RequireSameAsync(this, info, tap.Last, path, cancellationToken).ConfigureAwait(false);
        }
        catch (LtxFileNotFoundException gone)
        {
            throw new ReplicaException($"write ltx file {path}: another file of this name came and went; try again", isTransient: true, gone);
        }
    }

    private static async Task<bool> ExistsAsync(SftpLane lane, string path, CancellationToken cancellationToken)
    {
        try
        {
            await lane.WaitAsync(lane.Client.GetAttributesAsync(path, CancellationToken.None), cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (Exception missing) when (SftpFailure.IsMissing(missing))
        {
            return false;
        }
    }

    /// <summary>Creates a directory and its missing parents; others may do the same at the same time.</summary>
    private static async Task CreateDirectoryAsync(SftpLane lane, string directory, CancellationToken cancellationToken)
    {
        int slash = directory.LastIndexOf('/');
        try
        {
            await MakeDirectoryAsync(lane, directory, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception missing) when (SftpFailure.IsMissing(missing) && slash > 0)
        {
            await CreateDirectoryAsync(lane, directory[..slash], cancellationToken).ConfigureAwait(false);
            await MakeDirectoryAsync(lane, directory, cancellationToken).ConfigureAwait(false);
        }
    }

    private static async Task MakeDirectoryAsync(SftpLane lane, string directory, CancellationToken cancellationToken)
    {
        try
        {
            await lane.WaitAsync(lane.Client.CreateDirectoryAsync(directory, CancellationToken.None), null, cancellationToken).ConfigureAwait(false);
        }
        catch (SftpException failed) when (failed.StatusCode == StatusCode.Failure)
        {
            if (!await ExistsAsync(lane, directory, cancellationToken).ConfigureAwait(false))
            {
                throw;
            }
        }
    }

    /// <summary>
    /// Removes what writers left behind when they were killed, once per level and client. A file of the last day may still be in the
    /// making.
    /// </summary>
    /// <param name="level">The level.</param>
    /// <param name="now">The server's clock.</param>
    private async Task SweepAsync(int level, DateTime now)
    {
        string directory = _keys.Level(level);
        try
        {
            List<ISftpFile> entries = await RunAsync(
                _pool.Writes, $"list {directory}", (lane, token) => ReadDirectoryAsync(lane, directory, token), CancellationToken.None).ConfigureAwait(false);
            ReplicaMetrics.Count(Type, "LIST");
            await DeleteTempsAsync(
            [
                .. entries
                    .Where(entry => entry.IsRegularFile && IsTempName(entry.Name) && now - entry.LastWriteTimeUtc > StaleAge)
                    .Select(entry => directory + entry.Name),
            ]).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException || SftpFailure.IsOfServer(failure))
        {
            // It costs nothing but space; listings ignore them.
        }
    }

    private bool IsTempName(string name)
    {
        int dot = name.IndexOf(".ltx.", StringComparison.Ordinal);
        return dot > 0
            && name.EndsWith(TempSuffix, StringComparison.Ordinal)
            && LtxFileName.TryParse(name.AsSpan(0, dot + 4), out _, out _)
            && !name.Contains(_writer, StringComparison.Ordinal);
    }

    /// <summary>Best effort: listings ignore what stays, and the next sweep finds it.</summary>
    private async ValueTask DeleteTempsAsync(List<string> temps)
    {
        if (temps.Count == 0)
        {
            return;
        }

        using var patience = new CancellationTokenSource(TempPatience, _transport.Time);
        try
        {
            using SftpLease lease = await _pool.Writes.RentAsync(patience.Token).ConfigureAwait(false);
            foreach (string temp in temps)
            {
                await DeleteFileAsync(lease.Lane, temp, patience.Token).ConfigureAwait(false);
            }
        }
        catch (Exception failure) when (failure is IOException or OperationCanceledException || SftpFailure.IsOfServer(failure))
        {
            // The first failure is the one to report.
        }
    }

    private static async Task DeleteFileAsync(SftpLane lane, string path, CancellationToken cancellationToken)
    {
        try
        {
            await lane.WaitAsync(lane.Client.DeleteFileAsync(path, CancellationToken.None), null, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception missing) when (SftpFailure.IsMissing(missing))
        {
            // As wanted.
        }
    }

    /// <summary>How an attempt ended.</summary>
    /// <param name="Exists">The name is taken.</param>
    /// <param name="Failure">What another attempt would not mend.</param>
    private readonly record struct Outcome(bool Exists, ExceptionDispatchInfo? Failure);
}
