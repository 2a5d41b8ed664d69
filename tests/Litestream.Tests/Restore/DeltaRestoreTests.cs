using CsCheck;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Restore.Delta;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Litestream.Tests.Restore;

/// <summary>
/// Delta restore (decision D1): the result is byte for byte that of a full restore, whatever the local copy is, and only what differs
/// is fetched.
/// </summary>
public sealed class DeltaRestoreTests
{
    private const string Base = "/base/app.db";
    private const string Output = "/out/app.db";

    [Fact]
    public async Task Random_copies_of_random_histories_become_the_asked_state() => await Gen.Int.SampleAsync(
        async seed =>
        {
            var random = new Random(seed);
            await using var client = new MemoryReplicaClient();
            List<Dictionary<uint, ulong>> states = RandomHistoryTests.Write(random, client);
            var files = new MemoryFileSystem();
            int from = random.Next(1, states.Count + 1);
            int to = random.Next(1, states.Count + 1);
            await RestoreAsync(client, files, Base, Base, from);
            RemoveSome(random, client, to);
            Damage(random, files, states.Count);
            string output = random.Next(2) == 0 ? Base : Output;
            RestoreResult result = await RestoreAsync(client, files, Base, output, to);
            Assert.True(Image(states[to - 1]).AsSpan().SequenceEqual(Read(files, output)), $"seed {seed}");
            if (result.Delta is { } delta)
            {
                Assert.Equal(states[to - 1].Count, delta.PagesCopied + delta.PagesFetched);
            }

            // What it leaves is again a copy to start from, which needs nothing but what proves it.
            RestoreResult again = await RestoreAsync(client, files, output, output, to);
            Assert.Equal((states[to - 1].Count, 0), (again.Delta!.PagesCopied, again.Delta.PagesFetched));
            Assert.Equal(0, files.OpenFiles);
            string directory = Path.GetDirectoryName(output)!;
            Assert.Equal(["app.db", "app.db-pages", "app.db-txid"], files.List(directory).Select(entry => entry.Name).Order(StringComparer.Ordinal));
        },
        iter: 400);

    [Fact]
    public async Task A_copy_of_another_history_is_not_taken_over() => await Gen.Int.SampleAsync(
        async seed =>
        {
            var random = new Random(seed);
            await using var ours = new MemoryReplicaClient();
            await using var theirs = new MemoryReplicaClient();
            List<Dictionary<uint, ulong>> states = RandomHistoryTests.Write(random, ours);
            List<Dictionary<uint, ulong>> others = RandomHistoryTests.Write(random, theirs);
            var files = new MemoryFileSystem();
            await RestoreAsync(theirs, files, Base, Base, others.Count);
            RestoreResult result = await RestoreAsync(ours, files, Base, Output, states.Count);
            Assert.Equal(Image(states[^1]), Read(files, Output));

            // Equal content is no harm: both may begin with the same file.
            Assert.True(result.Delta is null || result.Delta.PagesCopied <= states[^1].Count(page => others[^1].TryGetValue(page.Key, out ulong at) && at == page.Value));
        },
        iter: 100);

    [Fact]
    public async Task Without_side_files_everything_is_fetched_and_said()
    {
        await using var client = new MemoryReplicaClient();
        List<Dictionary<uint, ulong>> states = RandomHistoryTests.Write(new Random(7), client);
        var files = new MemoryFileSystem();
        files.CreateDirectory("/base");
        Put(files, Base, Image(states[0]));
        using var logs = new RecordingLogs();
        var restorer = new Restorer(client, files, new InstantTimeProvider(), logs.CreateLogger("test"));
        RestoreResult result = await restorer.RestoreAsync(
            new RestoreOptions { OutputPath = Base, BasePath = Base }, null, CancellationToken.None);
        Assert.Null(result.Delta);
        Assert.Equal(Image(states[^1]), Read(files, Base));
        Assert.True(logs.Contains("everything is fetched") && logs.Contains("there is no /base/app.db-pages"));
        Assert.Equal($"{states.Count:x16}\n", System.Text.Encoding.ASCII.GetString(Read(files, Base + "-txid")));
    }

