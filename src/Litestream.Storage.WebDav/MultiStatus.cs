using System.Globalization;
using System.Text;
using System.Xml;

namespace Litestream.Storage.WebDav;

/// <summary>
/// Reads the answer to PROPFIND (RFC 4918 §9.1) as it arrives, one resource at a time. DTDs are refused: they can make a small answer fill the memory.
/// </summary>
internal static class MultiStatus
{
    private const string Dav = "DAV:";

    private const int MaxTextLength = 16 << 10;

    /// <summary>About two million resources.</summary>
    private const long MaxDocumentLength = 1L << 30;

    /// <summary>All resources of an answer.</summary>
    /// <exception cref="ReplicaException">It is no such answer, or it breaks off.</exception>
    public static async ValueTask<List<DavResource>> ReadAsync(string what, Stream stream, CancellationToken cancellationToken)
    {
        var settings = new XmlReaderSettings
        {
            Async = true, DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null, MaxCharactersInDocument = MaxDocumentLength, CloseInput = false,
            IgnoreComments = true, IgnoreProcessingInstructions = true,
        };
        try
        {
            using var reader = XmlReader.Create(stream, settings);
            var found = new List<DavResource>();
            if (await reader.MoveToContentAsync().ConfigureAwait(false) != XmlNodeType.Element || !Is(reader, "multistatus"))
            {
                throw new ReplicaException($"{what}: the answer is no multistatus document; does the server speak WebDAV at this address?", isTransient: false);
            }

            while (await reader.ReadAsync().ConfigureAwait(false))
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (reader.NodeType == XmlNodeType.Element && Is(reader, "response") && await ReadResponseAsync(reader).ConfigureAwait(false) is { } resource)
                {
                    found.Add(resource);
                }
            }

            return found;
        }
        catch (XmlException e)
        {
            // Most often an answer that broke off. Its text is not repeated: nobody knows what it holds.
            throw new ReplicaException($"{what}: the answer is no valid XML (line {e.LineNumber})", isTransient: true, e);
        }
    }

    /// <summary>Last segment of an address, decoded; the address may be absolute, have a base path, and end in a slash.</summary>
    internal static string NameOf(string href)
    {
        ReadOnlySpan<char> path = href.AsSpan().Trim();
        int query = path.IndexOfAny('?', '#');
        path = (query < 0 ? path : path[..query]).TrimEnd('/');
        return Uri.UnescapeDataString(path[(path.LastIndexOf('/') + 1)..]);
    }

    private static bool Is(XmlReader reader, string name) => reader.LocalName == name && reader.NamespaceURI == Dav;

    private static async ValueTask<DavResource?> ReadResponseAsync(XmlReader reader)
    {
        string? href = null;
        var known = default(Properties);
        int depth = reader.Depth;
        if (reader.IsEmptyElement)
        {
            return null;
        }

        while (await reader.ReadAsync().ConfigureAwait(false) && reader.Depth > depth)
        {
            if (reader.NodeType != XmlNodeType.Element)
            {
                continue;
            }

            if (Is(reader, "href") && reader.Depth == depth + 1)
            {
                href = await ReadTextAsync(reader).ConfigureAwait(false);
            }
            else if (Is(reader, "propstat"))
            {
                Properties some = await ReadPropertiesAsync(reader).ConfigureAwait(false);
                known = some.IsFound
                    ? new Properties(true, known.IsCollection || some.IsCollection, some.Length ?? known.Length, some.Modified ?? known.Modified) : known;
            }
        }

        return href is null ? null : new DavResource(NameOf(href), known.IsCollection, known.Length, known.Modified);
    }

    private static async ValueTask<Properties> ReadPropertiesAsync(XmlReader reader)
    {
        bool isFound = false;
        bool isCollection = false;
        long? length = null;
        DateTimeOffset? modified = null;
        int depth = reader.Depth;
        if (reader.IsEmptyElement)
        {
            return default;
        }

        while (await reader.ReadAsync().ConfigureAwait(false) && reader.Depth > depth)
        {
            if (reader.NodeType != XmlNodeType.Element || reader.NamespaceURI != Dav)
            {
                continue;
            }

            switch (reader.LocalName)
            {
                case "collection":
                    isCollection = true;
                    break;
                case "status":
                    isFound = (await ReadTextAsync(reader).ConfigureAwait(false)).Contains(" 200", StringComparison.Ordinal);
                    break;
                case "getcontentlength":
                    length = long.TryParse(await ReadTextAsync(reader).ConfigureAwait(false), NumberStyles.None, CultureInfo.InvariantCulture, out long bytes) ? bytes : null;
                    break;
                case "getlastmodified":
                    modified = DateTimeOffset.TryParse(
                        await ReadTextAsync(reader).ConfigureAwait(false), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time)
                        ? time.ToUniversalTime() : null;
                    break;
            }
        }

        return new Properties(isFound, isCollection, length, modified);
    }

    /// <summary>Text of the element that the reader stands on; afterwards it stands on its end.</summary>
    private static async ValueTask<string> ReadTextAsync(XmlReader reader)
    {
        if (reader.IsEmptyElement)
        {
            return "";
        }

        var text = new StringBuilder();
        char[] piece = new char[1024];
        int depth = reader.Depth;
        while (await reader.ReadAsync().ConfigureAwait(false) && reader.Depth > depth)
        {
            if (reader.NodeType is XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.SignificantWhitespace)
            {
                int count;
                while ((count = await reader.ReadValueChunkAsync(piece, 0, piece.Length).ConfigureAwait(false)) > 0)
                {
                    text.Append(piece, 0, count);
                    if (text.Length > MaxTextLength)
                    {
                        throw new XmlException($"a text of more than {MaxTextLength} characters");
                    }
                }
            }
        }

        return text.ToString().Trim();
    }

    private readonly record struct Properties(bool IsFound, bool IsCollection, long? Length, DateTimeOffset? Modified);
}

/// <summary>A resource of a listing.</summary>
/// <param name="Name">Last segment of its address, decoded.</param>
/// <param name="IsCollection">A directory.</param>
/// <param name="Length">Bytes; null if the server does not say.</param>
/// <param name="Modified">When it was stored, in whole seconds; null if the server does not say.</param>
internal readonly record struct DavResource(string Name, bool IsCollection, long? Length, DateTimeOffset? Modified);
