using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.TestKit.Replicas;

/// <summary>Cases about content, atomicity and deletion; helpers.</summary>
public static partial class ReplicaClientContract
{
    private static async Task WholeFileRoundTrip(IReplicaClient client)
    {
        await Write(client, 0, 1, 1, size: 5000);
        SameBytes(LtxSample.Create(1, 1, 5000), await Read(client, 0, 1, 1), "content of the whole file");
    }

    private static async Task TenMebibytesRoundTrip(IReplicaClient client)
    {
        const int size = 10 << 20;
        await Write(client, 9, 1, 5, size: size);
        SameBytes(LtxSample.Create(1, 5, size), await Read(client, 9, 1, 5), "content of a large file");
    }

    private static async Task RangesAreExact(IReplicaClient client)
    {
        byte[] content = LtxSample.Create(1, 1, 5000);
        await Write(client, 0, 1, 1, size: 5000);
        foreach ((long offset, long size) in new (long, long)[] { (0, 100), (0, 0), (4999, 1), (100, 0), (1234, 2345), (4000, 1000) })
        {
            byte[] part = await Read(client, 0, 1, 1, offset, size);
            int length = size == 0 ? 5000 - (int)offset : (int)size;
            SameBytes(content.AsMemory((int)offset, length), part, $"range at {offset}, size {size}");
        }
    }

    private static async Task RangePastTheEndIsShort(IReplicaClient client)
    {
        byte[] content = LtxSample.Create(1, 1, 500);
        await Write(client, 0, 1, 1, size: 500);
        SameBytes(content.AsMemory(400), await Read(client, 0, 1, 1, 400, 500), "range over the end");
        Equal(0, (await Read(client, 0, 1, 1, 500, 10)).Length, "bytes at the end");
        Equal(0, (await Read(client, 0, 1, 1, 9999, 10)).Length, "bytes behind the end");
    }

    private static async Task MissingFileIsNotFound(IReplicaClient client)
    {
        await Throws<LtxFileNotFoundException>(() => Read(client, 0, 7, 7), "open in an empty replica");
        await Write(client, 0, 1, 1);
        await Throws<LtxFileNotFoundException>(() => Read(client, 0, 1, 2), "open of another range");
        await Throws<LtxFileNotFoundException>(() => Read(client, 1, 1, 1), "open in another level");
    }

    private static async Task HeaderTimeSurvives(IReplicaClient client)
    {
        DateTimeOffset[] times = [LtxSample.Time, LtxSample.Time.AddHours(-1), DateTimeOffset.FromUnixTimeMilliseconds(1)];
        for (ulong txid = 1; txid <= 3; txid++)
        {
            await Write(client, 0, txid, txid, time: times[txid - 1]);
        }

        IReadOnlyList<LtxFileInfo> files = await List(client, 0, accurate: true);
        for (int i = 0; i < times.Length; i++)
        {
            Equal(times[i], files[i].CreatedAt, $"time of file {i + 1}");
        }
    }

    private static async Task WriteReportsSizeAndHeaderTime(IReplicaClient client)
    {
        LtxFileInfo info = await Write(client, 2, 3, 9, size: 777);
        Equal(new LtxFileInfo(2, new Txid(3), new Txid(9), 777, LtxSample.Time), info, "result of a write");
    }

    private static async Task OverwriteReplaces(IReplicaClient client)
    {
        await Write(client, 1, 1, 4, size: 900);
        await Write(client, 1, 1, 4, size: 400, seed: 1);
        SameBytes(LtxSample.Create(1, 4, 400, seed: 1), await Read(client, 1, 1, 4), "content after an overwrite");
        Equal(400L, (await List(client, 1)).Single().Size, "size after an overwrite");
    }

    private static async Task CreateOnlyAcceptsItsOwnLostAnswer(IReplicaClient client)
    {
        await Write(client, 0, 1, 1, mode: WriteMode.CreateOnly);
        LtxFileInfo again = await Write(client, 0, 1, 1, mode: WriteMode.CreateOnly);
        Equal(300L, again.Size, "size reported by the repeated write");
        Equal(1, (await List(client, 0)).Count, "files after a repeated write");
    }

    private static async Task CreateOnlyRefusesOtherContent(IReplicaClient client)
    {
        await Write(client, 0, 1, 1);
        await Throws<ReplicaConflictException>(() => Write(client, 0, 1, 1, mode: WriteMode.CreateOnly, seed: 1), "same size, other content");
        await Throws<ReplicaConflictException>(() => Write(client, 0, 1, 1, size: 301, mode: WriteMode.CreateOnly), "other size");
        SameBytes(LtxSample.Create(1, 1), await Read(client, 0, 1, 1), "content after refused writes");
        Equal(1, (await List(client, 0)).Count, "files after refused writes");
    }

