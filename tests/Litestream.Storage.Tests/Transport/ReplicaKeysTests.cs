using Litestream.Ltx;
using Litestream.Storage.Transport;
using Xunit;

namespace Litestream.Storage.Tests.Transport;

/// <summary>Names of objects and times beside them, as existing replicas have them (backends §1.2, §1.8).</summary>
public sealed class ReplicaKeysTests
{
    private const string Name = "0000000000000001-00000000000003e8.ltx";

    [Theory]
    [InlineData("db", "db/0009/")]
    [InlineData("", "/0009/")]
    [InlineData(".", "./0009/")]
    [InlineData("/", "//0009/")]
    [InlineData("db/", "db//0009/")]
    [InlineData("/lead", "/lead/0009/")]
    [InlineData("a//b", "a//b/0009/")]
    [InlineData("a/../b", "a/../b/0009/")]
    public void Backend_T3_layout_A_is_plain_concatenation(string path, string directory) =>
        Assert.Equal(directory + Name, ReplicaKeys.FlatHex(path).File(9, new Txid(1), new Txid(1000)));

    [Theory]
    [InlineData("db", "db/ltx/9/", "db/")]
    [InlineData("", "ltx/9/", "")]
    [InlineData(".", "ltx/9/", "")]
    [InlineData("db/", "db/ltx/9/", "db/")]
    [InlineData("/db", "/db/ltx/9/", "/db/")]
    [InlineData("/", "/ltx/9/", "/")]
    [InlineData("a//b/./../c", "a/c/ltx/9/", "a/c/")]
    public void Backend_T3_layout_B_is_cleaned(string path, string directory, string root)
    {
        var keys = ReplicaKeys.LtxDirectory(path);
        Assert.Equal((directory + Name, root), (keys.File(9, new Txid(1), new Txid(1000)), keys.Root));
    }

    [Theory]
    [InlineData("x/0000/0000000000000001-0000000000000002.ltx", true)]
    [InlineData("0000000000000001-0000000000000002.ltx", true)]
    [InlineData("x/0000000000000001-000000000000000A.ltx", false)]
    [InlineData("x/0000000000000001-0000000000000002.ltx.tmp", false)]
    [InlineData("x/lock.json", false)]
    [InlineData("x/", false)]
    public void Other_names_are_no_files(string key, bool file) => Assert.Equal(file, ReplicaKeys.Parse(key) is not null);

    [Theory]
    [InlineData(1704164645678, "2024-01-02T03:04:05.678Z")]
    [InlineData(1704164645600, "2024-01-02T03:04:05.6Z")]
    [InlineData(1704164645000, "2024-01-02T03:04:05Z")]
    public void Times_have_as_many_digits_as_they_need(long milliseconds, string text)
    {
        var time = DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);
        Assert.Equal(text, HeaderTime.Format(time));
        Assert.Equal(time, HeaderTime.Parse(text));
        Assert.Equal(time, HeaderTime.Parse(time.ToOffset(TimeSpan.FromHours(2)).ToString("yyyy-MM-dd'T'HH:mm:ss.FFFzzz", null)));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("yesterday")]
    public void A_time_that_is_none_is_none(string? text) => Assert.Null(HeaderTime.Parse(text));
}
