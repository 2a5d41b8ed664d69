using System.Globalization;
using System.Text;

namespace Litestream.Configuration;

/// <summary>
/// Expansion of <c>$NAME</c> and <c>${NAME}</c> over the raw configuration text, before YAML is parsed (§3.2). Other than
/// upstream, <c>$$</c> is a literal dollar sign and everything that expands to nothing is reported (trap B17).
/// </summary>
internal sealed class EnvironmentExpander(ConfigurationHost host, List<ConfigurationWarning> warnings)
{
    private const string SpecialNames = "*#@!?-0123456789";

    private int line = 1;

    public string Expand(string text)
    {
        StringBuilder result = new(text.Length);
        int at = 0;
        while (at < text.Length)
        {
            int dollar = text.IndexOf('$', at);
            int end = dollar < 0 ? text.Length : dollar;
            line += text.AsSpan(at, end - at).Count('\n');
            result.Append(text, at, end - at);
            at = end == text.Length ? end : ExpandAt(text, dollar, result);
        }

        return result.ToString();
    }

    /// <summary>Appends what the reference at <paramref name="dollar"/> stands for and returns the place behind it.</summary>
    private int ExpandAt(string text, int dollar, StringBuilder result)
    {
        int name = dollar + 1;
        char next = name < text.Length ? text[name] : ' ';
        if (next == '$')
        {
            result.Append('$');
            return name + 1;
        }

        if (next == '{')
        {
            int close = text.IndexOf('}', name);
            if (close < 0)
            {
                warnings.Add(new(line, "${", "\"${\" without \"}\" is dropped", "write $$ for a literal $"));
                return name + 1;
            }

            Append(text[(name + 1)..close], result);
            return close + 1;
        }

        if (SpecialNames.Contains(next, StringComparison.Ordinal))
        {
            Append(next.ToString(), result);
            return name + 1;
        }

        int length = 0;
        while (name + length < text.Length && (char.IsAsciiLetterOrDigit(text[name + length]) || text[name + length] == '_'))
        {
            length++;
        }

        if (length == 0)
        {
            result.Append('$');
            return name;
        }

        Append(text.Substring(name, length), result);
        return name + length;
    }

    private void Append(string name, StringBuilder result)
    {
        if (name == "PID")
        {
            result.Append(host.ProcessId.ToString(CultureInfo.InvariantCulture));
        }
        else if (name.Length > 0 && host.GetVariable(name) is { } value)
        {
            result.Append(value);
        }
        else
        {
            warnings.Add(new(line, name, $"environment variable \"{name}\" is not set and expands to nothing", "write $$ for a literal $"));
        }
    }
}
