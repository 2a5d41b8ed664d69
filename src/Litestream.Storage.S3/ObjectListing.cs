using System.Globalization;

namespace Litestream.Storage.S3;

/// <summary>An object in a listing.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Size">Bytes.</param>
/// <param name="LastModified">The store's time of it.</param>
internal readonly record struct ListedObject(string Key, long Size, DateTimeOffset LastModified);

/// <summary>One page of a listing (ListObjectsV2 of S3 and OSS). A page may be empty and still have a successor (trap T19).</summary>
/// <param name="Objects">The objects, in the server's order.</param>
/// <param name="CommonPrefixes">What a delimiter cut off.</param>
/// <param name="NextToken">Continuation token; null on the last page.</param>
internal sealed record ObjectListing(IReadOnlyList<ListedObject> Objects, IReadOnlyList<string> CommonPrefixes, string? NextToken)
{
    /// <summary>Reads a page.</summary>
    /// <exception cref="System.Xml.XmlException">The document is damaged.</exception>
    /// <exception cref="FormatException">It is no listing, or an element does not hold what it should.</exception>
    public static ObjectListing Parse(ReadOnlyMemory<byte> xml)
    {
        List<ListedObject> objects = [];
        List<string> prefixes = [];
        ListedObject current = default;
        bool truncated = false;
        string? token = null;
        string root = XmlAnswer.Walk(xml, Leaf, Close);
        if (root != "ListBucketResult")
        {
            throw new FormatException($"the answer is no listing but <{root}>");
        }

        // Without a token the next page cannot be asked for, and an incomplete list must never pass for a complete one.
        return !truncated || !string.IsNullOrEmpty(token)
            ? new ObjectListing(objects, prefixes, truncated ? token : null)
            : throw new FormatException("the listing goes on, but the answer has no continuation token");

        void Leaf(string parent, string name, string text)
        {
            switch (parent, name)
            {
                case ("Contents", "Key"):
                    current = current with { Key = text };
                    break;
                case ("Contents", "Size"):
                    current = current with { Size = long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture) };
                    break;
                case ("Contents", "LastModified"):
                    current = current with { LastModified = ParseTime(text) };
                    break;
                case ("CommonPrefixes", "Prefix"):
                    prefixes.Add(text);
                    break;
                case ("ListBucketResult", "IsTruncated"):
                    truncated = text.Equals("true", StringComparison.OrdinalIgnoreCase);
                    break;
                case ("ListBucketResult", "NextContinuationToken"):
                    token = text;
                    break;
            }
        }

        void Close(string name)
        {
            if (name == "Contents")
            {
                objects.Add(current.Key is null ? throw new FormatException("an object of the listing has no key") : current);
                current = default;
            }
        }
    }

    /// <summary>A time of a listing (RFC 3339).</summary>
    /// <exception cref="FormatException">It is none.</exception>
    internal static DateTimeOffset ParseTime(string text) =>
        DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal);
}
