using Xunit;

namespace Litestream.Architecture.Tests;

/// <summary>Reports all violations of a rule at once, each on a line of its own.</summary>
internal static class Violations
{
    public static void None(IEnumerable<string> violations)
    {
        string[] all = [.. violations];
        Assert.True(all.Length == 0, string.Join(Environment.NewLine, all));
    }
}
