using Xunit;

namespace Litestream.Sqlite.Tests;

public class SqliteLibraryTests
{
    [Theory]
    [InlineData(3_007_000, false)]
    [InlineData(3_040_001, false)]
    [InlineData(3_044_005, false)]
    [InlineData(3_044_006, true)]
    [InlineData(3_044_999, true)]
    [InlineData(3_045_000, false)]
    [InlineData(3_050_006, false)]
    [InlineData(3_050_007, true)]
    [InlineData(3_051_000, false)]
    [InlineData(3_051_002, false)]
    [InlineData(3_051_003, true)]
    [InlineData(3_052_000, true)]
    [InlineData(3_053_002, true)]
    [InlineData(4_000_000, true)]
    public void Trap_A32_Versions_with_the_WAL_reset_bug_are_known(int version, bool safe) =>
        Assert.Equal(safe, SqliteLibrary.IsSafeVersion(version));

    [Fact]
    public void Trap_A32_The_linked_library_is_safe_and_ours()
    {
        SqliteLibrary.Initialize();
        Assert.True(SqliteLibrary.IsSafeVersion(SqliteLibrary.VersionNumber), SqliteLibrary.Version);
        Assert.Equal("3.53.2", SqliteLibrary.Version);
        Assert.StartsWith("2026-", SqliteLibrary.SourceId, StringComparison.Ordinal);
    }

    // integrity_check of a restored database loads its whole schema: every module an application may have used must exist.
    [Theory]
    [InlineData("CREATE VIRTUAL TABLE v USING fts3(a)")]
    [InlineData("CREATE VIRTUAL TABLE v USING fts4(a)")]
    [InlineData("CREATE VIRTUAL TABLE v USING fts5(a)")]
    [InlineData("CREATE VIRTUAL TABLE v USING rtree(id, a, b)")]
    [InlineData("CREATE VIRTUAL TABLE v USING geopoly()")]
    [InlineData("CREATE TABLE v(a CHECK (json_valid(a)), b CHECK (sqrt(b) < 3), c AS (soundex(a)) STORED)")]
    public void Integrity_check_knows_the_usual_modules(string sql)
    {
        using var directory = new TestKit.TempDirectory();
        using (SqliteConnection connection = SqliteConnection.Open(directory["a.db"], new SqliteOpenOptions { Create = true }))
        {
            connection.Execute(sql);
        }

        Assert.Empty(DatabaseCheck.Run(directory["a.db"], DatabaseCheckMode.Full, CancellationToken.None));
    }
}
