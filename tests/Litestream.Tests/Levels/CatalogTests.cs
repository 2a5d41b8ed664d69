using Litestream.Levels;
using Litestream.Storage;

namespace Litestream.Tests.Levels;

/// <summary>The known files: what was handed out never changes, and the order is numeric.</summary>
public sealed class CatalogTests
{
    [Fact]
    public void A_level_that_was_handed_out_does_not_change()
    {
        ReplicaCatalog catalog = FileText.Catalog("0:1 0:2");
        IReadOnlyList<LtxFileInfo> before = catalog[0];
        for (int i = 3; i < 40; i++)
        {
            catalog.Add(FileText.Files($"0:{i}")[0]);
        }

        IReadOnlyList<LtxFileInfo> middle = catalog[0];
        catalog.Remove(FileText.Files("0:1 0:2 0:3"));
        catalog.Remove(FileText.Files("0:39 0:77"));
        catalog.Add(FileText.Files("0:39")[0]);
        Assert.Equal("0:1 0:2", FileText.Text(before));
        Assert.Equal(39, middle.Count);
        Assert.Equal("0:39", FileText.Text([middle[^1]]));
        Assert.Equal(36, catalog[0].Count);
    }

    [Fact]
    public void Files_come_in_order_and_once()
    {
        ReplicaCatalog catalog = FileText.Catalog("9:200 9:9 9:40 9:40 1:3-7 1:3-5");
        Assert.Equal("9:9 9:40 9:200", FileText.Text(catalog[9]));
        Assert.Equal("1:3-5 1:3-7", FileText.Text(catalog[1]));
        Assert.Equal("9:200", FileText.Text([catalog.Newest(9)!.Value]));
        IReadOnlyList<LtxFileInfo> before = catalog[9];
        catalog.Add(FileText.Files("9:201")[0]);
        catalog.Replace(9, FileText.Files("9:5 9:4"), before);
        Assert.Equal("9:4 9:5 9:201", FileText.Text(catalog[9]));
        Assert.Null(catalog.Newest(5));
    }

    // Random overlapping levels against the definition.
    [Fact]
    public void The_cover_of_a_range_is_found_in_any_level()
    {
        var random = new Random(7);
        for (int round = 0; round < 20_000; round++)
        {
            var files = FileText.Catalog(string.Join(' ', Enumerable.Range(0, random.Next(6)).Select(_ =>
            {
                int min = random.Next(1, 12);
                return $"1:{min}-{min + random.Next(6)}";
            })))[1];
            ulong from = (ulong)random.Next(1, 14);
            var range = new TxidRange(new(from), new(from + (ulong)random.Next(4)));
            ulong? end = LevelFiles.CoverEnd(files, range)?.Value;

            bool isHeld = true;
            for (ulong t = range.Min.Value; t <= range.Max.Value; t++)
            {
                isHeld &= files.Any(file => file.MinTxid.Value <= t && t <= file.MaxTxid.Value);
            }

            Assert.Equal(isHeld, end is not null);
            Assert.True(end is null || (end >= range.Max.Value && files.Any(file => file.MaxTxid.Value == end)));
        }
    }
}
