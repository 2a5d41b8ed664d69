using Xunit;

namespace Litestream.Architecture.Tests;

/// <summary>What the rooms may touch of the outside world, checked on the compiled assemblies.</summary>
public sealed class TypeDoorTests
{
    private static readonly string[] FileTypes =
    [
        "System.IO.File", "System.IO.FileInfo", "System.IO.FileStream", "System.IO.RandomAccess", "System.IO.Directory",
        "System.IO.DirectoryInfo", "System.IO.FileSystemWatcher", "System.IO.MemoryMappedFiles.MemoryMappedFile", "System.IO.StreamWriter+File",
    ];

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
    [InlineData("Litestream.Configuration")]
    public void Files_are_opened_by_the_two_seams_only(string name) =>
        Assert.Equal([], ProductAssembly.Load(name).UsedTypes.Intersect(FileTypes));

    /// <summary>Native code outside of the two rooms that exist for it would be a second place to get lifetimes wrong.</summary>
    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Native_interop_lives_in_two_rooms(string name)
    {
        if (name is not ("Litestream.Storage" or "Litestream.Sqlite"))
        {
            Assert.Equal([], ProductAssembly.Load(name).NativeImports);
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
        Assert.Equal([], used);
    }

    /// <summary>The format is usable where there is neither a disk nor a network: in a browser, in a test, in another product.</summary>
    [Fact]
    public void The_format_library_knows_no_network_and_no_process() =>
        Assert.DoesNotContain(
            ProductAssembly.Load("Litestream.Ltx").UsedTypes,
            type => type.StartsWith("System.Net", StringComparison.Ordinal) || type.StartsWith("System.Diagnostics.Process", StringComparison.Ordinal));
}
