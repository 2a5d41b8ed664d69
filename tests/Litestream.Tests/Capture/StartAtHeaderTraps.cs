using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.Tests.Support;

namespace Litestream.Tests.Capture;

/// <summary>The newest local file is a full copy that ends at the header of the WAL: there is no frame before its end to compare with.</summary>
public sealed class StartAtHeaderTraps
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Trap_A10_ACopyThatEndsAtTheWalHeaderContinuesOnlyWithTheSameSalts(bool sameSalts)
    {
        using var scene = new SessionScene();
        scene.App.Run("PRAGMA wal_checkpoint(RESTART);");
        byte[] copied = scene.App.Image();
        scene.Commit("INSERT INTO t(v) VALUES ('the first frames behind the header');");
        WalHeader wal = HeaderOf(scene.Test.Path + "-wal");
        WriteCopy(scene, copied, wal.Salt1, sameSalts ? wal.Salt2 : wal.Salt2 + 1);

        scene.Open();
        scene.Capture(publish: true);

        List<LtxHeader> headers = Chain.Headers(scene.Test.LocalLevelZero);
        Assert.Equal(2, headers.Count);
        long pages = Chain.PageCount(Path.Combine(scene.Test.LocalLevelZero, LtxFileName.Format(new(2), new(2))));
        Assert.Equal(!sameSalts, pages == headers[1].Commit);
        Assert.Equal(scene.App.Image(), Chain.States(scene.Test.LocalLevelZero)[2]);
    }

    private static WalHeader HeaderOf(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        byte[] bytes = new byte[32];
        file.ReadExactly(bytes);
        Assert.Equal(WalHeaderStatus.Valid, WalHeader.TryParse(bytes, out WalHeader header));
        return header;
    }

    /// <summary>The file that a start leaves which copies the database behind a WAL header and before its first frame.</summary>
    private static void WriteCopy(SessionScene scene, byte[] image, uint salt1, uint salt2)
    {
        const int pageSize = 1024;
        Directory.CreateDirectory(scene.Test.LocalLevelZero);
        using FileStream file = File.Create(Path.Combine(scene.Test.LocalLevelZero, LtxFileName.Format(new(1), new(1))));
        var header = new LtxHeader
        {
            Flags = LtxFormat.NoChecksum,
            PageSize = pageSize,
            Commit = (uint)(image.Length / pageSize),
            MinTxid = new Txid(1),
            MaxTxid = new Txid(1),
            WalOffset = 32,
            WalSize = 0,
            WalSalt1 = salt1,
            WalSalt2 = salt2,
        };
        using var writer = new LtxWriter(file, header, leaveOpen: true);
        for (int page = 0; page < header.Commit; page++)
        {
            writer.WritePage((uint)page + 1, image.AsSpan(page * pageSize, pageSize));
        }

        writer.Finish();
    }
}
