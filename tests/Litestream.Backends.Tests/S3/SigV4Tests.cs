using Litestream.Storage.S3;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>The examples of the S3 documentation, and the encodings that a signature depends on.</summary>
public sealed class SigV4Tests
{
    private static readonly AwsKeys Keys = new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    private static readonly DateTimeOffset Time = new(2013, 5, 24, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Get_object_with_range() => Check(
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", "GET", "/test.txt", "", SigV4.EmptyHash, ("Range", "bytes=0-9"));

    [Fact]
    public void Put_object() => Check(
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd", "PUT", "/" + PercentEncoding.Path("test$file.text"), "",
        "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
        ("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY"));

    [Fact]
    public void Parameter_without_value() => Check(
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", "GET", "/", SigV4.FormatQuery([("lifecycle", "")]), SigV4.EmptyHash);

    [Fact]
    public void List_objects() => Check(
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", "GET", "/", SigV4.FormatQuery([("prefix", "J"), ("max-keys", "2")]), SigV4.EmptyHash);

    [Theory]
    [InlineData("db/0000/x.ltx", "db/0000/x.ltx")]
    [InlineData("/0000/x", "/0000/x")]
    [InlineData("./0000//x", "./0000//x")]
    [InlineData("a b+c%20", "a%20b%2Bc%2520")]
    [InlineData("é~*'()!@:$&,;=", "%C3%A9~%2A%27%28%29%21%40%3A%24%26%2C%3B%3D")]
    public void Backend_T3_Keys_are_encoded_segment_by_segment(string key, string path) => Assert.Equal(path, PercentEncoding.Path(key));

    [Fact]
    public void Queries_are_sorted_by_their_encoded_form() =>
        Assert.Equal("a%2Fb=1&list-type=2&prefix=x%2F%26&prefix=x%2Fb", SigV4.FormatQuery([("prefix", "x/b"), ("list-type", "2"), ("prefix", "x/&"), ("a/b", "1")]));

    [Fact]
    public void Crc_of_the_check_string() => Assert.Equal(0xCBF43926, Crc32.Compute("123456789"u8));

    private static void Check(string signature, string method, string path, string query, string hash, params (string, string)[] headers)
    {
        string value = SigV4.Authorize(
            method, path, query,
            [("host", "examplebucket.s3.amazonaws.com"), ("x-amz-date", "20130524T000000Z"), ("x-amz-content-sha256", hash), .. headers],
            hash, Keys, "us-east-1", Time);
        Assert.EndsWith("Signature=" + signature, value, StringComparison.Ordinal);
        Assert.StartsWith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=", value, StringComparison.Ordinal);
    }
}
