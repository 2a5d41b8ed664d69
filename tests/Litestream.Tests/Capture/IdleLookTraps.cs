using Litestream.Capture;
using Litestream.Ltx;
using Litestream.Tests.Support;

namespace Litestream.Tests.Capture;

/// <summary>An idle database is looked at from outside. That may only take the place of a pass where a commit cannot hide.</summary>
public sealed class IdleLookTraps
{
    [Fact]
    public void AnOldUntouchedWalNeedsNoPass()
    {
        using var scene = new SessionScene();
        Age(scene.Test.Path);
        CaptureSession session = scene.Open();
        scene.Capture(publish: true);
        session.Checkpoint(CancellationToken.None);
        scene.Capture(publish: true);
        Age(scene.Test.Path);
        scene.Capture(publish: true);
        Assert.True(session.IsUntouched());
    }

    [Fact]
    public void Trap_C13_FramesThatAreNotVisibleYetKeepThePassesComing()
    {
        using var scene = new SessionScene();
        CaptureSession session = scene.Open();
        scene.Capture(publish: true);
        session.Checkpoint(CancellationToken.None);
        scene.Commit("INSERT INTO t(v) VALUES ('begins the wal again');");
        scene.Capture(publish: true);
        session.Checkpoint(CancellationToken.None);

        // A writer that was stopped between its frames and the index: the next frame is in the file, and nothing says so.
        string wal = scene.Test.Path + "-wal";
        using (FileStream file = new(wal, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            byte[] frame = new byte[24 + 1024];
            file.Position = 32;
            file.ReadExactly(frame);
            LtxHeader captured = Chain.Headers(scene.Test.LocalLevelZero)[^1];
            file.Position = captured.WalOffset + captured.WalSize;
            file.Write(frame);
        }

        Age(scene.Test.Path);
        scene.Capture(publish: true);
        Assert.False(session.IsUntouched());
    }

    /// <summary>Long ago by the file's time, so that only its content can speak for a pass.</summary>
    private static void Age(string database)
    {
        if (File.Exists(database + "-wal"))
        {
            File.SetLastWriteTimeUtc(database + "-wal", DateTime.UnixEpoch.AddDays(1));
        }
    }
}
