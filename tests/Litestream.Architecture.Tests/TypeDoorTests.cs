using Xunit;

namespace Litestream.Architecture.Tests;

/// <summary>What the rooms may touch of the outside world, checked on the compiled assemblies.</summary>
public sealed class TypeDoorTests
{
    private static readonly string[] OpenFiles =
    [
        "System.IO.File", "System.IO.FileInfo", "System.IO.FileStream", "System.IO.RandomAccess",
        "System.IO.FileSystemWatcher", "System.IO.MemoryMappedFiles.MemoryMappedFile",
    ];

    private static readonly string[] LookAtFolders = ["System.IO.Directory", "System.IO.DirectoryInfo"];

    public static TheoryData<string> Assemblies => [.. ProductAssembly.Names];

    /// <summary>Text on standard output from anywhere else breaks <c>-json</c> and every caller that parses our output.</summary>
    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Only_the_command_line_writes_to_the_console(string name)
    {
        if (name != "litestream")
        {
            Assert.DoesNotContain("System.Console", ProductAssembly.Load(name).UsedTypes);
        }
    }

    /// <summary>
    /// Two seams only: a file that is opened elsewhere escapes the fault-injecting file system, and one opened on a live database
    /// drops SQLite's locks (trap C1).
    /// </summary>
    [Theory]
    [InlineData("Litestream.Ltx")]
    [InlineData("Litestream.Engine")]
    public void The_format_and_the_engine_do_not_know_the_file_system(string name) =>
        Violations.None(ProductAssembly.Load(name).UsedTypes.Intersect([.. OpenFiles, .. LookAtFolders]));

    /// <summary>Finding databases below a configured folder is looking at names; opening them stays with the seams.</summary>
    [Fact]
    public void The_configuration_opens_no_file() =>
        Violations.None(ProductAssembly.Load("Litestream.Configuration").UsedTypes.Intersect(OpenFiles));

    /// <summary>Native code outside of the two rooms that exist for it would be a second place to get lifetimes wrong.</summary>
    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Native_interop_lives_in_two_rooms(string name)
    {
        if (name is not ("Litestream.Storage" or "Litestream.Sqlite"))
        {
            Violations.None(ProductAssembly.Load(name).NativeImports);
        }
    }

    /// <summary>A backend added later must not need a change in the engine.</summary>
    [Fact]
    public void The_engine_names_no_backend_no_network_and_no_yaml()
    {
        IEnumerable<string> used = ProductAssembly.Load("Litestream.Engine").UsedTypes.Where(type =>
            type.StartsWith("System.Net", StringComparison.Ordinal)
            || type.StartsWith("YamlDotNet", StringComparison.Ordinal)
            || type.StartsWith("System.Diagnostics.Process", StringComparison.Ordinal)
            || (type.EndsWith("ReplicaClient", StringComparison.Ordinal) && !type.EndsWith(".IReplicaClient", StringComparison.Ordinal)));
        Violations.None(used);
    }

    /// <summary>The format is usable where there is neither a disk nor a network: in a browser, in a test, in another product.</summary>
    [Fact]
    public void The_format_library_knows_no_network_and_no_process() =>
        Assert.DoesNotContain(
            ProductAssembly.Load("Litestream.Ltx").UsedTypes,
            type => type.StartsWith("System.Net", StringComparison.Ordinal) || type.StartsWith("System.Diagnostics.Process", StringComparison.Ordinal));
}
