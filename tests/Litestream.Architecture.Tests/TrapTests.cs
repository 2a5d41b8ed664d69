using System.Text.RegularExpressions;
using Xunit;

namespace Litestream.Architecture.Tests;

/// <summary>
/// Every known trap has a test that carries its number, so that "is X covered?" is a search and a lost test is noticed. The pages
/// are in Traps/*.txt; a trap of a feature that does not exist yet stands in Traps/later.txt with its reason, and what is known to be
/// without a numbered test stands in Traps/open.txt, so that nothing can be missing unnoticed.
/// </summary>
public sealed partial class TrapTests
{
    private static readonly string[] CommandLineProjects = ["Litestream.Cli.Tests", "Litestream.Configuration.Tests"];

    public static TheoryData<string> Pages => ["ltx", "replication", "restore", "store", "cli", "backends"];

    [Theory]
    [MemberData(nameof(Pages))]
    public void Every_trap_has_a_test_or_is_listed_as_missing(string page)
    {
        HashSet<string> listed = [.. Entries(page + ".txt").Select(entry => entry.Id)];
        HashSet<string> later = [.. Entries("later.txt").Where(entry => entry.Id == page).Select(entry => entry.Text.Split(' ')[0])];
        HashSet<string> open = [.. Entries("open.txt").Where(entry => entry.Id == page).Select(entry => entry.Text)];
        HashSet<string> tested = [.. TestedIds(page)];
        Violations.None(
        [
            .. listed.Except(tested).Except(later).Except(open).Select(id => $"{page} {id}: no test is named after it"),
            .. later.Intersect(tested).Select(id => $"{page} {id}: has a test now; delete its line in later.txt"),
            .. later.Concat(open).Except(listed).Select(id => $"{page} {id}: later.txt or open.txt names a trap that the page does not have"),
            .. tested.Except(listed).Select(id => $"{page} {id}: a test names a trap that the page does not have"),
        ]);
    }

    /// <summary>
    /// The ids at the start of test names: Trap_B1_…, Trap5_…, P13_P14_…, Store_C10_…, Store_Fa_… (F-a), Backend_T7_…. The pages "replication" and "cli" use the same letters, so the
    /// project decides; what replication does not have belongs to the command line wherever it is tested.
    /// </summary>
    private static IEnumerable<string> TestedIds(string page)
    {
        HashSet<string> replication = [.. Entries("replication.txt").Select(entry => entry.Id)];
        foreach (string file in Repository.Files(".cs", "tests"))
        {
            bool ofCommandLine = CommandLineProjects.Contains(file.Split('/')[1]);
            foreach (string id in page is "store" or "backends" ? Repository.Lines(file).SelectMany(line => IdsOf(line, page)) : [])
            {
                yield return id;
            }

            foreach (string id in Repository.Lines(file).SelectMany(line => IdsOf(line, "id")))
            {
                string owner = id[0] switch
                {
                    >= '0' and <= '9' => ofCommandLine ? "cli" : "ltx",
                    'P' or 'V' => "restore",
                    'A' or 'B' => ofCommandLine || !replication.Contains(id) ? "cli" : "replication",
                    'C' => replication.Contains(id) ? "replication" : "",
                    _ => "",
                };
                if (owner == page)
                {
                    yield return owner == "cli" && char.IsDigit(id[0]) ? "A" + id : id;
                }
            }
        }
    }

    private static IEnumerable<string> IdsOf(string line, string group) =>
        TestName().Match(line).Groups[group].Captures.Select(capture => capture.Value);

    private static IEnumerable<(string Id, string Text)> Entries(string file) =>
        Repository.Lines(Path.Combine("tests", "Litestream.Architecture.Tests", "Traps", file))
            .Where(line => line.Length > 0 && line[0] != '#')
            .Select(line => line.Split(' ', 2, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            .Select(parts => (parts[0], parts[1]));

    [GeneratedRegex(@"\b(?:void|Task) (?:Store_(?:(?<store>[CRFL](?:\d+|[a-m]))_)+|Backend_(?:(?<backends>T\d+)_)+|Trap_?(?<id>[A-Z]?\d+)_(?:(?<id>[A-Z]\d+)_)*|(?:(?<id>[ABCPV]\d+)_)+)\w*\(")]
    private static partial Regex TestName();
}
