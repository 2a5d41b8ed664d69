namespace Litestream.Configuration.Yaml;

/// <summary>The warning about a key that has no meaning: what it probably should have been (trap B1).</summary>
internal static class UnknownKey
{
    private const int MaxDistance = 2;

    /// <summary>Keys of v0.3 that users still carry along and that mean nothing any more (§3.9).</summary>
    private static readonly Dictionary<string, string> Retired = new()
    {
        ["retention"] = "since v0.5 the key is snapshot.retention",
        ["retention-check-interval"] = "since v0.5 the key is l0-retention-check-interval",
        ["snapshot-interval"] = "since v0.5 the key is snapshot.interval",
        ["max-checkpoint-page-count"] = "since v0.5 the key is truncate-page-n",
        ["skip-remote-deletion"] = "the key is retention.enabled: false",
    };

    public static ConfigurationWarning Describe(YamlNode key, IEnumerable<string> known, string what)
    {
        string? hint = Retired.GetValueOrDefault(key.Value);
        if (hint is null && Nearest(key.Value, known) is { } near)
        {
            hint = $"did you mean \"{near}\"?";
        }

        return new ConfigurationWarning(key.Line, key.Value, $"unknown key \"{key.Value}\" in {what} has no effect", hint);
    }

    private static string? Nearest(string written, IEnumerable<string> known)
    {
        string plain = Plain(written);
        (string? best, int distance) = (null, MaxDistance + 1);
        foreach (string candidate in known)
        {
            int found = Distance(plain, Plain(candidate), MaxDistance);
            if (found < distance && found < candidate.Length / 2)
            {
                (best, distance) = (candidate, found);
            }
        }

        return best;
    }

    private static string Plain(string key) =>
        key.ToLowerInvariant().Replace("-", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal);

    /// <summary>Edit distance; more than <paramref name="limit"/> is not computed exactly.</summary>
    private static int Distance(string a, string b, int limit)
    {
        if (Math.Abs(a.Length - b.Length) > limit)
        {
            return limit + 1;
        }

        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            (int diagonal, row[0]) = (row[0], i);
            for (int j = 1; j <= b.Length; j++)
            {
                int replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(replaced, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
