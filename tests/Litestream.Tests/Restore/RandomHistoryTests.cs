using CsCheck;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Litestream.Tests.Restore;

/// <summary>
/// Random histories, randomly merged into levels, restored at every transaction and compared with a model that applies the files one
/// after the other. Without it an error in claiming pages could show only in histories that nobody wrote down.
/// </summary>
public sealed class RandomHistoryTests
{
    private const int PageSize = 512;

    [Fact]
    public async Task Every_transaction_restores_to_the_state_of_the_model() => await Gen.Int.SampleAsync(
        async seed =>
        {
            var random = new Random(seed);
            await using var client = new MemoryReplicaClient();
            List<Dictionary<uint, ulong>> states = Write(random, client);
            for (int txid = 1; txid <= states.Count; txid++)
            {
                var files = new MemoryFileSystem();
                var options = new RestoreOptions { OutputPath = "/db", TargetTxid = new Txid((ulong)txid), Parallelism = random.Next(1, 9) };
                await new Restorer(client, files, new InstantTimeProvider(), NullLogger.Instance).RestoreAsync(options, null, CancellationToken.None);
                byte[] expected = [.. states[txid - 1].OrderBy(page => page.Key).SelectMany(page => LtxBuilder.Page(page.Key, page.Value, PageSize))];
                using IFile file = files.OpenRead("/db");
                byte[] found = new byte[file.Length];
                file.Read(found, 0);
                Assert.True(expected.AsSpan().SequenceEqual(found), $"seed {seed}, transaction {txid}");
            }
        },
        iter: 60);

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public async Task A_file_of_many_parts_is_checked_as_a_whole(int parallelism)
    {
        // 4 MiB of incompressible pages: several parts. A flipped bit in any of them, and two parts swapped, must be found.
        await using var client = new MemoryReplicaClient();
        const int pageSize = 65536;
        const uint pages = 64;
        byte[] content;
        using (var stream = new MemoryStream())
        {
            var header = new LtxHeader { Flags = LtxFormat.NoChecksum, PageSize = pageSize, Commit = pages, MinTxid = new Txid(1), MaxTxid = new Txid(1) };
            using var writer = new LtxWriter(stream, header, leaveOpen: true);
            byte[] page = new byte[pageSize];
            for (uint number = 1; number <= pages; number++)
            {
                new Random((int)number).NextBytes(page);
                writer.WritePage(number, page);
            }

            writer.Finish();
            content = stream.ToArray();
        }

        client.Put(9, new Txid(1), new Txid(1), content, LtxSample.Time);
        var options = new RestoreOptions { OutputPath = "/db", Parallelism = parallelism };
        var files = new MemoryFileSystem();
        var restorer = new Restorer(client, files, new InstantTimeProvider(), NullLogger.Instance);
        await restorer.RestoreAsync(options, null, CancellationToken.None);
        Assert.Equal(pages * (long)pageSize, files.Stat("/db")!.Value.Size);
        files.Delete("/db");
        for (int at = 5000; at < content.Length; at += content.Length / 9)
        {
            content[at] ^= 4;
            await Assert.ThrowsAsync<LtxFileException>(() => restorer.RestoreAsync(options, null, CancellationToken.None));
            content[at] ^= 4;
            Assert.Empty(files.List("/"));
        }
    }

    /// <summary>Writes L0 files, then merges of random neighbours into levels 1 to 3 and 9. Returns the pages after each transaction.</summary>
    internal static List<Dictionary<uint, ulong>> Write(Random random, MemoryReplicaClient client)
    {
        List<Dictionary<uint, ulong>> states = [];
        List<uint[]> changes = [];
        var current = new Dictionary<uint, ulong>();
        int count = random.Next(2, 14);
        for (int txid = 1; txid <= count; txid++)
        {
            uint before = (uint)current.Count;
            uint commit = txid == 1 ? (uint)random.Next(1, 20) : (uint)Math.Max(1, before + random.Next(-6, 9));

            // The growth rule: every new page is in the file.
            uint[] pages = [.. Enumerable.Range(1, (int)commit).Select(page => (uint)page).Where(page => page > before || random.Next(4) == 0)];
            current = current.Where(page => page.Key <= commit).ToDictionary();
            foreach (uint page in pages)
            {
                current[page] = (ulong)txid;
            }

            states.Add(current);
            changes.Add(pages);
            Put(client, 0, txid, txid, states, changes);
        }

        for (int merge = 0; merge < 6; merge++)
        {
            int min = random.Next(1, count + 1);
            Put(client, random.Next(1, 4), min, random.Next(min, count + 1), states, changes);
        }

        Put(client, 9, 1, random.Next(1, count + 1), states, changes);
        return states;
    }

    private static void Put(
        MemoryReplicaClient client, int level, int min, int max, List<Dictionary<uint, ulong>> states, List<uint[]> changes)
    {
        Dictionary<uint, ulong> last = states[max - 1];
        IEnumerable<uint> pages = level == 9 || min == 1
            ? last.Keys
            : changes.Skip(min - 1).Take(max - min + 1).SelectMany(page => page).Where(last.ContainsKey);
        using var stream = new MemoryStream();
        var header = new LtxHeader
        {
            Flags = LtxFormat.NoChecksum, PageSize = PageSize, Commit = (uint)last.Count,
            MinTxid = new Txid((ulong)min), MaxTxid = new Txid((ulong)max),
        };
        using (var writer = new LtxWriter(stream, header, leaveOpen: true))
        {
            foreach (uint page in pages.Distinct().Order())
            {
                writer.WritePage(page, LtxBuilder.Page(page, last[page], PageSize));
            }

            writer.Finish();
        }

        client.Put(level, new Txid((ulong)min), new Txid((ulong)max), stream.ToArray(), LtxSample.Time);
    }
}
