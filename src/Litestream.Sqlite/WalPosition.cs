using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Litestream.Sqlite.Interop;

namespace Litestream.Sqlite;

/// <summary>
/// What a read transaction sees of the WAL, exactly (replication §8.7 "Instruments"): a generation and its last visible frame.
/// </summary>
/// <param name="Salt1">First salt of the generation, as in the WAL header.</param>
/// <param name="Salt2">Second salt.</param>
/// <param name="MaxFrame">Number of the last visible frame, counted from 1; 0 = none of this generation yet.</param>
/// <param name="PageCount">Pages of the database as this transaction sees it.</param>
/// <param name="Checksum1">First running checksum of frame <paramref name="MaxFrame"/>, as a big-endian read of the file gives it.</param>
/// <param name="Checksum2">Second running checksum.</param>
public readonly record struct WalPosition(uint Salt1, uint Salt2, uint MaxFrame, uint PageCount, uint Checksum1, uint Checksum2)
{
    /// <summary>Whether both positions belong to one generation of the WAL.</summary>
    public bool IsSameGeneration(in WalPosition other) => Salt1 == other.Salt1 && Salt2 == other.Salt2;

    /// <summary>Reads the position out of a <c>sqlite3_snapshot</c>: numbers in native order, salts as their bytes in the file.</summary>
    internal static WalPosition FromSnapshot(ReadOnlySpan<byte> snapshot)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(snapshot.Length, SqliteConstants.SnapshotSize);
        return new WalPosition(
            BinaryPrimitives.ReadUInt32BigEndian(snapshot[32..]),
            BinaryPrimitives.ReadUInt32BigEndian(snapshot[36..]),
            MemoryMarshal.Read<uint>(snapshot[16..]),
            MemoryMarshal.Read<uint>(snapshot[20..]),
            MemoryMarshal.Read<uint>(snapshot[24..]),
            MemoryMarshal.Read<uint>(snapshot[28..]));
    }
}
