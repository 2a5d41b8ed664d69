namespace Litestream.Storage;

/// <summary>
/// A replica whose files lie in directories of this machine, so that whoever waits for new ones can watch a directory instead of
/// asking again and again. Only some replica clients have it.
/// </summary>
public interface ILocalReplica
{
    /// <summary>Absolute path of the directory where the files of a level appear under their final names; it may not exist yet.</summary>
    /// <param name="level">0 to 9.</param>
    string GetLevelDirectory(int level);
}
