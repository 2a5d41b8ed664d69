using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Litestream.Configuration.Yaml;

/// <summary>
/// Builds the node tree of the first document from the parser's events. No reflection is involved, and the lines stay known.
/// </summary>
internal sealed class YamlDocument
{
    private const int MaxDepth = 64;

    private readonly Dictionary<string, YamlNode> anchors = [];
    private readonly Parser parser;

    private YamlDocument(Parser parser) => this.parser = parser;

    /// <summary>Parses a text.</summary>
    /// <returns>The root of the first document, or null if there is none.</returns>
    /// <exception cref="ConfigurationException">The text is not YAML; the message names the line.</exception>
    public static YamlNode? Parse(string text)
    {
        text = text.TrimStart('\uFEFF');
        if (text.AsSpan().ContainsAnyInRange('\0', '\u0008'))
        {
            throw new ConfigurationException("yaml: control characters are not allowed");
        }

        Parser parser = new(new StringReader(text));
        try
        {
            return new YamlDocument(parser).ReadRoot();
        }
        catch (YamlException e)
        {
            throw new ConfigurationException(Invariant($"yaml: line {Math.Max(1, e.Start.Line)}: {Reason(e.Message)}"), e);
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or IndexOutOfRangeException or NullReferenceException)
        {
            // The parser stumbles over some malformed texts instead of refusing them.
            throw new ConfigurationException(Invariant($"yaml: line {parser.Current?.End.Line ?? 1}: malformed text behind this line"), e);
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>The parser says "While parsing a node, did not find expected node content."; users know the second half.</summary>
    private static string Reason(string message)
    {
        int found = message.IndexOf(", ", StringComparison.Ordinal);
        string reason = message.StartsWith("While ", StringComparison.Ordinal) && found > 0 ? message[(found + 2)..] : message;
        return reason.TrimEnd('.');
    }

    private YamlNode? ReadRoot()
    {
        parser.Consume<StreamStart>();
        if (!parser.TryConsume<DocumentStart>(out _))
        {
            return null;
        }

        YamlNode root = ReadNode(0);
        return root;
    }

    private YamlNode ReadNode(int depth)
    {
        if (depth > MaxDepth)
        {
            throw new ConfigurationException(Invariant($"yaml: line {Line(parser.Current!)}: nested deeper than {MaxDepth} levels"));
        }

        if (Take<AnchorAlias>() is { } alias)
        {
            return anchors.TryGetValue(alias.Value.Value, out YamlNode? target)
                ? target
                : throw new ConfigurationException(Invariant($"yaml: line {Line(alias)}: unknown anchor '{alias.Value.Value}' referenced"));
        }

        if (Take<Scalar>() is { } scalar)
        {
            bool plain = scalar.Style == ScalarStyle.Plain && scalar.Tag.IsEmpty;
            YamlNode leaf = new(YamlNodeKind.Scalar, Line(scalar)) { Value = scalar.Value, IsPlain = plain, HasAnchor = !scalar.Anchor.IsEmpty };
            Remember(scalar, leaf);
            return leaf;
        }

        if (Take<SequenceStart>() is { } sequence)
        {
            YamlNode list = new(YamlNodeKind.Sequence, Line(sequence)) { HasAnchor = !sequence.Anchor.IsEmpty };
            while (!parser.TryConsume<SequenceEnd>(out _))
            {
                list.Items.Add(ReadNode(depth + 1));
            }

            Remember(sequence, list);
            return list;
        }

        return ReadMapping(parser.Consume<MappingStart>(), depth);
    }

    private YamlNode ReadMapping(MappingStart start, int depth)
    {
        YamlNode mapping = new(YamlNodeKind.Mapping, Line(start)) { HasAnchor = !start.Anchor.IsEmpty };
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            YamlNode key = ReadNode(depth + 1);
            mapping.Entries.Add(new(key, ReadNode(depth + 1)));
        }

        Remember(start, mapping);
        return mapping;
    }

    /// <summary>The next event if it is of that kind.</summary>
    private T? Take<T>()
        where T : ParsingEvent => parser.Accept<T>(out _) ? parser.Consume<T>() : null;

    /// <summary>An anchor counts from the end of its node, so that no node can contain itself.</summary>
    private void Remember(NodeEvent source, YamlNode node)
    {
        if (!source.Anchor.IsEmpty)
        {
            anchors[source.Anchor.Value] = node;
        }
    }

    private static int Line(ParsingEvent source) => (int)source.Start.Line;
}
