using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;

namespace Litestream.Ltx.Tests;

/// <summary>Every file of the fixtures, as their manifest says.</summary>
public sealed class FixtureTests
{
    public static TheoryData<string> Accepted => Fixtures.Names("accept");

    public static TheoryData<string> Rejected => Fixtures.Names("reject");

    [Theory]
    [MemberData(nameof(Accepted))]
    public void GoodFile_IsReadAsTheManifestSays(string file)
    {
        JsonElement expected = Entry(file);
        byte[] content = Fixtures.Read(file);
        using var reader = new LtxReader(new ChunkedStream(content, 1000), file);
        LtxHeader header = reader.ReadHeader();
        var seen = new Dictionary<uint, (long Offset, int Size, string Sha)>();
        using var all = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        while (reader.ReadPage())
        {
            all.AppendData(reader.Page);
            seen.Add(reader.PageNumber, (reader.FrameOffset, reader.FrameSize, Convert.ToHexStringLower(SHA256.HashData(reader.Page))));
        }

        LtxTrailer trailer = reader.Finish();
        Assert.Equal(content.Length, reader.Position);
        CheckHeader(expected, header);
        Assert.Equal(Hex(expected, "post_apply"), trailer.PostApplyChecksum);
        Assert.Equal(Hex(expected, "file_checksum"), trailer.FileChecksum);
        Assert.Equal(expected.GetProperty("page_count").GetInt64(), reader.PageCount);
        Assert.Equal(expected.GetProperty("all_pages_sha256").GetString(), Convert.ToHexStringLower(all.GetHashAndReset()));
        foreach (JsonElement page in expected.GetProperty("pages").EnumerateArray())
        {
            Assert.Equal(
                (page.GetProperty("offset").GetInt64(), page.GetProperty("frame_size").GetInt32(), page.GetProperty("sha256").GetString()),
                seen[page.GetProperty("pgno").GetUInt32()]);
        }
    }

    [Theory]
    [MemberData(nameof(Accepted))]
    public void GoodFile_WrittenAnew_HasTheSamePages(string file)
    {
        (LtxHeader header, List<(uint, byte[])> pages, LtxTrailer trailer) = TestFiles.ReadAll(Fixtures.Read(file));
        byte[] again = TestFiles.Build(header, pages, trailer.PostApplyChecksum);
        (LtxHeader header2, List<(uint, byte[])> pages2, LtxTrailer trailer2) = TestFiles.ReadAll(again);
        Assert.Equal(header, header2);
        TestFiles.AssertSame(pages, pages2);
        Assert.Equal(trailer.PostApplyChecksum, trailer2.PostApplyChecksum);
    }

    [Theory]
    [MemberData(nameof(Rejected))]
    public void BadFile_IsRejectedWithItsClass(string file)
    {
        JsonElement expected = Entry(file);
        LtxException error = Assert.Throws<LtxException>(() => TestFiles.ReadAll(Fixtures.Read(file)));
        string[] also = expected.TryGetProperty("also_acceptable", out JsonElement list)
            ? [.. list.EnumerateArray().Select(e => e.GetString()!)] : [];
        Assert.Contains(Class(error.Kind), (string[])[expected.GetProperty("condition").GetString()!, .. also, .. Unsupported(expected)]);
    }

    [Theory]
    [MemberData(nameof(Rejected))]
    public async Task BadFile_IsRejectedWithTheSameClassWhenReadAsynchronously(string file)
    {
        byte[] content = Fixtures.Read(file);
        LtxException expected = Assert.Throws<LtxException>(() => TestFiles.ReadAll(content));
        LtxException error = await Assert.ThrowsAsync<LtxException>(async () => await LtxReader.VerifyAsync(new ChunkedStream(content, 3), file));
        Assert.Equal(expected.Kind, error.Kind);
        Assert.Contains(file, error.Message, StringComparison.Ordinal);
    }

    private static void CheckHeader(JsonElement expected, LtxHeader header)
    {
        Assert.Equal(expected.GetProperty("page_size").GetInt32(), header.PageSize);
        Assert.Equal(expected.GetProperty("commit").GetUInt32(), header.Commit);
        Assert.Equal(expected.GetProperty("flags").GetUInt32(), header.Flags);
        Assert.Equal(expected.GetProperty("min_txid").GetString(), header.MinTxid.ToString());
        Assert.Equal(expected.GetProperty("max_txid").GetString(), header.MaxTxid.ToString());
        Assert.Equal(expected.GetProperty("timestamp_ms").GetInt64(), header.Timestamp);
        Assert.Equal(Hex(expected, "pre_apply"), header.PreApplyChecksum);
        Assert.Equal(expected.GetProperty("wal_offset").GetInt64(), header.WalOffset);
        Assert.Equal(expected.GetProperty("wal_size").GetInt64(), header.WalSize);
        Assert.Equal(expected.GetProperty("wal_salt").GetString(), $"{header.WalSalt1:x8} {header.WalSalt2:x8}");
        Assert.Equal(Hex(expected, "node_id"), header.NodeId);
    }

    // The format has no version field, so a pre-release file shows itself by the rule that it breaks.
    private static string[] Unsupported(JsonElement expected) =>
        expected.GetProperty("condition").GetString() == "unsupported-version" ? ["header-invalid", "page-header-invalid"] : [];

    private static string Class(LtxErrorKind kind) => kind switch
    {
        LtxErrorKind.Truncated => "truncated",
        LtxErrorKind.BadMagic => "bad-magic",
        LtxErrorKind.HeaderInvalid => "header-invalid",
        LtxErrorKind.PageHeaderInvalid => "page-header-invalid",
        LtxErrorKind.PageData => "page-data",
        LtxErrorKind.PageOrder => "page-order",
        LtxErrorKind.SnapshotIncomplete => "snapshot-incomplete",
        LtxErrorKind.PageIndex => "page-index",
        LtxErrorKind.TrailerInvalid => "trailer-invalid",
        LtxErrorKind.FileChecksum => "file-checksum",
        LtxErrorKind.PostApplyChecksum => "post-apply-checksum",
        LtxErrorKind.TrailingData => "trailing-bytes",
        _ => kind.ToString(),
    };

    private static JsonElement Entry(string file) => Fixtures.Files.Single(f => f.GetProperty("file").GetString() == file);

    private static ulong Hex(JsonElement element, string name) =>
        ulong.Parse(element.GetProperty(name).GetString()!, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
