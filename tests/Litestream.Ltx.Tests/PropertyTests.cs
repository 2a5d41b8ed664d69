using CsCheck;

namespace Litestream.Ltx.Tests;

/// <summary>The properties of ltx-format §18.</summary>
public sealed class PropertyTests
{
    private const int PageSize = 512;

    // A history: per transaction the size of the database after it and the pages it writes. New pages are always written, as our
    // capture does (the growth rule).
    private static readonly Gen<(uint Commit, (uint Page, byte Fill, bool Random)[] Writes)[]> Histories =
        Gen.Select(Gen.UInt[1, 12], Gen.Select(Gen.UInt[1, 12], Gen.Byte, Gen.Bool).Array[0, 8]).Array[1, 7];

    [Fact]
    public async Task AppliedInOrder_EqualsMergedThenApplied() =>
        await Gen.Select(Histories, Gen.Bool, Gen.Int[0, 6], Gen.Int[0, 6]).SampleAsync(async (history, tracked, split1, split2) =>
        {
            (byte[][] files, byte[] expected) = Record(history, tracked);
            Assert.Equal(expected, await Merging.ApplyAsync([], PageSize, files));
            Assert.Equal(expected, await Merging.DecodeAsync(files));

            var options = new LtxMergeOptions { Flags = tracked ? 0 : LtxFormat.NoChecksum };
            int[] cuts = [.. new[] { 0, Math.Min(split1, files.Length), Math.Min(split2, files.Length), files.Length }.Order()];
            var parts = new List<byte[]>();
            for (int i = 0; i < 3; i++)
            {
                if (cuts[i] < cuts[i + 1])
                {
                    parts.Add(await Merging.MergeAsync(files[cuts[i]..cuts[i + 1]], options));
                }
            }

            Assert.Equal(expected, await Merging.ApplyAsync([], PageSize, [.. parts]));
            Assert.Equal(expected, await Merging.DecodeAsync(await Merging.MergeAsync(parts, options)));
        }, iter: 300);

    [Theory]
    [InlineData("valid/snapshot-512-2p.ltx")]
    [InlineData("valid/incremental-512-1p.ltx")]
    [InlineData("valid/incompressible-512.ltx")]
    [InlineData("legacy-v3-frame/snapshot-512-2p.ltx")]
    [InlineData("legacy-v3-frame/incompressible-512.ltx")]
    [InlineData("valid/delete-snapshot.ltx")]
    public void AnyFlippedBit_IsAnErrorOrChangesNothing(string file)
    {
        byte[] content = Fixtures.Read(file);
        (LtxHeader header, List<(uint, byte[])> pages, LtxTrailer trailer) = TestFiles.ReadAll(content);
        bool[] payload = PayloadBytes(content);
        for (int bit = 0; bit < content.Length * 8; bit++)
        {
            byte[] flipped = [.. content];
            flipped[bit / 8] ^= (byte)(1 << (bit % 8));
            try
            {
                (LtxHeader header2, List<(uint, byte[])> pages2, LtxTrailer trailer2) = TestFiles.ReadAll(flipped);
                Assert.True(payload[bit / 8], $"bit {bit} is outside of every payload");
                Assert.Equal((header, trailer), (header2, trailer2));
                TestFiles.AssertSame(pages, pages2);
            }
            catch (LtxException)
            {
                // As it should be.
            }
        }
    }

    [Fact]
    public void RandomPages_ComeBack() =>
        Gen.Select(Gen.Int[0, 7], Gen.Int[0, 5], Gen.Int).Sample((size, count, seed) =>
        {
            int pageSize = 512 << size;
            var random = new Random(seed);
            (uint, byte[])[] pages = [.. Enumerable.Range(1, count).Select(i => ((uint)i * 3, Page(random, pageSize)))];
            byte[] file = TestFiles.Build(TestFiles.Header(pageSize, commit: 15, min: 2, max: 2), pages);
            TestFiles.AssertSame(pages, TestFiles.ReadAll(file).Pages);
        }, iter: 300);

    /// <summary>A page that is partly random, partly runs, partly copies of itself.</summary>
    internal static byte[] Page(Random random, int pageSize)
    {
        var page = new byte[pageSize];
        for (int at = 0; at < pageSize;)
        {
            int length = Math.Min(random.Next(1, 1 + random.Next(1, pageSize)), pageSize - at);
            Span<byte> part = page.AsSpan(at, length);
            switch (random.Next(3))
            {
                case 0:
                    random.NextBytes(part);
                    break;
                case 1:
                    part.Fill((byte)random.Next());
                    break;
                default:
                    int distance = at == 0 ? 0 : random.Next(1, at + 1);
                    for (int i = 0; i < length; i++)
                    {
                        part[i] = page[at + i - distance];
                    }

                    break;
            }

            at += length;
        }

        return page;
    }

    private static (byte[][] Files, byte[] Database) Record((uint Commit, (uint Page, byte Fill, bool Random)[] Writes)[] history, bool tracked)
    {
        var database = new MemoryDatabase();
        var files = new List<byte[]>();
        ulong txid = 0;
        foreach ((uint commit, (uint Page, byte Fill, bool Random)[] writes) in history)
        {
            txid++;
            ulong before = tracked && txid > 1 ? DatabaseChecksum.OfDatabase(database) : 0;
            uint grownFrom = database.PageCount + 1;
            var changed = new SortedDictionary<uint, byte[]>();
            for (uint page = grownFrom; page <= commit; page++)
            {
                changed[page] = TestFiles.Filled(PageSize, (byte)page);
            }

            foreach ((uint page, byte fill, bool random) in writes.Where(w => w.Page <= commit))
            {
                changed[page] = random ? TestFiles.Random(PageSize, fill) : TestFiles.Filled(PageSize, fill);
            }

            database.SetPageCount(commit, PageSize);
            foreach ((uint number, byte[] page) in changed)
            {
                database.WritePage(number, page);
            }

            LtxHeader header = TestFiles.Header(PageSize, commit, txid, txid, tracked ? 0 : LtxFormat.NoChecksum) with { PreApplyChecksum = before };
            files.Add(TestFiles.Build(header, changed.Select(c => (c.Key, c.Value)), tracked ? DatabaseChecksum.OfDatabase(database) : 0));
        }

        return ([.. files], database.Bytes);
    }

    // True for the bytes of LZ4 payloads: only there can a flipped bit be without effect.
    private static bool[] PayloadBytes(byte[] content)
    {
        var payload = new bool[content.Length];
        using var reader = new LtxReader(new MemoryStream(content));
        reader.ReadHeader();
        while (reader.ReadPage())
        {
            int start = (int)reader.FrameOffset + (reader.IsLegacyFrame ? 6 + LegacyFrame.PrefixSize : 10);
            int end = (int)reader.FrameOffset + reader.FrameSize - (reader.IsLegacyFrame ? 8 : 0);
            payload.AsSpan(start, end - start).Fill(true);
        }

        return payload;
    }
}
