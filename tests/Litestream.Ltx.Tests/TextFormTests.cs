namespace Litestream.Ltx.Tests;

/// <summary>Text forms of transaction ids and positions (ltx-format §8).</summary>
public sealed class TextFormTests
{
    [Theory]
    [InlineData("00000000000003e8/a2d3ccd000000000", true)]
    [InlineData("00000000000003E8/A2D3CCD000000000", true)]
    [InlineData("00000000000003e8-a2d3ccd000000000", false)]
    [InlineData("00000000000003e8/a2d3ccd00000000", false)]
    [InlineData("00000000000003e8/a2d3ccd0000000000", false)]
    [InlineData("00000000000003e8/ 2d3ccd000000000", false)]
    [InlineData("", false)]
    public void Position_IsRecognisedExactly(string text, bool good)
    {
        Assert.Equal(good, LtxPosition.TryParse(text, out LtxPosition position));
        Assert.Equal(good ? new LtxPosition(new Txid(1000), 0xa2d3ccd000000000) : default, position);
        if (good)
        {
            Assert.Equal("00000000000003e8/a2d3ccd000000000", position.ToString());
        }
    }

    [Theory]
    [InlineData("0000000000000001", 1ul)]
    [InlineData("ffffffffffffffff", ulong.MaxValue)]
    [InlineData("FFFFFFFFFFFFFFFF", ulong.MaxValue)]
    [InlineData("1", null)]
    [InlineData("0x00000000000001", null)]
    [InlineData("00000000000000001", null)]
    [InlineData("000000000000000 ", null)]
    [InlineData("-000000000000001", null)]
    public void Txid_IsSixteenHexDigits(string text, ulong? expected)
    {
        Assert.Equal(expected is not null, Txid.TryParse(text, out Txid txid));
        Assert.Equal(expected ?? 0, txid.Value);
        Assert.Equal(16, txid.ToString().Length);
    }

    [Fact]
    public void Txid_NextOfTheLargest_DoesNotWrap() =>
        Assert.Throws<OverflowException>(() => new Txid(ulong.MaxValue).Next);
}
