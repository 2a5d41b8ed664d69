using System.Globalization;

namespace Litestream.Storage.S3;

/// <summary>A version of an object, or the marker that it was deleted.</summary>
/// <param name="Key">The object's key.</param>
/// <param name="Id">The version's id; <c>null</c> as text for objects older than versioning.</param>
/// <param name="Size">Bytes; 0 for a marker.</param>
/// <param name="LastModified">The store's time of it.</param>
/// <param name="IsDeleteMarker">True: from that time on the object was absent.</param>
internal readonly record struct ListedVersion(string Key, string Id, long Size, DateTimeOffset LastModified, bool IsDeleteMarker);

/// <summary>One page of a listing of versions (ListObjectVersions).</summary>
/// <param name="Versions">Versions and markers in the server's order: by key, newest first.</param>
/// <param name="NextKey">Where the next page begins; null on the last page.</param>
/// <param name="NextId">Version at which it begins.</param>
internal sealed record VersionListing(IReadOnlyList<ListedVersion> Versions, string? NextKey, string? NextId)
{
    /// <summary>Reads a page.</summary>
    /// <exception cref="System.Xml.XmlException">The document is damaged.</exception>
    /// <exception cref="FormatException">It is no listing of versions, or an element does not hold what it should.</exception>
    public static VersionListing Parse(ReadOnlyMemory<byte> xml)
    {
        List<ListedVersion> versions = [];
        ListedVersion current = default;
        bool truncated = false;
        string? nextKey = null;
        string? nextId = null;
        string root = XmlAnswer.Walk(xml, Leaf, Close);
        if (root != "ListVersionsResult")
        {
            throw new FormatException($"the answer is no listing of versions but <{root}>");
        }

        return !truncated || !string.IsNullOrEmpty(nextKey)
            ? new VersionListing(versions, truncated ? nextKey : null, nextId)
            : throw new FormatException("the listing goes on, but the answer does not say where");

        void Leaf(string parent, string name, string text)
        {
            current = (parent, name) switch
            {
                ("Version" or "DeleteMarker", "Key") => current with { Key = text },
                ("Version" or "DeleteMarker", "VersionId") => current with { Id = text },
                ("Version" or "DeleteMarker", "LastModified") => current with { LastModified = ObjectListing.ParseTime(text) },
                ("Version", "Size") => current with { Size = long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture) },
                _ => current,
            };
            if (parent == "ListVersionsResult")
            {
                truncated = name == "IsTruncated" ? text.Equals("true", StringComparison.OrdinalIgnoreCase) : truncated;
                nextKey = name == "NextKeyMarker" ? text : nextKey;
                nextId = name == "NextVersionIdMarker" ? text : nextId;
            }
        }

        void Close(string name)
        {
            if (name is "Version" or "DeleteMarker")
            {
                versions.Add(current.Key is null || current.Id is null
                    ? throw new FormatException("a version of the listing has no key or no id")
                    : current with { IsDeleteMarker = name == "DeleteMarker" });
                current = default;
            }
        }
    }
}
