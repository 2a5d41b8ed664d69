using System.Globalization;
using System.Text;

namespace Litestream.Storage.S3;

/// <summary>Documents of a multipart upload (S3 and OSS).</summary>
internal static class MultipartDocument
{
    /// <summary>Most parts of an object.</summary>
    public const int MaxParts = 10_000;

    /// <summary>The upload's id in the answer to its initiation; null if it has none.</summary>
    public static string? ParseUploadId(ReadOnlyMemory<byte> xml)
    {
        string? id = null;
        XmlAnswer.Walk(xml, (_, name, text) => id = name == "UploadId" ? text : id);
        return string.IsNullOrEmpty(id) ? null : id;
    }

    /// <summary>Body of the completion.</summary>
    /// <param name="tags">Entity tags by part number, exactly as the store gave them.</param>
    /// <param name="xmlNamespace">Namespace of the root element; empty for OSS.</param>
    public static byte[] Complete(IEnumerable<KeyValuePair<int, string>> tags, string xmlNamespace)
    {
        var xml = new StringBuilder("<CompleteMultipartUpload");
        if (xmlNamespace.Length > 0)
        {
            xml.Append(" xmlns=\"").AppendXml(xmlNamespace).Append('"');
        }

        xml.Append('>');
        foreach ((int number, string tag) in tags.OrderBy(part => part.Key))
        {
            xml.Append(CultureInfo.InvariantCulture, $"<Part><PartNumber>{number}</PartNumber><ETag>").AppendXml(tag).Append("</ETag></Part>");
        }

        return Encoding.UTF8.GetBytes(xml.Append("</CompleteMultipartUpload>").ToString());
    }
}
