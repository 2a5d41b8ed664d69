using System.Globalization;
using System.Xml;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Azure;

/// <summary>One blob of a listing.</summary>
/// <param name="Name">Its key.</param>
/// <param name="Size">Bytes.</param>
/// <param name="CreatedAt">When it was created; without that, when it was changed.</param>
/// <param name="ModifiedAt">When it was changed.</param>
/// <param name="HeaderTime">Time of its LTX header as kept in its metadata; null if there is none or it cannot be read.</param>
/// <param name="IsFolder">A directory of an account with a hierarchical namespace.</param>
internal readonly record struct BlobEntry(
    string Name, long Size, DateTimeOffset CreatedAt, DateTimeOffset ModifiedAt, DateTimeOffset? HeaderTime, bool IsFolder);

/// <summary>One page of a listing.</summary>
/// <param name="Blobs">Its blobs in the order of their names; a page may have none and still not be the last one (trap T19).</param>
/// <param name="NextMarker">Where the next page begins; empty on the last page.</param>
internal sealed record BlobPage(IReadOnlyList<BlobEntry> Blobs, string NextMarker)
{
    /// <summary>Most blobs of a page that the service gives.</summary>
    public const int MaxBlobs = 5000;

    /// <summary>Name of the metadata that holds the header time; hyphens are not allowed there (backends §1.8).</summary>
    public const string TimestampName = "litestreamtimestamp";

    private const string FolderName = "hdi_isfolder";

    // 5000 blobs with names and metadata of the greatest sizes that the service allows, escaped.
    private const long MaxCharacters = 256L << 20;

    private static readonly XmlReaderSettings Settings = new()
    {
        Async = true,
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        CheckCharacters = false,
        MaxCharactersInDocument = MaxCharacters,
    };

    /// <summary>Reads the answer to a list request.</summary>
    /// <exception cref="XmlException">It is no such answer, or broke off.</exception>
    public static async ValueTask<BlobPage> ReadAsync(Stream answer, CancellationToken cancellationToken)
    {
        List<BlobEntry> blobs = [];
        string marker = "";
        var fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        Stack<string> path = [];
        bool complete = false;
        using var reader = XmlReader.Create(answer, Settings);
        while (await reader.ReadAsync().ConfigureAwait(false))
        {
            cancellationToken.ThrowIfCancellationRequested();
            switch (reader.NodeType)
            {
                case XmlNodeType.Element when !reader.IsEmptyElement:
                    path.Push(reader.LocalName);
                    break;
                case XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace:
                    string parent = path.Count > 1 ? path.ElementAt(1) : "";
                    if (parent is "Blob" or "Properties" or "Metadata")
                    {
                        fields[parent == "Metadata" ? "*" + path.Peek() : path.Peek()] = reader.Value;
                    }
                    else if (path.Count == 2 && path.Peek() == "NextMarker")
                    {
                        marker = reader.Value.Trim();
                    }

                    break;
                case XmlNodeType.EndElement:
                    string ended = path.Pop();
                    complete |= ended == "EnumerationResults";
                    if (ended == "Blob" && path.Count == 2)
                    {
                        blobs.Add(ToEntry(fields));
                        fields.Clear();
                    }

                    break;
            }
        }

        return complete ? new BlobPage(blobs, marker) : throw new XmlException("this is no list of blobs");
    }

    private static BlobEntry ToEntry(Dictionary<string, string> fields)
    {
        if (!fields.TryGetValue("Name", out string? name)
            || !long.TryParse(fields.GetValueOrDefault("Content-Length", "0"), NumberStyles.None, CultureInfo.InvariantCulture, out long size))
        {
            throw new XmlException("a blob has no name or no size");
        }

        DateTimeOffset? modified = HeaderTime.Parse(fields.GetValueOrDefault("Last-Modified"));
        DateTimeOffset created = HeaderTime.Parse(fields.GetValueOrDefault("Creation-Time")) ?? modified ?? DateTimeOffset.UnixEpoch;
        return new BlobEntry(
            name, size, created, modified ?? created, HeaderTime.Parse(fields.GetValueOrDefault("*" + TimestampName)),
            fields.GetValueOrDefault("*" + FolderName) == "true");
    }
}
