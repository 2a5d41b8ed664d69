using System.Security.Cryptography;
using Litestream.Capture;
using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;
using Litestream.TestKit.Files;
using Litestream.Tests.Capture;

namespace Litestream.Tests.Support;

/// <summary>
/// One capture session without loops and uploads, so that a test decides when a file is written and where a call fails. It
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

    public PublishedPosition Published { get; } = new();

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
        Published.Reset(position);
        Session = CaptureSession.Open(Options, services, directory, Published, Test.Logs);
        Session.Start(position, local, null);
        return Session;
    }

    /// <summary>A pass up to the last commit.</summary>
    /// <param name="publish">True: all of it is in a file then. False: some of it may wait in memory.</param>
    public void Capture(bool publish)
    {
        Session!.Pass(publish, CancellationToken.None);
        if (publish)
        {
            seals[Published.Value.Value] = image;
        }
    }

    public void Close()
    {
        Session?.Dispose();
        Session = null;
    }

    /// <summary>Every published transaction is what it was, and every transaction is some state that the source had.</summary>
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
