namespace Litestream.TestKit;

/// <summary>A directory of a test's own, removed with everything in it when the test ends.</summary>
public sealed class TempDirectory : IDisposable
{
    /// <summary>Creates the directory.</summary>
    public TempDirectory() => Root = Directory.CreateTempSubdirectory("litestream-test-").FullName;

    /// <summary>Absolute path.</summary>
    public string Root { get; }

    /// <summary>Absolute path of a name in the directory.</summary>
    public string this[string name] => Path.Combine(Root, name);

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Root, recursive: true);
}
