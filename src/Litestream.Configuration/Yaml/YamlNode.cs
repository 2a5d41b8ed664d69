namespace Litestream.Configuration.Yaml;

/// <summary>A node of a YAML document with its place; anchors are resolved, aliases are the same object.</summary>
internal sealed class YamlNode(YamlNodeKind kind, int line)
{
    public YamlNodeKind Kind { get; } = kind;

    /// <summary>Line of the first character, from 1.</summary>
    public int Line { get; } = line;

    /// <summary>Text of a scalar as written, quotes removed.</summary>
    public string Value { get; init; } = "";

    /// <summary>True for an unquoted scalar: only those can be null, a boolean or a number.</summary>
    public bool IsPlain { get; init; }

    /// <summary>True if the node carries an anchor, so that it may exist only to be referred to.</summary>
    public bool HasAnchor { get; init; }

    /// <summary>Items of a sequence.</summary>
    public List<YamlNode> Items { get; } = [];

    /// <summary>Pairs of a mapping in the order of the document, duplicates included.</summary>
    public List<KeyValuePair<YamlNode, YamlNode>> Entries { get; } = [];

    public bool IsNull => Kind == YamlNodeKind.Scalar && IsPlain && Value is "" or "~" or "null" or "Null" or "NULL";

    /// <summary>Type and beginning of the value as error messages name it.</summary>
    public string Describe() => Kind switch
    {
        YamlNodeKind.Sequence => "!!seq",
        YamlNodeKind.Mapping => "!!map",
        _ => $"{ScalarTag()} `{(Value.Length > 10 ? Value[..7] + "..." : Value)}`",
    };

    private string ScalarTag()
    {
        if (!IsPlain)
        {
            return "!!str";
        }

        if (IsNull)
        {
            return "!!null";
        }

        if (YamlScalar.TryNumber(Value, out decimal number))
        {
            return number == decimal.Truncate(number) && !Value.Contains('.', StringComparison.Ordinal) ? "!!int" : "!!float";
        }

        return Value is "true" or "false" or "True" or "False" or "TRUE" or "FALSE" ? "!!bool" : "!!str";
    }
}

/// <summary>Kind of a YAML node.</summary>
internal enum YamlNodeKind
{
    Scalar,
    Sequence,
    Mapping,
}
