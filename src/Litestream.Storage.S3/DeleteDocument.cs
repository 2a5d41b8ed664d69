using System.Text;

namespace Litestream.Storage.S3;

/// <summary>Why one object of a batch was not deleted.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Code">The store's code.</param>
/// <param name="Message">What the store says.</param>
internal readonly record struct DeleteFailure(string Key, string Code, string Message);

/// <summary>Request and answer of a batch delete (DeleteObjects of S3, DeleteMultipleObjects of OSS).</summary>
internal static class DeleteDocument
{
    /// <summary>Most keys of one request.</summary>
    public const int MaxKeys = 1000;

    /// <summary>The request's body.</summary>
    /// <param name="keys">At most <see cref="MaxKeys"/>.</param>
    /// <param name="quiet">True asks for failures only.</param>
    /// <param name="xmlNamespace">Namespace of the root element; empty for OSS.</param>
    public static byte[] Create(IEnumerable<string> keys, bool quiet, string xmlNamespace)
    {
        var xml = new StringBuilder("<Delete");
        if (xmlNamespace.Length > 0)
        {
            xml.Append(" xmlns=\"").AppendXml(xmlNamespace).Append('"');
        }

        xml.Append('>');
        foreach (string key in keys)
        {
            xml.Append("<Object><Key>").AppendXml(key).Append("</Key></Object>");
        }

        xml.Append(quiet ? "<Quiet>true</Quiet></Delete>" : "</Delete>");
        return Encoding.UTF8.GetBytes(xml.ToString());
    }

    /// <summary>What the answer says: number of objects reported as deleted, and the failures inside a 200 (trap T13).</summary>
    /// <exception cref="System.Xml.XmlException">The document is damaged.</exception>
    /// <exception cref="FormatException">It is another document.</exception>
    public static (int Deleted, IReadOnlyList<DeleteFailure> Failures) Parse(ReadOnlyMemory<byte> xml)
    {
        int deleted = 0;
        List<DeleteFailure> failures = [];
        var current = new DeleteFailure("", "", "");
        string root = XmlAnswer.Walk(
            xml,
            (parent, name, text) => current = (parent, name) switch
            {
                ("Error", "Key") => current with { Key = text },
                ("Error", "Code") => current with { Code = text },
                ("Error", "Message") => current with { Message = text },
                _ => current,
            },
            name =>
            {
                deleted += name == "Deleted" ? 1 : 0;

                // A missing object is deleted.
                if (name == "Error" && current.Code != "NoSuchKey")
                {
                    failures.Add(current);
                }

                current = new DeleteFailure("", "", "");
            });

        // OSS answers a quiet request without failures with an empty body.
        return root is "DeleteResult" or "" ? (deleted, failures) : throw new FormatException($"the answer is no result of a delete but <{root}>");
    }
}