    [Fact]
    public async Task Another_output_that_exists_needs_force_as_ever()
    {
        await using var client = new MemoryReplicaClient();
        RandomHistoryTests.Write(new Random(7), client);
        var files = new MemoryFileSystem();
        await RestoreAsync(client, files, Base, Base, 1);
        files.CreateDirectory("/out");
        Put(files, Output, [1]);
        await Assert.ThrowsAsync<RestoreOutputException>(() => RestoreAsync(client, files, Base, Output, 1));
        Assert.Equal([1], Read(files, Output));
    }

    [Fact]
    public async Task The_old_copy_is_safe_until_the_new_one_is_complete()
    {
        // Every kind of call fails in turn, for ever, and then the power goes: the copy is the old or the new state, and a later
        // delta restore from it gives the right bytes.
        await using var client = new MemoryReplicaClient();
        List<Dictionary<uint, ulong>> states = RandomHistoryTests.Write(new Random(11), client);
        FileOperation[] operations =
        [
            FileOperation.Create, FileOperation.Write, FileOperation.Sync, FileOperation.Rename, FileOperation.SyncDirectory,
            FileOperation.Delete, FileOperation.SetLength, FileOperation.Read,
        ];
        for (int seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            var files = new MemoryFileSystem();
            await RestoreAsync(client, files, Base, Base, 1);
            var faulty = new FaultyFileSystem(files);
            faulty.Fail(operations[random.Next(operations.Length)], random.Next(1, 6), count: int.MaxValue);
            bool done = false;
            try
            {
                await RestoreAsync(client, faulty, Base, Base, states.Count);
                done = true;
            }
            catch (IOException)
            {
                // The planned fault.
            }

            files.PowerCut(random);
            byte[] found = Read(files, Base);
            bool isNew = Image(states[^1]).AsSpan().SequenceEqual(found);
            Assert.True(isNew || (!done && Image(states[0]).AsSpan().SequenceEqual(found)), $"seed {seed}");
            if (files.Stat(Base + "-txid") is not null && !isNew)
            {
                Assert.Equal($"{1:x16}\n", System.Text.Encoding.ASCII.GetString(Read(files, Base + "-txid"))); // Never ahead of the data.
            }

            await RestoreAsync(client, files, Base, Base, states.Count);
            Assert.Equal(Image(states[^1]), Read(files, Base));
        }
    }

    [Fact]
    public async Task Content_of_an_unchanged_page_that_the_replica_lost_is_not_accepted()
    {
        // The copy lost page 5 by damage, and the frame of page 5 in the replica is damaged, too: no range read may slip it in.
        await using var client = new MemoryReplicaClient();
        client.Put(9, new Txid(1), new Txid(1), LtxBuilder.File(1, 1, 400, LtxBuilder.AllPages(400)), LtxSample.Time);
        client.Put(0, new Txid(2), new Txid(2), LtxBuilder.File(2, 2, 400, [7]), LtxSample.Time);
        var files = new MemoryFileSystem();
        await RestoreAsync(client, files, Base, Base, 1);
        byte[] copy = Read(files, Base);
        copy[(4 * 512) + 3] ^= 1;
        Put(files, Base, copy);
        byte[] stored = client.Content(9, new Txid(1), new Txid(1));
        int at = IndexOf(stored, LtxBuilder.Page(5, 1).AsSpan(0, 64));
        stored[at] ^= 1;
        await Assert.ThrowsAsync<LtxFileException>(() => RestoreAsync(client, files, Base, Base, 2));
        Assert.Equal(copy, Read(files, Base));
        stored[at] ^= 1;
        RestoreResult result = await RestoreAsync(client, files, Base, Base, 2);
        Assert.Equal((1, 2, 398), (result.Delta!.PagesDamaged, result.Delta.PagesFetched, result.Delta.PagesCopied));
    }