    private static async Task CreateOnlyHasOneWinner(IReplicaClient client)
    {
        bool[] won = await Task.WhenAll(Enumerable.Range(0, 8).Select(seed => Task.Run(async () =>
        {
            try
            {
                await Write(client, 0, 1, 1, mode: WriteMode.CreateOnly, seed: seed);
                return true;
            }
            catch (ReplicaConflictException)
            {
                return false;
            }
        })));
        Equal(1, won.Count(w => w), "winners among writers of different content");
        int winner = Array.IndexOf(won, true);
        SameBytes(LtxSample.Create(1, 1, seed: winner), await Read(client, 0, 1, 1), "content is the winner's");
    }

    private static async Task ShortSourceIsRefused(IReplicaClient client)
    {
        foreach (int length in new[] { 0, 1, 99 })
        {
            byte[] source = LtxSample.Create(1, 1)[..length];
            await Throws<ReplicaException>(() => WriteBytes(client, 0, 1, 1, new MemoryStream(source)), $"source of {length} bytes");
        }

        Equal(0, (await List(client, 0)).Count, "files after refused writes");
    }

    private static async Task SourceWithoutMagicIsRefused(IReplicaClient client)
    {
        byte[] source = LtxSample.Create(1, 1);
        source[3] = (byte)'2';
        await Throws<ReplicaException>(() => WriteBytes(client, 0, 1, 1, new MemoryStream(source)), "source without magic");
        Equal(0, (await List(client, 0)).Count, "files after a refused write");
    }

    private static async Task FailingSourceLeavesNothing(IReplicaClient client)
    {
        foreach (int length in new[] { 50, 100, 101, 200_000 })
        {
            var source = new CutStream(new MemoryStream(LtxSample.Create(1, 1, 300_000)), length, new IOException("source broke"));
            await Throws<IOException>(() => WriteBytes(client, 0, 1, 1, source), $"source that breaks after {length} bytes");
        }

        Equal(0, (await List(client, 0)).Count, "files after failed writes");
        await Throws<LtxFileNotFoundException>(() => Read(client, 0, 1, 1), "open after failed writes");
    }

    private static async Task CancelledWriteLeavesNothing(IReplicaClient client)
    {
        using var cancellation = new CancellationTokenSource();
        var source = new CancellingStream(new MemoryStream(LtxSample.Create(1, 1, 300_000)), 150_000, cancellation);
        await Throws<OperationCanceledException>(
            async () => await client.WriteAsync(0, new Txid(1), new Txid(1), source, WriteMode.Overwrite, cancellation.Token),
            "cancelled write");
        Equal(0, (await List(client, 0)).Count, "files after a cancelled write");
    }

    private static async Task FailedOverwriteKeepsTheOldFile(IReplicaClient client)
    {
        await Write(client, 1, 1, 4);
        var source = new CutStream(new MemoryStream(LtxSample.Create(1, 4, 300_000)), 200_000, new IOException("source broke"));
        await Throws<IOException>(() => WriteBytes(client, 1, 1, 4, source), "overwrite whose source breaks");
        SameBytes(LtxSample.Create(1, 4), await Read(client, 1, 1, 4), "content after a failed overwrite");
    }

    private static async Task ConcurrentWritesAllArrive(IReplicaClient client)
    {
        await Task.WhenAll(Enumerable.Range(1, 40).Select(n => Task.Run(() => Write(client, n % 3, (ulong)n, (ulong)n, size: 20_000))));
        for (int n = 1; n <= 40; n++)
        {
            byte[] content = await Read(client, n % 3, (ulong)n, (ulong)n);
            SameBytes(LtxSample.Create((ulong)n, (ulong)n, 20_000), content, $"content of file {n}");
        }
    }

    private static async Task SmallReadsOfTheSourceArriveWhole(IReplicaClient client)
    {
        byte[] content = LtxSample.Create(1, 1, 3000);
        await WriteBytes(client, 0, 1, 1, new TricklingStream(content));
        SameBytes(content, await Read(client, 0, 1, 1), "content of a source that gives 7 bytes at a time");
    }

    private static async Task DeleteRemovesExactlyItsFiles(IReplicaClient client)
    {
        LtxFileInfo first = await Write(client, 0, 1, 1);
        await Write(client, 0, 1, 2);
        LtxFileInfo third = await Write(client, 0, 3, 3);
        await Write(client, 1, 1, 1);
        await client.DeleteAsync([first, third], CancellationToken.None);
        Equal("1-2", Ranges(await List(client, 0)), "level 0 after the delete");
        Equal("1-1", Ranges(await List(client, 1)), "level 1 after the delete");
        await Throws<LtxFileNotFoundException>(() => Read(client, 0, 1, 1), "open of a deleted file");
    }

