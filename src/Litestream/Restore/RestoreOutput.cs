using Litestream.Storage;
using Microsoft.Extensions.Logging;
using Litestream.Diagnostics;

namespace Litestream.Restore;

/// <summary>
/// The place a database is restored to: what may be there before, the temporary file, and how the new file takes the name. What was
/// there stays untouched until the new file is complete and verified (store-and-restore §8 SAFER a and b).
/// </summary>
internal sealed class RestoreOutput(IFileSystem files, RestoreOptions options, ILogger logger)
{
    private static readonly string[] SideSuffixes = ["-wal", "-shm", "-journal"];

    private readonly string _path = options.OutputPath;

    /// <summary>Path of the file that is being built.</summary>
    internal string TempPath => _path + ".tmp";

    private string AsidePath => _path + ".old.tmp";

    /// <summary>Refuses an output that is taken (table of §8). Changes nothing.</summary>
    /// <exception cref="RestoreOutputException">A directory, or a database and no permission to replace it.</exception>
    internal void Check()
    {
        if (files.Stat(_path) is not { } status)
        {
            return; // Side files without a database are leftovers; they are removed with the replacement.
        }

        if (status.Kind == FileKind.Directory)
        {
            throw new RestoreOutputException($"cannot restore, output path is a directory: {_path}", _path);
        }

        if (options.Force || options.BasePath == _path)
        {
            return; // A local copy that is brought up to date is meant to be replaced.
        }

        if (status.Size > 0)
        {
            throw new RestoreOutputException(
                $"cannot restore, output path already exists and is not empty: {_path}. Use -force to overwrite", _path);
        }

        foreach (string side in SideFiles())
        {
            throw new RestoreOutputException($"cannot restore, SQLite sidecar path already exists: {side}. Use -force to overwrite", side);
        }
    }

    /// <summary>Creates parents and the temporary file, readable like the database that it replaces.</summary>
    internal IFile CreateTemp()
    {
        files.CreateDirectory(Path.GetDirectoryName(_path)!);
        FileOwnership owner = files.Stat(_path)?.Ownership ?? FileOwnership.ProcessDefault;
        return files.Create(TempPath, owner);
    }

    /// <summary>Gives the complete, synced temporary file its name. Side files of the old database never meet the new one.</summary>
    internal void Publish()
    {
        Check(); // Somebody may have created a database meanwhile.
        string directory = Path.GetDirectoryName(_path)!;
        List<string> sides = SideFiles();
        bool setAside = sides.Count > 0 && files.Stat(_path) is not null;
        if (setAside)
        {
            // SQLite would replay a stale -wal or -journal into whatever has the name. With the old file out of the way first, no
            // crash in between leaves the new database beside old side files.
            files.Rename(_path, AsidePath);
            files.SyncDirectory(directory);
        }

        foreach (string side in sides)
        {
            logger.Write(LogLevel.Debug, "removing side file of the replaced database", ("path", side));
            files.Delete(side);
        }

        if (sides.Count > 0)
        {
            files.SyncDirectory(directory);
        }

        files.Rename(TempPath, _path);
        files.SyncDirectory(directory);
        if (setAside)
        {
            files.Delete(AsidePath);
        }
    }

    /// <summary>
    /// Removes the note of the database before about its transaction: following would go on from there, with another database.
    /// </summary>
    internal void RemoveTxid()
    {
        string note = TxidFile.PathOf(_path);
        if (files.Stat(note) is not null)
        {
            files.Delete(note);
            files.SyncDirectory(Path.GetDirectoryName(_path)!);
        }
    }

    /// <summary>Removes the temporary file and what SQLite may have put beside it.</summary>
    internal void Discard()
    {
        try
        {
            files.Delete(TempPath);
            RemoveTempSideFiles();
        }
        catch (IOException failure)
        {
            // The failure that led here is the one to report.
            logger.Write(LogLevel.Warning, "cannot remove temporary file", ("path", TempPath), ("error", failure.Message));
        }
    }

    /// <summary>Removes what a check by SQLite left beside the temporary file.</summary>
    internal void RemoveTempSideFiles()
    {
        foreach (string suffix in SideSuffixes)
        {
            files.Delete(TempPath + suffix);
        }
    }

    private List<string> SideFiles() => [.. SideSuffixes.Select(suffix => _path + suffix).Where(side => files.Stat(side) is not null)];
}