    [Fact]
    public async Task A_merge_meanwhile_is_planned_anew()
    {
        await using var memory = new MemoryReplicaClient();
        memory.Put(9, new Txid(1), new Txid(1), LtxBuilder.File(1, 1, 50, LtxBuilder.AllPages(50)), LtxSample.Time);
        memory.Put(0, new Txid(2), new Txid(2), LtxBuilder.File(2, 2, 50, [7]), LtxSample.Time);
        memory.Put(0, new Txid(3), new Txid(3), LtxBuilder.File(3, 3, 50, [7, 9]), LtxSample.Time);
        var files = new MemoryFileSystem();
        await RestoreAsync(memory, files, Base, Base, 1);
        var client = new FaultyReplicaClient(memory);
        client.OnRequest = (operation, _, min, _) =>
        {
            if (operation == ReplicaOperation.Open && min.Value == 3 && memory.Remove(0, new Txid(3), new Txid(3)))
            {
                memory.Remove(0, new Txid(2), new Txid(2));
                memory.Put(1, new Txid(2), new Txid(3), LtxBuilder.File(2, 3, 50, [7, 9]), LtxSample.Time);
            }
        };
        RestoreResult result = await RestoreAsync(client, files, Base, Base, 3);
        Assert.Equal(2, result.Delta!.PagesFetched);
        Assert.Equal(0, client.OpenStreams);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Bytes_fetched_stay_near_the_compressed_pages_that_differ(int seed)
    {
        var random = new Random(seed);
        const uint pages = 6000;
        const ulong last = 24;
        await using var memory = new MemoryReplicaClient();
        Dictionary<uint, ulong> newest = LtxBuilder.AllPages(pages, 4096).ToDictionary(page => page, _ => 1ul);
        var changes = new Dictionary<ulong, uint[]>();
        Put(memory, 9, 1, 1, [.. newest.Keys], newest);
        for (ulong txid = 2; txid <= last; txid++)
        {
            // Some pages are hot, some are near each other, some anywhere.
            uint start = (uint)random.Next(1, 5000);
            changes[txid] = [.. Enumerable.Range(0, 60).Select(i => (i % 3) switch { 0 => (uint)i + 1, 1 => start + (uint)i, _ => (uint)random.Next(1, 6001) }).Distinct().Order()];
            Array.ForEach(changes[txid], page => newest[page] = txid);
            Put(memory, 0, txid, txid, changes[txid], newest);
        }

        for (ulong min = 2; min + 5 <= last; min += 6)
        {
            uint[] merged = [.. Enumerable.Range((int)min, 6).SelectMany(txid => changes[(ulong)txid]).Distinct().Order()];
            Put(memory, 1, min, min + 5, merged, Until(changes, pages, min + 5));
        }

        Put(memory, 9, 1, last, [.. newest.Keys], newest);
        foreach (ulong from in new ulong[] { 1, 7, 13, 22, last })
        {
            var files = new MemoryFileSystem();
            HashSet<(int Level, Txid Min, Txid Max)> opened = [];
            var observed = new FaultyReplicaClient(memory);
            var client = new CountingReplicaClient(observed);
            await RestoreAsync(client, files, Base, Base, (int)from);
            byte[] copy = Read(files, Base);
            for (int i = 0; i < 20; i++)
            {
                copy[random.Next(copy.Length)] ^= 0x10;
            }

            Put(files, Base, copy);
            long before = client.Counts.DownloadedBytes;
            observed.OnRequest = (operation, level, min, max) =>
            {
                lock (opened)
                {
                    opened.Add(operation == ReplicaOperation.Open ? (level, min, max) : default);
                }
            };
            RestoreResult result = await RestoreAsync(client, files, Base, Output, (int)last);
            Assert.Equal([.. newest.OrderBy(page => page.Key).SelectMany(page => LtxBuilder.Page(page.Key, page.Value, 4096))], Read(files, Output));
            long fetched = client.Counts.DownloadedBytes - before;
            opened.Remove(default);
            Assert.Equal(fetched, result.Delta!.BytesFetched + 8); // And the checksum that proves the history.
            byte[] target = Read(files, Output);
            long differing = 0;
            using PageIndex index = await IndexAsync(memory, 9, 1, last);
            foreach (PageIndexEntry entry in index.Entries)
            {
                int at = (int)(entry.PageNumber - 1) * 4096;
                differing += copy.AsSpan(at, 4096).SequenceEqual(target.AsSpan(at, 4096)) ? 0 : entry.Size;
            }

            long indexes = opened.Sum(file => IndexCost(memory.Files.Single(info => (info.Level, info.MinTxid, info.MaxTxid) == file), pages));
            Assert.True(fetched <= (differing * 12 / 10) + indexes, $"from {from}: {fetched} bytes for {differing} bytes of pages and {indexes} of indexes");
        }
    }

    [Fact]
    public async Task An_older_state_is_reached_too_and_the_pages_since_are_fetched_back()
    {
        await using var client = new MemoryReplicaClient();
        List<Dictionary<uint, ulong>> states = RandomHistoryTests.Write(new Random(21), client);
        var files = new MemoryFileSystem();
        for (int to = states.Count; to >= 1; to--)
        {
            await RestoreAsync(client, files, Base, Base, to);
            Assert.Equal(Image(states[to - 1]), Read(files, Base));
        }
    }

    [Fact]
    public void A_damaged_side_file_is_no_side_file()
    {
        var files = new MemoryFileSystem();
        files.CreateDirectory("/base");
        Put(files, Base, [.. Enumerable.Range(0, 4).SelectMany(page => LtxBuilder.Page((uint)page + 1, 1))]);
        PageDigestFile.Write(files, Base, 512, new Txid(5), []);
        byte[] content = Read(files, Base + "-pages");
        Assert.Equal(32 + (5 * 8), content.Length);
        for (int at = 0; at < content.Length; at++)
        {
            content[at] ^= 4;
            Put(files, Base + "-pages", content);
            Assert.Null(PageDigestFile.Open(files, Base, out string problem));
            Assert.Equal("/base/app.db-pages is damaged", problem);
            content[at] ^= 4;
            Put(files, Base + "-pages", content[..at]);
            Assert.Null(PageDigestFile.Open(files, Base, out _));
        }

        Put(files, Base + "-pages", content);
        using PageDigestFile? intact = PageDigestFile.Open(files, Base, out _);
        Assert.Equal((4u, 512, 5ul), (intact!.PageCount, intact.PageSize, intact.Txid.Value));
        Assert.Equal(1, files.OpenFiles);
    }

    [Theory]
    [InlineData("0:2@10 0:3@10 0:4@10 1:2-4@20", 1, 4, true, "1:2-4")] // Fewer bytes, for a merge holds each page once.
    [InlineData("0:2@10 0:3@10 0:4@10 1:1-4@90000", 1, 4, true, "0:2 0:3 0:4")] // One that begins earlier names pages that did not change.
    [InlineData("0:3@10 0:4@10 1:1-4@90000", 1, 4, true, "1:1-4")]
    [InlineData("0:2@10 0:4@10", 1, 4, true, null)]
    [InlineData("0:2@10 1:3-6@10", 1, 4, true, null)]
    [InlineData("0:2@10 1:3-6@10", 1, 4, false, "0:2 1:3-6")]
    [InlineData("9:1-4@10", 1, 4, true, null)]
    [InlineData("", 4, 4, true, "")]
    public void Chains(string files, ulong from, ulong to, bool exact, string? expected)
    {
        IEnumerable<LtxFileInfo> parsed = files.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text =>
        {
            string[] parts = text.Split(':', '-', '@');
            ulong min = ulong.Parse(parts[1], null);
            return new LtxFileInfo(int.Parse(parts[0], null), new Txid(min), parts.Length > 3 ? new Txid(ulong.Parse(parts[2], null)) : new Txid(min), long.Parse(parts[^1], null), default);
        });
        List<LtxFileInfo>? chain = DeltaChain.Find(parsed, new Txid(from), new Txid(to), exact);
        Assert.Equal(expected, chain is null ? null : string.Join(' ', chain.Select(f => f.MinTxid == f.MaxTxid ? $"{f.Level}:{f.MinTxid.Value}" : $"{f.Level}:{f.MinTxid.Value}-{f.MaxTxid.Value}")));
    }

