using System.Buffers.Binary;

namespace Litestream.Ltx;

/// <summary>The last 16 bytes of an LTX file (ltx-format §5).</summary>
/// <param name="PostApplyChecksum">Rolling checksum of the database after applying; 0 without checksums.</param>
/// <param name="FileChecksum">Checksum of the whole file, highest bit always set.</param>
public readonly record struct LtxTrailer(ulong PostApplyChecksum, ulong FileChecksum)
{
    /// <summary>Reads a trailer without checking it.</summary>
    /// <param name="source">At least <see cref="LtxFormat.TrailerSize"/> bytes.</param>
    internal static LtxTrailer Parse(ReadOnlySpan<byte> source) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(source), BinaryPrimitives.ReadUInt64BigEndian(source[8..]));

    /// <summary>Writes the trailer.</summary>
    /// <param name="destination">At least <see cref="LtxFormat.TrailerSize"/> bytes.</param>
    internal void WriteTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64BigEndian(destination, PostApplyChecksum);
        BinaryPrimitives.WriteUInt64BigEndian(destination[8..], FileChecksum);
    }

    /// <summary>What is wrong with a post-apply checksum for this header, or null. Checked when writing and when reading.</summary>
    internal static string? FindPostApplyDefect(in LtxHeader header, ulong postApply)
    {
        if (!header.TracksChecksums)
        {
            return postApply == 0 ? null : $"post-apply checksum {postApply:x16} must be 0 in a file without checksums";
        }

        if ((postApply & LtxFormat.ChecksumFlag) == 0)
        {
            return $"post-apply checksum {postApply:x16} must have its highest bit set";
        }

        return header.Commit != 0 || postApply == LtxFormat.ChecksumFlag ? null
            : $"post-apply checksum {postApply:x16} must be {LtxFormat.ChecksumFlag:x16} for a deleted database";
    }
}
