using System.Security.Cryptography;
using Litestream.Capture;
using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.Tests.Capture;

namespace Litestream.Tests.Support;

/// <summary>
/// One capture session without loops and uploads, so that a test decides when the newest file is sealed and where a call fails. It
/// knows every state the source ever had: each transaction of the chain must be one of them.
/// </summary>
internal sealed class SessionScene : IDisposable
{
    private readonly HashSet<string> known = [];
    private readonly Dictionary<ulong, byte[]> seals = [];
    private byte[] image = [];

    public SessionScene(Func<DatabaseOptions, DatabaseOptions>? configure = null, int pageSize = 1024)
    {
        Options = (configure ?? (o => o))(new DatabaseOptions { Path = Test.Path });
        App = new SqliteShell(Test.Path, pageSize: pageSize);
        Commit("CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t(v) SELECT hex(randomblob(200)) FROM generate_series(1, 20);");
    }

    public TestDatabase Test { get; } = new();

    public DatabaseOptions Options { get; }

    public SqliteShell App { get; }

    public UploadGate Gate { get; } = new();

    public CaptureSession? Session { get; private set; }

    public IFileSystem Files { get; init; } = new UnsyncedFileSystem(LocalFileSystem.Instance);

    /// <summary>One transaction of the application; the scripts of a test must commit exactly once.</summary>
    public void Commit(string sql)
    {
        App.Run(sql);
        image = App.Image();
        known.Add(Convert.ToHexString(SHA256.HashData(image)));
    }

    public CaptureSession Open(IFileSystem? fileSystem = null)
    {
        var services = new EngineServices(fileSystem ?? Files, TimeProvider.System, Test.Logs);
        var directory = new LocalLtxDirectory(services.FileSystem, Options.StateDirectory);
        directory.DeleteTemporaryFiles();
        directory.Create();
        Txid position = directory.NewestTxid();
        LtxHeader? local = position.IsNone ? null : directory.Verify(position);
        Gate.Reset(position);
        Session = CaptureSession.Open(Options, services, directory, Gate, Test.Logs);
        Session.Start(position, local, null);
        return Session;
    }

    /// <summary>A pass that reaches the last commit: the first one after opening ends at the position of the first lock.</summary>
    public void Capture()
    {
        Session!.Pass(CancellationToken.None);
        Session.Pass(CancellationToken.None);
    }

    /// <summary>What an upload does to the newest file: from here on it must not change, and it holds the last commit.</summary>
    public void Seal() => seals[Gate.Seal().Value] = image;

    public void Close()
    {
        Session?.Dispose();
        Session = null;
    }

    /// <summary>Every sealed transaction is what it was, and every transaction is some state that the source had.</summary>
    public void AssertChain()
    {
        SortedDictionary<ulong, byte[]> states = Chain.States(Test.LocalLevelZero);
        CaptureTests.AssertStates(seals, Test.LocalLevelZero);
        foreach ((ulong txid, byte[] state) in states)
        {
            Assert.True(known.Contains(Convert.ToHexString(SHA256.HashData(state))), $"transaction {txid} is a state that never was");
        }

        Assert.True(states.Last().Value.AsSpan().SequenceEqual(image), "the last commit is not in the chain");
        Assert.Empty(Directory.GetFiles(Options.StateDirectory, "*.tmp", SearchOption.AllDirectories));
    }

    public void Dispose()
    {
        Close();
        App.Dispose();
        Test.Dispose();
    }
}