    private static long IndexCost(LtxFileInfo file, uint pages) =>
        // The list has at most ten bytes a page; what is read of an index is at least 32 KiB, or the whole file.
        Math.Min(file.Size, Math.Max(32 << 10, file.Level == 9 ? 10 * pages : 0) + 100 + 8);

    private static Dictionary<uint, ulong> Until(Dictionary<ulong, uint[]> changes, uint pages, ulong txid)
    {
        Dictionary<uint, ulong> state = LtxBuilder.AllPages(pages, 4096).ToDictionary(page => page, _ => 1ul);
        foreach ((ulong at, uint[] changed) in changes.Where(change => change.Key <= txid).OrderBy(change => change.Key))
        {
            Array.ForEach(changed, page => state[page] = at);
        }

        return state;
    }

    private static void Put(MemoryReplicaClient client, int level, ulong min, ulong max, uint[] pages, Dictionary<uint, ulong> content)
    {
        using var stream = new MemoryStream();
        var header = new LtxHeader
        {
            Flags = LtxFormat.NoChecksum, PageSize = 4096, Commit = (uint)content.Count, MinTxid = new Txid(min), MaxTxid = new Txid(max),
        };
        using (var writer = new LtxWriter(stream, header, leaveOpen: true))
        {
            Array.ForEach(pages, page => writer.WritePage(page, LtxBuilder.Page(page, content[page], 4096)));
            writer.Finish();
        }

        client.Put(level, new Txid(min), new Txid(max), stream.ToArray(), LtxSample.Time);
    }

