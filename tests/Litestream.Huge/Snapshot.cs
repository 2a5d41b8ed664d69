using System.Buffers.Binary;
using Litestream.Capture;
using Litestream.Ltx;
using Litestream.Sqlite;

namespace Litestream.Huge;

/// <summary>A level-9 file of a sparse database file: the product's read transaction and encoder, and a sink that counts.</summary>
internal static class Snapshot
{
    internal static string Run(Arguments arguments)
    {
        string path = Create(arguments);
        using SqliteConnection connection = SqliteConnection.Open(path, new SqliteOpenOptions());
        connection.BeginRead();
        using var source = new SnapshotSource(connection, new Txid(1), WalCursor.Empty(arguments.PageCount), DateTimeOffset.UnixEpoch);
        using var sink = new CountingStream();
        source.WriteTo(sink, CancellationToken.None);
        return $"pages={arguments.PageCount} snapshot_bytes={sink.Length}";
    }

    /// <summary>A real database of one table that says it has so many pages, and holes where they would be.</summary>
    private static string Create(Arguments arguments)
    {
        Directory.CreateDirectory(arguments.Folder);
        string path = Path.Combine(arguments.Folder, "sparse.db");
        File.Delete(path);
        using (SqliteConnection connection = SqliteConnection.Open(path, new SqliteOpenOptions { Create = true }))
        {
            connection.Execute($"PRAGMA page_size = {arguments.PageSize}");
            connection.Execute("CREATE TABLE t (x)");
        }

        using FileStream file = File.OpenWrite(path);
        byte[] count = new byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(count, arguments.PageCount);
        file.Position = 28; // "Size of the database file in pages" of the SQLite header.
        file.Write(count);
        file.SetLength(arguments.PageCount * (long)arguments.PageSize);
        byte[] page = new byte[arguments.PageSize];
        for (uint number = 1000; number <= arguments.PageCount; number += 1000)
        {
            GeneratedPage.Fill(page, number, 1);
            file.Position = (number - 1L) * arguments.PageSize;
            file.Write(page);
        }

        return path;
    }
}
