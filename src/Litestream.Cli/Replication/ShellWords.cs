using System.Text;

namespace Litestream.Cli.Replication;

/// <summary>
/// Splits the command of <c>-exec</c> into words like a shell: quotes and backslash, no expansion of anything (§2.1). What only
/// a shell could carry out is refused rather than dropped (trap B6).
/// </summary>
internal sealed class ShellWords
{
    private const string Operators = ";|&<>";

    private readonly List<string> words = [];
    private readonly StringBuilder word = new();
    private bool inWord;

    private ShellWords()
    {
    }

    /// <summary>The words of a command.</summary>
    /// <exception cref="CliException">Unbalanced quotes, an unquoted shell operator, or nothing at all.</exception>
    public static IReadOnlyList<string> Split(string command)
    {
        ShellWords parser = new();
        parser.Read(command);
        return parser.words.Count > 0 && parser.words[0].Length > 0
            ? parser.words
            : throw new CliException("cannot parse exec command: the command is blank");
    }

    private void Read(string command)
    {
        char quote = '\0';
        for (int i = 0; i < command.Length; i++)
        {
            char c = command[i];
            if (c == '\\' && quote != '\'')
            {
                if (++i == command.Length)
                {
                    throw Invalid();
                }

                Append(command[i]);
            }
            else if (quote != '\0')
            {
                if (c == quote)
                {
                    quote = '\0';
                }
                else
                {
                    Append(c);
                }
            }
            else if (c is '\'' or '"')
            {
                quote = c;
                inWord = true;
            }
            else if (char.IsWhiteSpace(c))
            {
                End();
            }
            else if (Operators.Contains(c, StringComparison.Ordinal))
            {
                throw new CliException(
                    $"cannot parse exec command: \"{c}\" needs a shell; write sh -c '...' around the command, or quote the character");
            }
            else if (c is '(' or ')' && !InSubstitution())
            {
                throw Invalid();
            }
            else
            {
                Append(c);
            }
        }

        if (quote != '\0')
        {
            throw Invalid();
        }

        End();
    }

    /// <summary>Parentheses of <c>$(...)</c> are ordinary characters here: nothing is substituted.</summary>
    private bool InSubstitution() => word.Length > 0 && word.ToString().Contains('$', StringComparison.Ordinal);

    private void Append(char c)
    {
        word.Append(c);
        inWord = true;
    }

    private void End()
    {
        if (inWord)
        {
            words.Add(word.ToString());
        }

        word.Clear();
        inWord = false;
    }

    private static CliException Invalid() => new("cannot parse exec command: invalid command line string");
}