    private static async Task<PageIndex> IndexAsync(MemoryReplicaClient client, int level, ulong min, ulong max)
    {
        byte[] content = client.Content(level, new Txid(min), new Txid(max));
        return await PageIndex.LoadAsync(content.Length, (offset, destination, _) =>
        {
            content.AsMemory((int)offset, destination.Length).CopyTo(destination);
            return ValueTask.FromResult(destination.Length);
        });
    }

    private static async Task<RestoreResult> RestoreAsync(IReplicaClient client, IFileSystem files, string source, string output, int txid) =>
        await new Restorer(client, files, new InstantTimeProvider(), NullLogger.Instance).RestoreAsync(
            new RestoreOptions { OutputPath = output, BasePath = source, TargetTxid = new Txid((ulong)txid) }, null, CancellationToken.None);

    private static void RemoveSome(Random random, MemoryReplicaClient client, int to)
    {
        // What cannot be reached any more, or not by a chain, must not change the result.
        foreach (LtxFileInfo file in client.Files.Where(file => file.Level < 2 && random.Next(6) == 0).ToList())
        {
            byte[] content = client.Content(file.Level, file.MinTxid, file.MaxTxid);
            client.Remove(file.Level, file.MinTxid, file.MaxTxid);
            if (!RestorePoints.Of(client.Files).Points.Any(point => point.Txid.Value == (ulong)to))
            {
                client.Put(file.Level, file.MinTxid, file.MaxTxid, content, file.CreatedAt);
            }
        }
    }

    private static void Damage(Random random, MemoryFileSystem files, int transactions)
    {
        byte[] content = Read(files, Base);
        switch (random.Next(6))
        {
            case 0:
                Array.ForEach(Enumerable.Range(0, 5).ToArray(), _ => content[random.Next(content.Length)] ^= 1);
                break;
            case 1:
                content = content[..random.Next(content.Length)];
                break;
            case 2:
                content = [.. content, .. new byte[random.Next(2000)]];
                break;
            case 3:
                byte[] digests = Read(files, Base + "-pages");
                digests[random.Next(digests.Length)] ^= 1;
                Put(files, Base + "-pages", digests);
                break;
            case 4:
                Put(files, Base + "-txid", System.Text.Encoding.ASCII.GetBytes($"{random.Next(1, transactions + 1):x16}\n"));
                break;
            default:
                break;
        }

        Put(files, Base, content);
    }

    private static byte[] Image(Dictionary<uint, ulong> state) =>
        [.. state.OrderBy(page => page.Key).SelectMany(page => LtxBuilder.Page(page.Key, page.Value))];

    private static byte[] Read(MemoryFileSystem files, string path)
    {
        using IFile file = files.OpenRead(path);
        byte[] content = new byte[file.Length];
        file.Read(content, 0);
        return content;
    }

    private static void Put(MemoryFileSystem files, string path, byte[] content)
    {
        using IFile file = files.Create(path);
        file.Write(content, 0);
        file.Sync();
    }

    private static int IndexOf(ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> part)
    {
        int at = bytes.IndexOf(part);
        return at >= 0 ? at : throw new InvalidOperationException("the page is not stored as it is");
    }
}
