using Litestream.Ltx;

namespace Litestream.EndToEnd.Tests;

/// <summary>What an LTX file holds, for judging it from outside.</summary>
/// <param name="Name">File name.</param>
/// <param name="Header">Its header.</param>
/// <param name="Pages">Pages in it.</param>
public sealed record LtxFile(string Name, LtxHeader Header, uint Pages)
{
    /// <summary>Whether every page of the database is in it, the lock page aside.</summary>
    public bool IsFullCopy => Pages >= Header.Commit - (Header.Commit >= LtxFormat.LockPage(Header.PageSize) ? 1u : 0u);

    /// <summary>Reads a file completely, checksums included.</summary>
    public static async Task<LtxFile> ReadAsync(string path)
    {
        await using var reader = new LtxReader(File.OpenRead(path), path);
        LtxHeader header = await reader.ReadHeaderAsync(CancellationToken.None);
        uint pages = 0;
        while (await reader.ReadPageAsync(CancellationToken.None))
        {
            pages++;
        }

        await reader.FinishAsync(CancellationToken.None);
        return new LtxFile(Path.GetFileName(path), header, pages);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name}: {Pages} of {Header.Commit} pages, WAL {Header.WalOffset}+{Header.WalSize}";
}
