using Litestream.TestKit.Files;
using Litestream.Tests.Support;

namespace Litestream.Tests.Capture;

/// <summary>The first lock may stand on a WAL that is fully in the database file, which the next commit restarts under it (replication §19 B14, B15).</summary>
public sealed class FirstLockTraps
{
    /// <summary>
    /// The application restarts the WAL and overwrites its frames between any two reads of the first pass: before they are verified,
    /// or after that and before their pages are copied. Without a check behind the copy the file would mix two states.
    /// </summary>
    [Fact]
    public void Trap_B15_C5_FramesOverwrittenUnderTheFirstPassAreNotUsed()
    {
        int hits = 0;
        for (int n = 1; n <= 10; n++)
        {
            using var scene = new SessionScene();
            scene.App.Run("PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF;");
            scene.Open();
            scene.Capture(publish: true);
            scene.Close();

            // More frames than one chunk of reading, all of them in the database file: the lock will be on slot 0.
            scene.Commit("INSERT INTO t(v) SELECT hex(randomblob(450)) FROM generate_series(1, 4500);");
            Assert.Equal("0", scene.App.Run("PRAGMA wal_checkpoint(PASSIVE);")[0].Split('|')[0]);
            int reads = 0;
            bool hit = false;
            bool armed = true;
            var files = new HookFileSystem(scene.Files, (operation, path) =>
            {
                if (operation == FileOperation.Read && path.EndsWith("-wal", StringComparison.Ordinal) && armed && scene.Session is not null && ++reads == n)
                {
                    hit = true;
                    scene.Commit("UPDATE t SET v = hex(randomblob(450));");
                }
            });
            scene.Open(files);

            // The commit may come in front of the pass's target or behind it; either way its file is a state the source had.
            scene.Session!.Pass(publish: true, CancellationToken.None);
            armed = false;
            scene.Commit("INSERT INTO t(v) VALUES ('after');");
            scene.Capture(publish: true);
            scene.AssertChain();
            hits += hit ? 1 : 0;
        }

        Assert.InRange(hits, 6, 10);
    }

    /// <summary>The same for the first full copy, with the WAL restarted again and again while it runs.</summary>
    [Fact]
    public void Trap_B14_AFirstCopyOnABackfilledWalIsOneState()
    {
        for (int n = 1; n <= 5; n++)
        {
            using var scene = new SessionScene();
            scene.Commit("INSERT INTO t(v) SELECT hex(randomblob(450)) FROM generate_series(1, 1500);");
            Assert.Equal("0", scene.App.Run("PRAGMA wal_checkpoint(PASSIVE);")[0].Split('|')[0]);
            int writes = 0;
            var files = new HookFileSystem(scene.Files, (operation, path) =>
            {
                if (operation == FileOperation.Write && path.EndsWith(".tmp", StringComparison.Ordinal) && ++writes % n == 0 && writes < 12)
                {
                    scene.Commit($"UPDATE t SET v = hex(randomblob(450)) WHERE id % 5 = {writes % 5};");
                    scene.App.Run("PRAGMA wal_checkpoint(PASSIVE);");
                }
            });
            scene.Open(files);
            scene.Session!.Pass(publish: true, CancellationToken.None);
            scene.Commit("INSERT INTO t(v) VALUES ('after');");
            scene.Capture(publish: true);
            scene.AssertChain();
            Assert.True(writes >= n, "the copy was disturbed");
        }
    }
}
