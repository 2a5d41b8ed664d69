using System.Runtime.CompilerServices;

namespace Litestream.Storage.S3;

/// <summary>Operations on versions (decision D38).</summary>
internal sealed partial class S3Bucket
{
    /// <summary><c>Enabled</c>, <c>Suspended</c>, or empty if it never was on.</summary>
    public ValueTask<string> GetVersioningAsync(CancellationToken cancellationToken) => SendForXmlAsync(
        new S3Request(HttpMethod.Get, null) { Query = [("versioning", "")] },
        xml =>
        {
            string status = "";
            string root = XmlAnswer.Walk(xml, (_, name, text) => status = name == "Status" ? text : status);
            return root == "VersioningConfiguration" ? status : throw new FormatException($"the answer is no versioning status but <{root}>");
        },
        cancellationToken);

    /// <summary>Pages of a listing of versions, to its end.</summary>
    /// <param name="prefix">Prefix of the keys.</param>
    /// <param name="keyMarker">Keys up to this one are left out; null = none.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    public async IAsyncEnumerable<VersionListing> ListVersionsAsync(
        string prefix, string? keyMarker, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? key = keyMarker;
        string? id = null;
        bool more;
        do
        {
            List<(string, string)> query = [("versions", ""), ("prefix", prefix)];
            AddIf(query, "key-marker", key);
            AddIf(query, "version-id-marker", id);
            VersionListing page = await SendForXmlAsync(new S3Request(HttpMethod.Get, null) { Query = query }, VersionListing.Parse, cancellationToken).ConfigureAwait(false);
            ReplicaMetrics.Count(Type, "LIST");
            more = page.NextKey is not null;
            RequireProgress($"{key}\n{id}", more ? $"{page.NextKey}\n{page.NextId}" : null);
            (key, id) = (page.NextKey, page.NextId);
            yield return page;
        }
        while (more);
    }
}
