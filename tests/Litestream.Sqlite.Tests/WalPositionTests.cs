using Litestream.TestKit;
using Xunit;

namespace Litestream.Sqlite.Tests;

/// <summary>The position of a read lock against the bytes of the WAL file: capture trusts it to the frame (replication §8.7 rule 0).</summary>
public sealed class WalPositionTests : IDisposable
{
    private readonly TempDirectory _directory = new();
    private readonly SqliteConnection _writer;
    private readonly SqliteConnection _reader;

    public WalPositionTests()
    {
        _writer = SqliteConnection.Open(Database, new SqliteOpenOptions { Create = true });
        _writer.EnableWal();
        _reader = SqliteConnection.Open(Database, new SqliteOpenOptions());
    }

    private string Database => _directory["app.db"];

    public void Dispose()
    {
        _reader.Dispose();
        _writer.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public void A_wal_without_header_has_no_position()
    {
        _reader.BeginRead();
        Assert.False(_reader.TryGetPosition(out _));
    }

    [Fact]
    public void Without_a_transaction_there_is_none() =>
        Assert.Throws<InvalidOperationException>(() => _reader.TryGetPosition(out _));

    [Fact]
    public void Equals_the_last_committed_frame_of_the_file()
    {
        _writer.Execute("CREATE TABLE t(a)");
        for (int i = 0; i < 20; i++)
        {
            _writer.Execute("INSERT INTO t VALUES (randomblob(3000))");
            Assert.Equal(LastCommit(), Position());
        }
    }

    [Fact]
    public void Stays_while_others_commit_and_moves_with_the_next_transaction()
    {
        _writer.Execute("CREATE TABLE t(a)");
        _reader.BeginRead();
        Assert.True(_reader.TryGetPosition(out WalPosition first));
        _writer.Execute("INSERT INTO t VALUES (1)");
        Assert.True(_reader.TryGetPosition(out WalPosition same));
        Assert.Equal(first, same);
        _reader.EndRead();
        Assert.Equal(first.MaxFrame + 1, Position().MaxFrame);
    }

    [Fact]
    public void Spilled_frames_of_an_open_transaction_are_not_in_it()
    {
        _writer.Execute("CREATE TABLE t(a)");
        WalPosition before = Position();
        _writer.Execute("PRAGMA cache_size = 5");
        _writer.Execute("BEGIN");
        _writer.Execute("INSERT INTO t SELECT randomblob(3000) FROM generate_series(1, 100)".Replace(
            "generate_series(1, 100)", "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i FROM n)", StringComparison.Ordinal));
        Assert.True(new FileInfo(Database + "-wal").Length > WalFormat.FileSize(before.MaxFrame, 4096));
        Assert.Equal(before, Position());
        _writer.Execute("ROLLBACK");
        Assert.Equal(before, Position());
    }

    [Fact]
    public void Trap_C14_After_truncate_the_position_is_a_new_generation_with_no_frame()
    {
        _writer.Execute("CREATE TABLE t(a)");
        WalPosition old = Position();
        Assert.True(_writer.Checkpoint(CheckpointMode.Truncate).IsComplete);
        Assert.Equal(0, new FileInfo(Database + "-wal").Length);
        WalPosition empty = Position();
        Assert.Equal(0u, empty.MaxFrame);
        Assert.False(empty.IsSameGeneration(old));
        Assert.Equal(old.Salt1 + 1, empty.Salt1);
        Assert.Equal(old.PageCount, empty.PageCount);

        _writer.Execute("INSERT INTO t VALUES (1)");
        Assert.True(Position().IsSameGeneration(empty));
        Assert.Equal(LastCommit(), Position());
    }

    private WalPosition Position()
    {
        _reader.BeginRead();
        Assert.True(_reader.TryGetPosition(out WalPosition position));
        Assert.Equal(position.PageCount, _reader.PageCount);
        _reader.EndRead();
        return position;
    }

    private WalPosition LastCommit()
    {
        byte[] wal = File.ReadAllBytes(Database + "-wal");
        Assert.Equal(WalHeaderStatus.Valid, WalHeader.TryParse(wal, out WalHeader header));
        (uint s0, uint s1) = (header.Checksum1, header.Checksum2);
        WalPosition position = default;
        for (uint frame = 1; WalFormat.FileSize(frame, header.PageSize) <= wal.Length; frame++)
        {
            ReadOnlySpan<byte> bytes = wal.AsSpan((int)WalFormat.FrameOffset(frame, header.PageSize), header.FrameSize);
            WalFrameHeader current = WalFrameHeader.Parse(bytes);
            (s0, s1) = WalFrameHeader.ChecksumOf(s0, s1, bytes, header.BigEndianChecksum);
            if ((current.Salt1, current.Salt2, current.Checksum1, current.Checksum2) != (header.Salt1, header.Salt2, s0, s1))
            {
                break;
            }

            position = current.IsCommit ? new WalPosition(header.Salt1, header.Salt2, frame, current.Commit, s0, s1) : position;
        }

        return position;
    }
}
