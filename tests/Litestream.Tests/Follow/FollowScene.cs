using Litestream.Follow;
using Litestream.Ltx;
using Litestream.Sqlite;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Replicas;
using Litestream.Tests.Support;

namespace Litestream.Tests.Follow;

/// <summary>
/// A source database whose every state is known, its replica, and a database that follows. The states are real SQLite states: each
/// level-0 file holds the pages in which one differs from the one before.
/// </summary>
internal sealed class FollowScene : IDisposable
{
    private readonly TempDirectory _temp = new();
    private readonly SqliteConnection _source;
    private readonly List<byte[]> _states = [[]];
    private readonly int _pageSize;

    internal FollowScene(int pageSize = 4096)
    {
        _pageSize = pageSize;
        Client = new FaultyReplicaClient(Replica);
        _source = SqliteConnection.Open(_temp["source.db"], new SqliteOpenOptions { Create = true });
        _source.Execute($"PRAGMA page_size = {pageSize}");
        _source.EnableWal();
        Commit("CREATE TABLE t(id INTEGER PRIMARY KEY, v); CREATE TABLE u(id INTEGER PRIMARY KEY, v)");
    }

    internal MemoryReplicaClient Replica { get; } = new();

    internal FaultyReplicaClient Client { get; }

    internal RecordingLogs Logs { get; } = new();

    internal IFileSystem Files { get; set; } = LocalFileSystem.Instance;

    internal string Output => _temp["follow.db"];

    internal string SideFile => Output + "-txid";

    /// <summary>Last transaction of the source.</summary>
    internal ulong Last => (ulong)_states.Count - 1;

    internal string this[string name] => _temp[name];

    public void Dispose()
    {
        _source.Dispose();
        _temp.Dispose();
    }

    /// <summary>Runs statements on the source and puts the result into level 0 as the next transaction.</summary>
    internal ulong Commit(string sql, bool store = true)
    {
        foreach (string statement in sql.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            _source.Execute(statement);
        }

        _states.Add(CommittedImage.Of(_source.Path));
        if (store)
        {
            Put(0, Last, Last);
        }

        return Last;
    }

    /// <summary>Puts a file into the replica: the pages in which two states differ; from transaction 1 on all pages.</summary>
    internal void Put(int level, ulong min, ulong max) => Replica.Put(level, new Txid(min), new Txid(max), File(min, max), DateTimeOffset.UtcNow);

    internal void Remove(int level, ulong min, ulong max) => Assert.True(Replica.Remove(level, new Txid(min), new Txid(max)));

    /// <summary>Removes level-0 files.</summary>
    internal void RemoveLevelZero(ulong from, ulong to)
    {
        for (ulong txid = from; txid <= to; txid++)
        {
            Remove(0, txid, txid);
        }
    }

    internal byte[] File(ulong min, ulong max)
    {
        byte[] before = _states[(int)min - 1];
        byte[] after = _states[(int)max];
        using var stream = new MemoryStream();
        var header = new LtxHeader
        {
            Flags = LtxFormat.NoChecksum,
            PageSize = _pageSize,
            Commit = (uint)(after.Length / _pageSize),
            MinTxid = new Txid(min),
            MaxTxid = new Txid(max),
            Timestamp = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds(),
        };
        using (var writer = new LtxWriter(stream, header, leaveOpen: true))
        {
            for (int at = 0; at < after.Length; at += _pageSize)
            {
                ReadOnlySpan<byte> page = after.AsSpan(at, _pageSize);
                if (at >= before.Length || !page.SequenceEqual(before.AsSpan(at, _pageSize)))
                {
                    writer.WritePage((uint)(at / _pageSize) + 1, page);
                }
            }

            writer.Finish();
        }

        return stream.ToArray();
    }

    /// <summary>Whether a level-0 file holds page 1.</summary>
    internal bool HasFirstPage(ulong txid) => !_states[(int)txid].AsSpan(0, _pageSize).SequenceEqual(_states[(int)txid - 1].AsSpan(0, _pageSize));

    /// <summary>Starts a follower. Its interval is short, and nothing that is asserted depends on it.</summary>
    internal FollowerRun Start(TimeProvider? time = null, TimeSpan? interval = null, IReplicaClient? client = null)
    {
        var follower = new Follower(client ?? Client, Files, time ?? TimeProvider.System, Logs);
        return new FollowerRun(follower, new FollowOptions { OutputPath = Output, Interval = interval ?? TimeSpan.FromMilliseconds(5) });
    }

    /// <summary>A reading application: another process.</summary>
    internal SqliteShell Reader() => new(Output, walMode: false);

    /// <summary>Demands that the database is byte for byte a state of the source, but for what a follower has to set. Nobody may follow.</summary>
    internal void AssertState(ulong txid)
    {
        byte[] expected = [.. _states[(int)txid]];
        byte[] actual = System.IO.File.ReadAllBytes(Output);
        Assert.Equal([1, 1], actual[18..20]);
        Mask(expected);
        Mask(actual);
        Assert.Equal(expected.Length, actual.Length);
        Assert.True(expected.AsSpan().SequenceEqual(actual), $"not state {txid}: first difference at byte {expected.AsSpan().CommonPrefixLength(actual)}");
        Assert.Equal(new Txid(txid) + "\n", System.IO.File.ReadAllText(SideFile));
        Assert.Equal([Path.GetFileName(Output), Path.GetFileName(SideFile)],
            Directory.GetFiles(Path.GetDirectoryName(Output)!, "follow.db*").Select(file => Path.GetFileName(file)!).Order());
    }

    /// <summary>Journal mode, change counter, and the library version at the last change.</summary>
    private static void Mask(byte[] database)
    {
        database.AsSpan(18, 2).Clear();
        database.AsSpan(24, 4).Clear();
        database.AsSpan(92, 8).Clear();
    }
}
