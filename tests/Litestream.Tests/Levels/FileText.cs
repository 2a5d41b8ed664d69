using System.Globalization;
using Litestream.Levels;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;

namespace Litestream.Tests.Levels;

/// <summary>Listings as text: <c>9:100@5 1:101-110@30 0:111</c> is level:range@seconds; one number alone ends a snapshot or is a level-0 file.</summary>
internal static class FileText
{
    /// <summary>Second 0.</summary>
    public static DateTimeOffset Epoch { get; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static DateTimeOffset At(double seconds) => Epoch.AddSeconds(seconds);

    public static ReplicaCatalog Catalog(string text)
    {
        var catalog = new ReplicaCatalog();
        foreach (LtxFileInfo file in Files(text))
        {
            catalog.Add(file);
        }

        return catalog;
    }

    public static ReplicaListing Listing(string text) => Catalog(text).ToListing();

    public static List<LtxFileInfo> Files(string text) =>
        [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Parse)];

    public static string Text(IEnumerable<LtxFileInfo> files) => string.Join(' ', files.Select(Text));

    private static string Text(LtxFileInfo file) => file.Level switch
    {
        LtxFileInfo.SnapshotLevel when file.MinTxid.Value == 1 => string.Create(CultureInfo.InvariantCulture, $"9:{file.MaxTxid.Value}"),
        0 when file.MinTxid == file.MaxTxid => string.Create(CultureInfo.InvariantCulture, $"0:{file.MaxTxid.Value}"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{file.Level}:{file.MinTxid.Value}-{file.MaxTxid.Value}"),
    };

    private static LtxFileInfo Parse(string text)
    {
        string[] parts = text.Split(':', '@');
        int level = int.Parse(parts[0], CultureInfo.InvariantCulture);
        string[] range = parts[1].Split('-');
        ulong max = ulong.Parse(range[^1], CultureInfo.InvariantCulture);
        ulong min = range.Length == 2 ? ulong.Parse(range[0], CultureInfo.InvariantCulture) : level == LtxFileInfo.SnapshotLevel ? 1 : max;
        double seconds = parts.Length > 2 ? double.Parse(parts[2], CultureInfo.InvariantCulture) : 0;
        return new LtxFileInfo(level, new Txid(min), new Txid(max), 200, At(seconds));
    }
}
