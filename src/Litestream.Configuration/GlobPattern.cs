namespace Litestream.Configuration;

/// <summary>The shell pattern of a directory entry: <c>* ? [a-z] \</c>, case-sensitive, over one file name (§5).</summary>
internal sealed class GlobPattern
{
    private readonly string pattern;

    /// <exception cref="FormatException">The pattern has an open bracket or ends in a backslash.</exception>
    public GlobPattern(string pattern)
    {
        this.pattern = pattern;
        for (int at = 0; at < pattern.Length;)
        {
            if (pattern[at] == '[')
            {
                at = ReadClass(at, '\0', out _);
            }
            else
            {
                at += pattern[at] == '\\' ? 2 : 1;
                if (at > pattern.Length)
                {
                    throw new FormatException("syntax error in pattern");
                }
            }
        }
    }

    /// <summary>Whether a file name matches. After a mismatch only the last star is tried longer, so the work is bounded.</summary>
    public bool IsMatch(string name)
    {
        (int at, int i) = (0, 0);
        (int afterStar, int starEnd) = (-1, 0);
        while (i < name.Length)
        {
            int next = at;
            if (at < pattern.Length && pattern[at] == '*')
            {
                (afterStar, starEnd) = (++at, i);
            }
            else if (at < pattern.Length && MatchesOne(ref next, name[i]))
            {
                (at, i) = (next, i + 1);
            }
            else if (afterStar >= 0)
            {
                (at, i) = (afterStar, ++starEnd);
            }
            else
            {
                return false;
            }
        }

        return pattern.AsSpan(at).TrimStart('*').IsEmpty;
    }

    private bool MatchesOne(ref int at, char c)
    {
        switch (pattern[at])
        {
            case '?':
                at++;
                return true;
            case '[':
                at = ReadClass(at, c, out bool matched);
                return matched;
            case '\\':
                at += 2;
                return pattern[at - 1] == c;
            default:
                return pattern[at++] == c;
        }
    }

    /// <summary>Reads a bracket expression and returns the place behind it.</summary>
    private int ReadClass(int at, char c, out bool matched)
    {
        at++;
        bool negated = Peek(at) == '^';
        at += negated ? 1 : 0;
        bool found = false;
        for (bool first = true; first || Peek(at) != ']'; first = false)
        {
            char low = ReadMember(ref at);
            char high = low;
            if (Peek(at) == '-')
            {
                at++;
                high = ReadMember(ref at);
            }

            found |= low <= c && c <= high;
        }

        matched = found != negated;
        return at + 1;
    }

    private char ReadMember(ref int at)
    {
        if (Peek(at) is '-' or ']')
        {
            throw new FormatException("syntax error in pattern");
        }

        at += Peek(at) == '\\' ? 1 : 0;
        char member = Peek(at);
        at++;
        return member;
    }

    private char Peek(int at) => at < pattern.Length ? pattern[at] : throw new FormatException("syntax error in pattern");
}
