using Litestream.Storage;

namespace Litestream.Configuration.Tests;

/// <summary>A configuration host with a temporary directory and its own variables.</summary>
internal sealed class TestHost : IDisposable
{
    public TestHost(params (string Name, string Value)[] variables)
    {
        Root = Directory.CreateTempSubdirectory("lscfg").FullName;
        Dictionary<string, string> values = variables.ToDictionary(v => v.Name, v => v.Value);
        Host = new(LocalFileSystem.Instance, values.GetValueOrDefault, Root, "root", 4711);
    }

    public string Root { get; }

    public ConfigurationHost Host { get; }

    public LitestreamConfiguration Parse(string text) => new ConfigurationLoader(Host).Parse(text);

    public ConfigurationException ParseError(string text) => Assert.Throws<ConfigurationException>(() => Parse(text));

    public DatabaseResolver Resolver(string text) => new(Parse(text), Host);

    /// <summary>The one database of a configuration whose replica mapping is given in flow form.</summary>
    public ConfiguredDatabase Resolve(string replica, string top = "") =>
        Assert.Single(Resolver($"{top}\ndbs:\n  - path: {Root}/db\n    replica: {replica}\n").ResolveAll());

    public ConfigurationException ResolveError(string replica, string top = "") =>
        Assert.Throws<ConfigurationException>(() => Resolve(replica, top));

    /// <summary>Creates a file that looks like a SQLite database.</summary>
    public string Database(string relative)
    {
        string path = Path.Combine(Root, relative);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, "SQLite format 3\0 and so on");
        return path;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