    private static async Task DeletingMissingFilesSucceeds(IReplicaClient client)
    {
        await client.DeleteAsync([], CancellationToken.None);
        var missing = new LtxFileInfo(0, new Txid(5), new Txid(5), 300, LtxSample.Time);
        await client.DeleteAsync([missing], CancellationToken.None);
        LtxFileInfo present = await Write(client, 0, 6, 6);
        await client.DeleteAsync([missing, present], CancellationToken.None);
        Equal(0, (await List(client, 0)).Count, "files after the delete");
    }

    private static async Task DeleteAllRemovesEverything(IReplicaClient client)
    {
        await client.DeleteAllAsync(CancellationToken.None);
        await Write(client, 0, 1, 1);
        await Write(client, 9, 1, 1);
        await client.DeleteAllAsync(CancellationToken.None);
        Equal(0, (await List(client, 0)).Count + (await List(client, 9)).Count, "files after delete-all");
        await Write(client, 0, 2, 2);
        Equal("2-2", Ranges(await List(client, 0)), "files written after delete-all");
    }

    private static async Task<LtxFileInfo> Write(
        IReplicaClient client, int level, ulong min, ulong max, int size = 300, DateTimeOffset? time = null, int seed = 0,
        WriteMode mode = WriteMode.Overwrite) =>
        await client.WriteAsync(
            level, new Txid(min), new Txid(max), new MemoryStream(LtxSample.Create(min, max, size, time, seed)), mode, CancellationToken.None);

    private static async Task<LtxFileInfo> WriteBytes(IReplicaClient client, int level, ulong min, ulong max, Stream source) =>
        await client.WriteAsync(level, new Txid(min), new Txid(max), source, WriteMode.Overwrite, CancellationToken.None);

    private static async Task<byte[]> Read(IReplicaClient client, int level, ulong min, ulong max, long offset = 0, long size = 0)
    {
        await using Stream stream = await client.OpenAsync(level, new Txid(min), new Txid(max), offset, size, CancellationToken.None);
        using var copy = new MemoryStream();
        await stream.CopyToAsync(copy);
        return copy.ToArray();
    }

    private static async Task<IReadOnlyList<LtxFileInfo>> List(IReplicaClient client, int level, ulong seek = 0, bool accurate = false)
    {
        List<LtxFileInfo> files = [];
        await foreach (LtxFileInfo file in client.ListAsync(level, new Txid(seek), accurate, CancellationToken.None))
        {
            files.Add(file);
        }

        return files;
    }

    private static string Ranges(IEnumerable<LtxFileInfo> files) =>
        string.Join(' ', files.Select(file => $"{file.MinTxid.Value}-{file.MaxTxid.Value}"));

    private static void SameBytes(ReadOnlyMemory<byte> expected, byte[] actual, string what)
    {
        int same = expected.Span.CommonPrefixLength(actual);
        if (same != expected.Length || same != actual.Length)
        {
            throw new ContractException(
                $"{what}: {actual.Length} bytes found, {expected.Length} expected, first difference at {same}");
        }
    }

    private static void Equal<T>(T expected, T actual, string what)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, actual))
        {
            throw new ContractException($"{what}: expected {expected}, found {actual}");
        }
    }

    private static async Task Throws<TException>(Func<Task> action, string what)
        where TException : Exception
    {
        try
        {
            await action();
        }
        catch (TException)
        {
            return;
        }
        catch (Exception other)
        {
            throw new ContractException($"{what}: expected {typeof(TException).Name}, found {other.GetType().Name}: {other.Message}");
        }

        throw new ContractException($"{what}: expected {typeof(TException).Name}, found success");
    }

    /// <summary>Cancels after a number of bytes and then goes on giving bytes: stopping is up to the client.</summary>
    private sealed class CancellingStream(MemoryStream inner, long bytes, CancellationTokenSource cancellation) : MemoryStream(inner.ToArray())
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Position >= bytes)
            {
                cancellation.Cancel();
            }

            return base.ReadAsync(buffer, cancellationToken);
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    /// <summary>Gives at most 7 bytes per read.</summary>
    private sealed class TricklingStream(byte[] content) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(7, buffer.Length)], cancellationToken);

        public override int Read(Span<byte> buffer) => base.Read(buffer[..Math.Min(7, buffer.Length)]);
    }
}
