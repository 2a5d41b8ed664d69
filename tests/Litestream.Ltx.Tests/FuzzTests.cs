namespace Litestream.Ltx.Tests;

/// <summary>
/// Damaged input of every kind, fixed seeds: whatever the bytes, the result is a correct read or an <see cref="LtxException"/>,
/// soon and without large allocations. LTX_FUZZ_ROUNDS asks for more rounds than CI runs.
/// </summary>
public sealed class FuzzTests
{
    private static readonly string[] Seeds =
    [
        "valid/snapshot-512-2p.ltx", "valid/incremental-512-1p.ltx", "valid/pagesize-4096.ltx", "valid/incompressible-512.ltx",
        "legacy-v3-frame/mixed-frame-and-block.ltx", "legacy-v3-frame/incompressible-512.ltx",
        "chain/block/0000000000000002-0000000000000002.ltx", "chain/frame-nochecksum/0000000000000003-0000000000000003.ltx",
    ];

    private static int Rounds => int.TryParse(Environment.GetEnvironmentVariable("LTX_FUZZ_ROUNDS"), out int rounds) ? rounds : 3000;

    [Fact]
    public async Task DamagedFiles_AreErrorsNotCrashes()
    {
        var random = new Random(20260601);
        byte[][] seeds = [.. Seeds.Select(Fixtures.Read)];
        for (int round = 0; round < Rounds; round++)
        {
            byte[] file = Damage(random, seeds);
            long before = GC.GetAllocatedBytesForCurrentThread();
            await TryAsync(() =>
            {
                TestFiles.ReadAll(file);
                return Task.CompletedTask;
            });
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
            await TryAsync(() => DecodeByIndexAsync(file));
            await TryAsync(() => Merging.MergeAsync([file], new LtxMergeOptions { AllowGaps = true }));
        }
    }

    [Fact]
    public void DamagedBlocks_NeverWriteOutsideThePage()
    {
        var random = new Random(20260602);
        var guarded = new byte[16 + 4096 + 16];
        for (int round = 0; round < Rounds * 10; round++)
        {
            int pageSize = 512 << random.Next(4);
            byte[] block = random.Next(4) == 0 ? TestFiles.Random(random.Next(0, 600), round) : RawLtx.Compress(PropertyTests.Page(random, pageSize));
            Mutate(random, ref block);
            guarded.AsSpan().Fill(0x5A);
            LtxBlock.TryDecompress(block, guarded.AsSpan(16, pageSize));
            Assert.False(guarded.AsSpan(0, 16).ContainsAnyExcept((byte)0x5A));
            Assert.False(guarded.AsSpan(16 + pageSize).ContainsAnyExcept((byte)0x5A));
        }
    }

    private static byte[] Damage(Random random, byte[][] seeds)
    {
        byte[] file = [.. seeds[random.Next(seeds.Length)]];
        for (int i = random.Next(1, 5); i > 0; i--)
        {
            Mutate(random, ref file);
        }

        return file;
    }

    private static void Mutate(Random random, ref byte[] data)
    {
        int at = random.Next(data.Length + 1);
        int length = Math.Min(random.Next(1, 17), data.Length - at);
        switch (random.Next(6))
        {
            case 0:
                data = data[..at];
                break;
            case 1:
                data = [.. data[..at], .. data[(at + length)..]];
                break;
            case 2:
                data = [.. data[..at], .. TestFiles.Random(random.Next(1, 17), random.Next()), .. data[at..]];
                break;
            case 3:
                data.AsSpan(at, length).Fill(random.Next(2) == 0 ? (byte)0 : (byte)0xFF);
                break;
            default:
                if (at < data.Length)
                {
                    data[at] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)(data[at] ^ (1 << random.Next(8)));
                }

                break;
        }
    }

    private static async Task DecodeByIndexAsync(byte[] file)
    {
        LtxHeader header = LtxHeader.Parse(file);
        using PageIndex index = await PageIndexTests.LoadAsync(file);
        var page = new byte[header.PageSize];
        foreach (PageIndexEntry entry in index.Entries)
        {
            PageIndex.DecodePage(header, entry, file.AsSpan((int)entry.Offset, (int)entry.Size), page);
        }
    }

    private static async Task TryAsync(Func<Task> action)
    {
        try
        {
            await action().WaitAsync(TimeSpan.FromSeconds(30));
        }
        catch (LtxException)
        {
            // The only exception that input may cause.
        }
    }
}
