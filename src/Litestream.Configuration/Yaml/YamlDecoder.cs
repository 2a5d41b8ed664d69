using System.Globalization;

namespace Litestream.Configuration.Yaml;

/// <summary>
/// Turns nodes into values. Type errors are collected and reported together, each with its line; keys nobody knows become
/// warnings (trap B1).
/// </summary>
internal sealed class YamlDecoder(List<ConfigurationWarning> warnings)
{
    private readonly List<string> errors = [];

    /// <summary>Ends the decoding.</summary>
    /// <exception cref="ConfigurationException">Some value had the wrong type.</exception>
    public void ThrowIfErrors()
    {
        if (errors.Count > 0)
        {
            throw new ConfigurationException("yaml: unmarshal errors:\n  " + string.Join("\n  ", errors));
        }
    }

    public void Fail(YamlNode node, string reason) =>
        errors.Add(string.Create(CultureInfo.InvariantCulture, $"line {node.Line}: {reason}"));

    /// <summary>Text as written; null is empty.</summary>
    public string? Text(YamlNode node)
    {
        if (node.Kind != YamlNodeKind.Scalar)
        {
            Mismatch(node, "string");
            return null;
        }

        return node.IsNull ? "" : node.Value;
    }

    public bool? Boolean(YamlNode node)
    {
        if (node.IsNull)
        {
            return null;
        }

        bool? value = node.Kind == YamlNodeKind.Scalar && node.IsPlain ? YamlScalar.TryBoolean(node.Value) : null;
        if (value is null)
        {
            Mismatch(node, "bool");
        }

        return value;
    }

    /// <summary>A whole number; a fraction is cut off, a quoted number is a type error (§3.3).</summary>
    public long? Integer(YamlNode node, string type = "int", long minimum = long.MinValue, long maximum = long.MaxValue)
    {
        if (node.IsNull)
        {
            return null;
        }

        if (node.Kind == YamlNodeKind.Scalar && node.IsPlain && YamlScalar.TryNumber(node.Value, out decimal number)
            && decimal.Truncate(number) is var whole && whole >= minimum && whole <= maximum)
        {
            return (long)whole;
        }

        Mismatch(node, type);
        return null;
    }

    /// <summary>A duration with a unit. A bare number would mean nanoseconds upstream and nobody means that (trap B18).</summary>
    public TimeSpan? Duration(YamlNode node)
    {
        if (node.IsNull)
        {
            return null;
        }

        if (node.Kind == YamlNodeKind.Scalar)
        {
            if (DurationText.TryParse(node.Value, out TimeSpan duration))
            {
                return duration;
            }

            if (YamlScalar.TryNumber(node.Value, out decimal number))
            {
                if (number != 0)
                {
                    Fail(node, $"duration without a unit: {node.Value} (write {node.Value}s for seconds; units are ns, us, ms, s, m, h)");
                }

                return TimeSpan.Zero;
            }
        }

        Mismatch(node, "time.Duration");
        return null;
    }

    public long? Size(YamlNode node)
    {
        if (node.IsNull)
        {
            return null;
        }

        if (node.Kind == YamlNodeKind.Scalar)
        {
            return SizeText.Parse(node.Value);
        }

        Mismatch(node, "size");
        return null;
    }

    public List<string>? Texts(YamlNode node)
    {
        if (node.IsNull)
        {
            return null;
        }

        if (node.Kind != YamlNodeKind.Sequence)
        {
            Mismatch(node, "[]string");
            return null;
        }

        return [.. node.Items.Select(item => Text(item) ?? "")];
    }

    /// <summary>A mapping; null leaves the target as it is.</summary>
    /// <param name="node">The mapping.</param>
    /// <param name="target">Receives the values.</param>
    /// <param name="fields">The known keys.</param>
    /// <param name="what">What the mapping describes, for messages.</param>
    public void Map<T>(YamlNode node, T target, FieldTable<T> fields, string what)
    {
        if (node.IsNull)
        {
            return;
        }

        if (node.Kind != YamlNodeKind.Mapping)
        {
            Mismatch(node, what);
            return;
        }

        Dictionary<string, int> seen = [];
        foreach ((YamlNode key, YamlNode value) in Merged(node, what))
        {
            if (key.Kind != YamlNodeKind.Scalar)
            {
                Fail(key, "a key must be text");
            }
            else if (fields.TryGetValue(key.Value, out Action<T, YamlNode, YamlDecoder>? set))
            {
                if (!seen.TryAdd(key.Value, key.Line))
                {
                    warnings.Add(new(key.Line, key.Value, string.Create(
                        CultureInfo.InvariantCulture, $"key \"{key.Value}\" is given twice (first in line {seen[key.Value]}); this one is used")));
                }

                set(target, value, this);
            }
            else if (!value.HasAnchor)
            {
                warnings.Add(UnknownKey.Describe(key, fields.Keys, what));
            }
        }
    }

    /// <summary>A list of mappings. A null item is an error, because something was meant to stand there (trap B19).</summary>
    public List<T>? List<T>(YamlNode node, FieldTable<T> fields, string name, string what)
        where T : new()
    {
        if (node.IsNull)
        {
            return null;
        }

        if (node.Kind != YamlNodeKind.Sequence)
        {
            Mismatch(node, $"a list of {what} entries");
            return null;
        }

        List<T> items = [];
        for (int i = 0; i < node.Items.Count; i++)
        {
            T item = new();
            if (node.Items[i].IsNull)
            {
                Fail(node.Items[i], string.Create(CultureInfo.InvariantCulture, $"{name}[{i}] is empty: write the entry or remove the dash"));
            }

            Map(node.Items[i], item, fields, what);
            items.Add(item);
        }

        return items;
    }

    private void Mismatch(YamlNode node, string type) => Fail(node, $"cannot unmarshal {node.Describe()} into {type}");

    /// <summary>The pairs of a mapping with those merged in by <c>&lt;&lt;</c>; keys written here win.</summary>
    private IEnumerable<KeyValuePair<YamlNode, YamlNode>> Merged(YamlNode node, string what)
    {
        List<KeyValuePair<YamlNode, YamlNode>> own = [.. node.Entries.Where(e => !IsMerge(e.Key))];
        HashSet<string> taken = [.. own.Select(e => e.Key.Value)];
        List<KeyValuePair<YamlNode, YamlNode>> merged = [];
        foreach ((YamlNode _, YamlNode value) in node.Entries.Where(e => IsMerge(e.Key)))
        {
            foreach (YamlNode source in value.Kind == YamlNodeKind.Sequence ? value.Items : [value])
            {
                if (source.Kind != YamlNodeKind.Mapping)
                {
                    Fail(source, $"map merge (<<) in {what} requires a mapping or a list of mappings as the value");
                    continue;
                }

                merged.AddRange(Merged(source, what).Where(e => taken.Add(e.Key.Value)));
            }
        }

        return merged.Concat(own);
    }

    private static bool IsMerge(YamlNode key) => key is { Kind: YamlNodeKind.Scalar, IsPlain: true, Value: "<<" };
}
