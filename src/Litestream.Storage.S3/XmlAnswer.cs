using System.Text;
using System.Xml;

namespace Litestream.Storage.S3;

/// <summary>Reads the XML documents of S3 and OSS: flat lists of leaves, without document types and without a schema.</summary>
internal static class XmlAnswer
{
    private static readonly XmlReaderSettings Settings = new()
    {
        DtdProcessing = DtdProcessing.Prohibit,
        XmlResolver = null,
        MaxCharactersInDocument = BoundedBody.MaxListingBytes,
        IgnoreComments = true,
        IgnoreProcessingInstructions = true,
    };

    /// <summary>
    /// Walks a document. <paramref name="leaf"/> gets every element without children: the element around it, its name, its text (spaces
    /// included: keys may have them). <paramref name="close"/> gets the name of each child of the root when it ends.
    /// </summary>
    /// <param name="xml">The document; white space that servers send to keep a connection alive may stand before it.</param>
    /// <param name="leaf">Takes a leaf.</param>
    /// <param name="close">Takes the end of a child of the root; null if nobody asks.</param>
    /// <returns>Name of the root element without prefix; empty if the document is empty or no XML.</returns>
    /// <exception cref="XmlException">It breaks off or is damaged behind its root.</exception>
    public static string Walk(ReadOnlyMemory<byte> xml, Action<string, string, string> leaf, Action<string>? close = null)
    {
        ReadOnlySpan<byte> trimmed = xml.Span.TrimStart(" \t\r\n"u8);
        if (trimmed.IsEmpty || !(trimmed[0] == (byte)'<' || trimmed.StartsWith(Encoding.UTF8.Preamble)))
        {
            return "";
        }

        using XmlReader reader = XmlReader.Create(new MemoryStream(trimmed.ToArray(), writable: false), Settings);
        var path = new Stack<string>();
        var text = new StringBuilder();
        bool isLeaf = false;
        string root = "";
        while (reader.Read())
        {
            switch (reader.NodeType)
            {
                case XmlNodeType.Element:
                    root = path.Count == 0 ? reader.LocalName : root;
                    isLeaf = true;
                    text.Clear();
                    if (!reader.IsEmptyElement)
                    {
                        path.Push(reader.LocalName);
                        break;
                    }

                    leaf(path.Count > 0 ? path.Peek() : "", reader.LocalName, "");
                    isLeaf = false;
                    break;
                case XmlNodeType.Text or XmlNodeType.CDATA or XmlNodeType.Whitespace or XmlNodeType.SignificantWhitespace:
                    text.Append(reader.Value);
                    break;
                case XmlNodeType.EndElement:
                    string name = path.Pop();
                    if (isLeaf)
                    {
                        leaf(path.Count > 0 ? path.Peek() : "", name, text.ToString());
                        isLeaf = false;
                    }

                    if (path.Count == 1)
                    {
                        close?.Invoke(name);
                    }

                    break;
            }
        }

        return root;
    }

    /// <summary>Appends text of an element or attribute, escaped so that every parser gives the same text back.</summary>
    public static StringBuilder AppendXml(this StringBuilder xml, string text)
    {
        foreach (char c in text)
        {
            _ = c switch
            {
                '&' => xml.Append("&amp;"),
                '<' => xml.Append("&lt;"),
                '>' => xml.Append("&gt;"),
                '"' => xml.Append("&quot;"),
                '\r' => xml.Append("&#xD;"),
                '\n' => xml.Append("&#xA;"),
                '\t' => xml.Append("&#x9;"),
                _ => xml.Append(c),
            };
        }

        return xml;
    }
}
