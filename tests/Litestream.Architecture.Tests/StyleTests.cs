using System.Text.RegularExpressions;
using Xunit;

namespace Litestream.Architecture.Tests;

/// <summary>Rules that a reader relies on and a reviewer forgets.</summary>
public sealed partial class StyleTests
{
    private const int MaxFileLines = 800;
    private const int MaxMethodLines = 70;
    private const int MaxTypesPerFile = 4;

    private static readonly string[] Sources = [.. Repository.Files(".cs", "src", "tests", "bench")];

    private static readonly string[] ProductSources = [.. Repository.Files(".cs", "src")];

    [Fact]
    public void A_file_fits_a_reader() =>
        Violations.None(Sources.Where(file => Repository.Lines(file).Length > MaxFileLines));

    /// <summary>A type is found by its file's name; partial files add an aspect after a dot.</summary>
    [Fact]
    public void A_file_is_named_after_its_type()
    {
        var violations = new List<string>();
        foreach (string file in ProductSources)
        {
            string name = Path.GetFileName(file).Split('.')[0];
            Match[] matches = [.. Repository.Lines(file).Select(line => TopLevelType().Match(line)).Where(match => match.Success)];
            string[] types = [.. matches.Select(match => match.Groups["name"].Value)];
            bool named = types.Length == 0 || types.Contains(name); // none: top-level statements

            // The cases of a closed union belong beside their base.
            int own = matches.Count(match => !match.Value.EndsWith(" : " + name, StringComparison.Ordinal));
            if (!named || own > MaxTypesPerFile)
            {
                violations.Add($"{file} holds {string.Join(", ", types)}");
            }
        }

        Violations.None(violations);
    }

    [Fact]
    public void A_method_fits_a_screen() => Violations.None(ProductSources.SelectMany(LongMethods));

    /// <summary>What is not finished is named in the changelog, not hidden in a comment.</summary>
    [Fact]
    public void Nothing_is_left_unfinished() =>
        Violations.None(Sources
            .Where(file => Path.GetFileName(file) != "StyleTests.cs")
            .SelectMany(file => Repository.Lines(file).Where(line => Unfinished().IsMatch(line)).Select(line => $"{file}: {line.Trim()}")));

    /// <summary>A path of one machine works on one machine.</summary>
    [Fact]
    public void No_path_of_a_build_machine_is_in_the_repository()
    {
        string[] extensions = [".cs", ".csproj", ".props", ".targets", ".md", ".sh", ".txt", ".yml", ".json", ".c", ".slnx"];
        IEnumerable<string> hits = extensions
            .SelectMany(extension => Repository.Files(extension, "src", "tests", "bench", "eng", "docs", ".ci"))
            .Where(file => Path.GetFileName(file) != "StyleTests.cs")
            .SelectMany(file => Repository.Lines(file).Where(line => MachinePath().IsMatch(line)).Select(line => $"{file}: {line.Trim()}"));
        Violations.None(hits);
    }

    /// <summary>CS1591 as an error is what makes "every public member is documented" true; nobody may switch it off.</summary>
    [Fact]
    public void Missing_documentation_stays_a_build_error()
    {
        Assert.Contains("<GenerateDocumentationFile>true", File.ReadAllText(Path.Combine(Repository.Root, "src", "Directory.Build.props")), StringComparison.Ordinal);
        IEnumerable<string> silenced = Repository.Files(".csproj", "src").Concat(Repository.Files(".props", "src")).Concat(Repository.Files(".cs", "src"))
            .Where(file => Repository.Lines(file).Any(line => line.Contains("CS1591", StringComparison.Ordinal)));
        Violations.None(silenced);
    }

    /// <summary>Members of types in file-scoped namespaces stand four spaces in, so a body is the block between two braces there.</summary>
    private static IEnumerable<string> LongMethods(string file)
    {
        string[] lines = Repository.Lines(file);
        foreach (string indent in (string[])["    ", "        "])
        {
            int start = -1;
            for (int i = 1; i < lines.Length; i++)
            {
                if (lines[i] == indent + "{" && !NestedType().IsMatch(lines[i - 1]))
                {
                    start = i;
                }
                else if (start >= 0 && (lines[i] == indent + "}" || lines[i] == indent + "};"))
                {
                    if (i - start - 1 > MaxMethodLines && !lines[start..i].Any(line => NestedType().IsMatch(line)))
                    {
                        yield return $"{file}:{start}: {lines[start - 1].Trim()} has {i - start - 1} lines";
                    }

                    start = -1;
                }
            }
        }
    }

    [GeneratedRegex(@"^(?:(?:public|internal|file|static|sealed|abstract|partial|readonly|ref|unsafe)\s+)*(?:class|struct|record struct|record class|record|interface|enum|delegate \S+)\s+(?<name>\w+)(?:<[^>]*>)?(?:\([^)]*\))?(?: : \w+)?")]
    private static partial Regex TopLevelType();

    [GeneratedRegex(@"^\s+(?:(?:public|internal|private|protected|static|sealed|abstract|partial|readonly|ref|unsafe)\s+)+(?:class|struct|record|interface|enum)\b")]
    private static partial Regex NestedType();

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX)\b|NotImplementedException")]
    private static partial Regex Unfinished();

    [GeneratedRegex(@"(?<![\w.])/(?:work|farm|home/\w+|Users/\w+)/|[A-Z]:\\Users\\")]
    private static partial Regex MachinePath();
}
