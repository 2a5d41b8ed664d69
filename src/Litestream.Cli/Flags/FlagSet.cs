namespace Litestream.Cli.Flags;

/// <summary>What parsing the flags of a command came to.</summary>
internal enum FlagOutcome
{
    /// <summary>Values and positional arguments are there.</summary>
    Parsed,

    /// <summary>The user asks for the help text.</summary>
    Help,

    /// <summary><see cref="FlagSet.Problem"/> says what is wrong.</summary>
    Invalid,
}

/// <summary>
/// The flag grammar that existing scripts are written for (cli-config-control §1.2): one or two dashes, values after
/// <c>=</c> or as the next word, booleans only with <c>=</c>, end at the first word that is no flag.
/// </summary>
internal sealed class FlagSet
{
    private readonly Dictionary<string, Flag> byName = [];
    private readonly List<Flag> flags = [];

    /// <summary>The flags in the order of the help text.</summary>
    public IReadOnlyList<Flag> All => flags;

    /// <summary>Words behind the flags.</summary>
    public IReadOnlyList<string> Arguments { get; private set; } = [];

    /// <summary>What is wrong after <see cref="FlagOutcome.Invalid"/>.</summary>
    public string Problem { get; private set; } = "";

    /// <summary>Adds a flag.</summary>
    public T Add<T>(T flag)
        where T : Flag
    {
        flags.Add(flag);
        byName.Add(flag.Name, flag);
        return flag;
    }

    /// <summary>Adds the second name of a flag; the help text does not list it.</summary>
    public void AddAlias(string name, Flag flag) => byName.Add(name, flag);

    public FlagOutcome Parse(IReadOnlyList<string> words)
    {
        for (int i = 0; i < words.Count; i++)
        {
            string word = words[i];
            if (word is "--")
            {
                Arguments = [.. words.Skip(i + 1)];
                return FlagOutcome.Parsed;
            }

            if (!word.StartsWith('-') || word.Length == 1)
            {
                Arguments = [.. words.Skip(i)];
                return FlagOutcome.Parsed;
            }

            string name = word[(word.StartsWith("--", StringComparison.Ordinal) ? 2 : 1)..];
            if (name.Length == 0 || name[0] is '-' or '=')
            {
                return Fail("bad flag syntax: " + word);
            }

            int equals = name.IndexOf('=', StringComparison.Ordinal);
            string? value = equals < 0 ? null : name[(equals + 1)..];
            name = equals < 0 ? name : name[..equals];
            if (!byName.TryGetValue(name, out Flag? flag))
            {
                return name is "h" or "help" ? FlagOutcome.Help : Fail("flag provided but not defined: -" + name);
            }

            if (value is null && !flag.IsBoolean)
            {
                if (++i == words.Count)
                {
                    return Fail("flag needs an argument: -" + name);
                }

                value = words[i];
            }

            if (flag.Set(value ?? "true") is { } problem)
            {
                return Fail(flag.IsBoolean
                    ? $"invalid boolean value \"{value}\" for -{name}: {problem}"
                    : $"invalid value \"{value}\" for flag -{name}: {problem}");
            }
        }

        return FlagOutcome.Parsed;
    }

    private FlagOutcome Fail(string problem)
    {
        Problem = problem;
        return FlagOutcome.Invalid;
    }
}
