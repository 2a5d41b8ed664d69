using System.Text;
using Litestream.Storage;
using Litestream.Storage.WebDav;
using Xunit;

namespace Litestream.Backends.Tests.WebDav;

/// <summary>Answers to PROPFIND as different servers write them.</summary>
public sealed class MultiStatusTests
{
    [Theory]
    [InlineData("/base/ltx/0/a.ltx", "a.ltx")]
    [InlineData("http://host:80/base/ltx/0/a.ltx", "a.ltx")]
    [InlineData("/base/ltx/0/", "0")]
    [InlineData("0000000000000001%2D0000000000000001%2Eltx", "0000000000000001-0000000000000001.ltx")]
    [InlineData(" /x/a%20b%C3%BC \n", "a bü")]
    [InlineData("/x/a.ltx?version=1#top", "a.ltx")]
    [InlineData("/", "")]
    public void Backend_T30_Names_are_read_from_all_forms_of_addresses(string href, string expected) => Assert.Equal(expected, MultiStatus.NameOf(href));

    [Theory]
    [InlineData("d", "xmlns:d=\"DAV:\"")]
    [InlineData("", "xmlns=\"DAV:\"")]
    [InlineData("lp1", "xmlns:lp1=\"DAV:\" xmlns:x=\"http://apache.org/dav/props/\"")]
    public async Task Only_properties_that_were_found_count(string prefix, string declaration)
    {
        string p = prefix.Length == 0 ? "" : prefix + ":";
        IReadOnlyList<DavResource> found = await ReadAsync($"""
            <?xml version="1.0"?><{p}multistatus {declaration}>
            <{p}response><{p}href>/b/ltx/0/</{p}href><{p}propstat><{p}prop><{p}resourcetype><{p}collection/></{p}resourcetype></{p}prop><{p}status>HTTP/1.1 200 OK</{p}status></{p}propstat></{p}response>
            <{p}response><{p}href>/b/ltx/0/one</{p}href>
              <{p}propstat><{p}status>HTTP/1.1 200 OK</{p}status><{p}prop><{p}resourcetype/><{p}getcontentlength>12</{p}getcontentlength><{p}getlastmodified>Tue, 02 Jan 2024 03:04:05 GMT</{p}getlastmodified><{p}lockdiscovery><{p}href>no</{p}href></{p}lockdiscovery></{p}prop></{p}propstat>
              <{p}propstat><{p}prop><{p}getcontentlength>99</{p}getcontentlength><{p}displayname/></{p}prop><{p}status>HTTP/1.1 404 Not Found</{p}status></{p}propstat></{p}response>
            <{p}response><{p}href>/b/ltx/0/two</{p}href><{p}status>HTTP/1.1 403 Forbidden</{p}status></{p}response>
            <other xmlns="urn:x"><response><href>/three</href></response></other><{p}response/>
            <{p}responsedescription>text</{p}responsedescription></{p}multistatus>
            """);
        Assert.Equal(
            [
                new DavResource("0", true, null, null),
                new DavResource("one", false, 12, new DateTimeOffset(2024, 1, 2, 3, 4, 5, TimeSpan.Zero)),
                new DavResource("two", false, null, null),
            ],
            found);
    }

    [Theory]
    [InlineData("<!DOCTYPE x [<!ENTITY a \"aaaa\">]><d:multistatus xmlns:d=\"DAV:\"><d:response><d:href>&a;</d:href></d:response></d:multistatus>", true)]
    [InlineData("<d:multistatus xmlns:d=\"DAV:\"><d:response><d:href>/x", true)]
    [InlineData("", true)]
    [InlineData("<html><body>secret</body></html>", false)]
    [InlineData("<multistatus/>", false)]
    public async Task What_is_no_listing_is_refused(string text, bool transient)
    {
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(async () => await ReadAsync(text));
        Assert.Equal(transient, failure.IsTransient);
        Assert.DoesNotContain("secret", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_name_without_end_is_refused() =>
        await Assert.ThrowsAsync<ReplicaException>(async () => await ReadAsync(
            $"<d:multistatus xmlns:d=\"DAV:\"><d:response><d:href>{new string('a', 1 << 20)}</d:href></d:response></d:multistatus>"));

    private static async Task<List<DavResource>> ReadAsync(string text)
    {
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(text));
        return await MultiStatus.ReadAsync("list", stream, CancellationToken.None);
    }
}
