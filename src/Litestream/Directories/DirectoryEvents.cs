using Litestream.Sqlite;

namespace Litestream.Directories;

/// <summary>
/// What the notifier's thread has heard and the watcher has not handled yet. Any number of events about one path is one entry, so a
/// burst costs no more memory than the names in it.
/// </summary>
internal sealed class DirectoryEvents(DatabaseFinder finder, bool recursive, TimeProvider time)
{
    /// <summary>New files wait so long after the first of them: what creates databases creates more than one (§5).</summary>
    public static readonly TimeSpan Window = TimeSpan.FromMilliseconds(250);

    private readonly Lock gate = new();
    private readonly HashSet<string> appeared = [];
    private readonly HashSet<string> newDirectories = [];
    private readonly HashSet<string> gone = [];
    private readonly HashSet<string> goneDirectories = [];
    private readonly HashSet<DirectoryListener> ended = [];
    private DateTimeOffset windowEnds;
    private bool lost;

    /// <summary>Takes one event of one directory.</summary>
    /// <returns>True if there is something to do now.</returns>
    public bool Add(DirectoryListener listener, DirectoryChange change)
    {
        string path = listener.Path + "/" + change.Name;
        lock (gate)
        {
            switch (change.Kind)
            {
                case DirectoryChangeKind.Lost:
                    lost = true;
                    return true;
                case DirectoryChangeKind.Ended:
                    return ended.Add(listener);
                case DirectoryChangeKind.Appeared when change.IsDirectory:
                    return recursive && newDirectories.Add(path);
                case DirectoryChangeKind.Disappeared when change.IsDirectory:
                    newDirectories.Remove(path);
                    return recursive && goneDirectories.Add(path);
                case DirectoryChangeKind.Appeared:
                    return finder.IsCandidate(change.Name) && Appear(path);
                default:
                    appeared.Remove(path);
                    return finder.IsCandidate(change.Name) && gone.Add(path);
            }
        }
    }

    /// <summary>A path that may be a new database.</summary>
    /// <returns>True if it is the first one of a window.</returns>
    public bool AddPath(string path)
    {
        lock (gate)
        {
            return Appear(path);
        }
    }

    /// <summary>Takes out what is due. What is gone comes before what is new: a replaced file is both.</summary>
    public Batch Take()
    {
        lock (gate)
        {
            DateTimeOffset now = time.GetUtcNow();
            bool due = appeared.Count > 0 && now >= windowEnds;
            var batch = new Batch(
                lost,
                [.. ended],
                [.. goneDirectories],
                [.. gone],
                [.. newDirectories],
                due ? [.. appeared] : [],
                due || appeared.Count == 0 ? null : windowEnds - now);
            lost = false;
            gone.Clear();
            goneDirectories.Clear();
            ended.Clear();
            newDirectories.Clear();
            if (due)
            {
                appeared.Clear();
            }

            return batch;
        }
    }

    private bool Appear(string path)
    {
        if (!appeared.Add(path) || appeared.Count > 1)
        {
            return false;
        }

        windowEnds = time.GetUtcNow() + Window;
        return true;
    }

    /// <summary>What is due.</summary>
    /// <param name="Lost">Events were lost: everything has to be looked at.</param>
    /// <param name="Ended">Listeners whose directory was removed or renamed: another one may have its name by now.</param>
    /// <param name="GoneDirectories">Directories that are not there any more under this name.</param>
    /// <param name="Gone">Files that are not there any more under this name.</param>
    /// <param name="NewDirectories">Directories that appeared.</param>
    /// <param name="Appeared">Files that may be new databases.</param>
    /// <param name="NextIn">When more becomes due; null = nothing waits.</param>
    internal readonly record struct Batch(
        bool Lost, DirectoryListener[] Ended, string[] GoneDirectories, string[] Gone, string[] NewDirectories, string[] Appeared, TimeSpan? NextIn);
}
