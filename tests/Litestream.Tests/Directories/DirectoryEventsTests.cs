using Litestream.Directories;
using Litestream.Sqlite;
using Litestream.Storage;
using Microsoft.Extensions.Time.Testing;

namespace Litestream.Tests.Directories;

/// <summary>What becomes of events before anything is done about them.</summary>
public sealed class DirectoryEventsTests : IDisposable
{
    private readonly FakeTimeProvider time = new();
    private readonly ChangeNotifier notifier = new();
    private readonly DirectoryListener listener;
    private readonly DirectoryEvents events;

    public DirectoryEventsTests()
    {
        events = new(new DatabaseFinder(LocalFileSystem.Instance, static name => name.Contains("db", StringComparison.Ordinal), recursive: true), recursive: true, time);
        listener = notifier.Listen("/", static (_, _) => { });
    }

    public void Dispose()
    {
        listener.Dispose();
        notifier.Dispose();
    }

    [Fact]
    public void AnyNumberOfEventsAboutOneFileIsOneEntryAndTheWindowIsNotExtended()
    {
        Assert.True(Appear("a.db"));
        Assert.Equal(DirectoryEvents.Window, events.Take().NextIn);
        time.Advance(DirectoryEvents.Window / 2);
        for (int i = 0; i < 1000; i++)
        {
            Assert.False(Appear("a.db"));
            Assert.False(Appear("b.db"));
        }

        Assert.Empty(events.Take().Appeared);
        time.Advance(DirectoryEvents.Window / 2);
        Assert.Equal(2, events.Take().Appeared.Length);
        Assert.Null(events.Take().NextIn);
        Assert.True(Appear("a.db"));
    }

    [Theory]
    [InlineData("a.db-wal", false)]
    [InlineData("a.db-shm", false)]
    [InlineData("a.db-journal", false)]
    [InlineData("text", false)]
    [InlineData("withdrawal.db", true)]
    [InlineData("rhythm.db", true)]
    [InlineData("myjournal.db", true)]
    [InlineData("dbwal", true)]
    public void SideFilesAndNamesThatDoNotMatchAreDroppedUnseen(string name, bool taken)
    {
        Assert.Equal(taken, Appear(name));
        Assert.Equal(taken, events.Add(listener, new DirectoryChange(DirectoryChangeKind.Disappeared, name, false)));
    }

    [Fact]
    public void AReplacedFileIsBothGoneAndNew()
    {
        events.Add(listener, new DirectoryChange(DirectoryChangeKind.Disappeared, "a.db", false));
        Appear("a.db");
        Assert.Single(events.Take().Gone);
        time.Advance(DirectoryEvents.Window);
        Assert.Single(events.Take().Appeared);

        // Created and deleted within the window: nothing to add.
        Appear("a.db");
        events.Add(listener, new DirectoryChange(DirectoryChangeKind.Disappeared, "a.db", false));
        time.Advance(DirectoryEvents.Window);
        Assert.Empty(events.Take().Appeared);
    }

    private bool Appear(string name) => events.Add(listener, new DirectoryChange(DirectoryChangeKind.Appeared, name, false));
}
