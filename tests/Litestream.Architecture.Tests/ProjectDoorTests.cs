using System.Xml.Linq;
using Xunit;

namespace Litestream.Architecture.Tests;

/// <summary>
/// The rooms and their one-way doors (docs/design/rooms.md). A reference in the wrong direction compiles, and from then on every
/// change in the engine can break the format library; only a test keeps it from happening by accident.
/// </summary>
public sealed class ProjectDoorTests
{
    /// <summary>What each room may reference directly: our projects, then packages.</summary>
    private static readonly Dictionary<string, (string[] Projects, string[] Packages)> Doors = new()
    {
        ["Litestream.Ltx"] = ([], []),
        ["Litestream.Sqlite"] = (["Litestream.Ltx"], []),
        ["Litestream.Storage"] = (["Litestream.Ltx"], ["Microsoft.Extensions.Logging.Abstractions", "Polly.Core"]),
        ["Litestream.Storage.S3"] = (["Litestream.Storage"], ["AWSSDK.Core", "AWSSDK.SecurityToken"]),
        ["Litestream.Storage.Azure"] = (["Litestream.Storage"], ["Azure.Storage.Blobs", "Azure.Identity"]),
        ["Litestream.Storage.Gcs"] = (["Litestream.Storage"], []),
        ["Litestream.Storage.Sftp"] = (["Litestream.Storage"], ["SSH.NET"]),
        ["Litestream.Storage.Nats"] = (["Litestream.Storage", "NATS.NKeys"], ["NATS.Client.Core"]),
        ["Litestream.Storage.WebDav"] = (["Litestream.Storage"], []),
        ["NATS.NKeys"] = ([], ["BouncyCastle.Cryptography"]),
        ["Litestream"] = (["Litestream.Ltx", "Litestream.Sqlite", "Litestream.Storage"], []),
        ["Litestream.Configuration"] = (["Litestream", "Litestream.Storage"], ["YamlDotNet"]),
        ["Litestream.Cli"] = (
            [
                "Litestream.Configuration", "Litestream", "Litestream.Storage", "Litestream.Sqlite", "Litestream.Ltx", "Litestream.Storage.S3", "Litestream.Storage.Azure",
                "Litestream.Storage.Gcs", "Litestream.Storage.Sftp", "Litestream.Storage.Nats", "Litestream.Storage.WebDav",
            ],
            []),
    };

    public static TheoryData<string> Projects => [.. Repository.Files(".csproj", "src")];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_references_only_rooms_to_its_right(string projectFile)
    {
        string name = Path.GetFileNameWithoutExtension(projectFile);
        Assert.True(Doors.ContainsKey(name), $"{name} is a new room: give it its doors here and in docs/design/rooms.md.");

        XDocument project = XDocument.Load(Path.Combine(Repository.Root, projectFile));
        string[] projects = [.. Includes(project, "ProjectReference").Select(path => Path.GetFileNameWithoutExtension(path.Replace('\\', '/')))];
        Violations.None(projects.Except(Doors[name].Projects));
    }

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_uses_only_its_listed_packages(string projectFile)
    {
        string name = Path.GetFileNameWithoutExtension(projectFile);
        XDocument project = XDocument.Load(Path.Combine(Repository.Root, projectFile));
        Violations.None(Includes(project, "PackageReference").Except(Doors[name].Packages));
    }

    /// <summary>Without the reason the next reader cannot tell whether a dependency may go.</summary>
    [Fact]
    public void Every_package_has_a_line_with_its_reason()
    {
        string documented = File.ReadAllText(Path.Combine(Repository.Root, "docs", "dependencies.md"));
        XDocument packages = XDocument.Load(Path.Combine(Repository.Root, "Directory.Packages.props"));
        Violations.None(Includes(packages, "PackageVersion").Where(package => !documented.Contains($"| {package} |", StringComparison.Ordinal)));
    }

    private static IEnumerable<string> Includes(XDocument project, string element) =>
        project.Descendants(element).Select(item => (string?)item.Attribute("Include") ?? "");
}
