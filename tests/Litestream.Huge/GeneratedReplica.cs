using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Huge;

/// <summary>A replica in a directory: a snapshot of all pages and two increments of some.</summary>
internal static class GeneratedReplica
{
    private const uint SecondEvery = 5;
    private const uint ThirdEvery = 7;

    internal static uint NewestWriter(uint page) => page % ThirdEvery == 0 ? 3u : page % SecondEvery == 0 ? 2u : 1u;

    internal static string Write(Arguments arguments)
    {
        long bytes = 0;
        for (uint txid = 1; txid <= 3; txid++)
        {
            bytes += WriteFile(arguments, txid, txid == 1 ? 1 : txid == 2 ? SecondEvery : ThirdEvery);
        }

        return $"generated_bytes={bytes}";
    }

    /// <summary>The files, as a listing has them.</summary>
    internal static async Task<List<LtxFileInfo>> ListAsync(FileReplicaClient client)
    {
        var files = new List<LtxFileInfo>();
        await foreach (LtxFileInfo file in client.ListAsync(0, Txid.None, accurateTimes: false, CancellationToken.None))
        {
            files.Add(file);
        }

        return files;
    }

    private static long WriteFile(Arguments arguments, uint txid, uint every)
    {
        string path = new FileReplicaClient(LocalFileSystem.Instance, arguments.Replica).FilePath(0, new Txid(txid), new Txid(txid));
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using FileStream file = File.Create(path);
        var header = new LtxHeader
        {
            Flags = LtxFormat.NoChecksum,
            PageSize = arguments.PageSize,
            Commit = arguments.PageCount,
            MinTxid = new Txid(txid),
            MaxTxid = new Txid(txid),
            Timestamp = 1_700_000_000_000 + txid,
        };
        using var writer = new LtxWriter(file, header);
        byte[] page = new byte[arguments.PageSize];
        uint lockPage = LtxFormat.LockPage(arguments.PageSize);
        for (uint number = every; number <= arguments.PageCount; number += every)
        {
            if (number != lockPage)
            {
                GeneratedPage.Fill(page, number, txid);
                writer.WritePage(number, page);
            }
        }

        return writer.Finish();
    }
}
