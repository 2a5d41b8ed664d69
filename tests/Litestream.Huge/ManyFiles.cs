using Litestream.Levels;
using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Litestream.Huge;

/// <summary>Thousands of level-0 files of three pages each, as steady writing leaves them, merged into one.</summary>
internal static class ManyFiles
{
    private const uint Commit = 2000;
    private const int PagesPerFile = 3;

    internal static string Write(Arguments arguments)
    {
        var directory = Directory(arguments);
        directory.Create();
        long bytes = 0;
        byte[] page = new byte[arguments.PageSize];
        for (uint txid = 1; txid <= arguments.Files; txid++)
        {
            string path = directory.PathOf(new Txid(txid));
            using (FileStream file = File.Create(path))
            {
                var header = new LtxHeader
                {
                    Flags = LtxFormat.NoChecksum, PageSize = arguments.PageSize, Commit = Commit, MinTxid = new Txid(txid), MaxTxid = new Txid(txid),
                };
                using var writer = new LtxWriter(file, header);
                foreach (uint number in Pages(txid))
                {
                    // Half noise: a page of a real database compresses to about a half.
                    GeneratedPage.Fill(page, number, txid);
                    new Random((int)(number * txid)).NextBytes(page.AsSpan(page.Length / 2));
                    writer.WritePage(number, page);
                }

                bytes += writer.Finish();
            }
        }

        return $"generated_bytes={bytes}";
    }

    internal static async Task<string> MergeAsync(Arguments arguments)
    {
        LocalLtxDirectory directory = Directory(arguments);
        var services = new EngineServices(LocalFileSystem.Instance, TimeProvider.System, NullLoggerFactory.Instance);
        var replica = new FileReplicaClient(LocalFileSystem.Instance, arguments.Replica);
        var merger = new LevelMerger(replica, directory, keepLocal: true, services, NullLogger.Instance);
        LtxFileInfo merged = await merger.MergeAsync(directory.List(), 1, CancellationToken.None);
        return $"files={arguments.Files} merged_bytes={merged.Size}";
    }

    private static LocalLtxDirectory Directory(Arguments arguments) =>
        new(LocalFileSystem.Instance, Path.Combine(arguments.Folder, "state"));

    private static IEnumerable<uint> Pages(uint txid)
    {
        if (txid == 1)
        {
            return Enumerable.Range(1, (int)Commit).Select(page => (uint)page);
        }

        var random = new Random((int)txid);
        return new SortedSet<uint>(Enumerable.Range(0, PagesPerFile).Select(_ => (uint)random.Next(1, (int)Commit + 1)));
    }
}
