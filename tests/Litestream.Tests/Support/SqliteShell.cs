using System.Diagnostics;
using System.Globalization;

namespace Litestream.Tests.Support;

/// <summary>
/// An application: the <c>sqlite3</c> shell in a process of its own, as every application has to be (two copies of SQLite in one
/// process drop each other's locks, trap C10). Statements run one batch at a time; a batch ends when its echo arrives.
/// </summary>
internal sealed class SqliteShell : IDisposable
{
    private readonly Process process;
    private readonly string databasePath;
    private int batch;

    /// <param name="databasePath">Database file.</param>
    /// <param name="walMode">False to leave the journal mode as it is.</param>
    /// <param name="pageSize">Page size of a new database.</param>
    /// <param name="under">A command to run it under, such as a tracer.</param>
    public SqliteShell(string databasePath, bool walMode = true, int? pageSize = null, params string[] under)
    {
        this.databasePath = databasePath;
        string[] command = [.. under, "sqlite3", "-batch", databasePath];
        process = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        process.ErrorDataReceived += (_, e) =>
        {
            if (e.Data is not null)
            {
                lock (errors)
                {
                    errors.Add(e.Data);
                }
            }
        };
        process.BeginErrorReadLine();
        if (pageSize is { } size)
        {
            Run(string.Create(CultureInfo.InvariantCulture, $"PRAGMA page_size={size};"));
        }

        if (walMode)
        {
            Run("PRAGMA journal_mode=wal;");
        }
    }

    private readonly List<string> errors = [];

    /// <summary>Errors printed so far.</summary>
    public IReadOnlyList<string> Errors
    {
        get
        {
            lock (errors)
            {
                return [.. errors];
            }
        }
    }

    /// <summary>Runs statements and returns what they printed.</summary>
    public List<string> Run(string sql)
    {
        string mark = $"--end of batch {++batch}--";
        process.StandardInput.WriteLine(sql);
        process.StandardInput.WriteLine($".print {mark}");
        process.StandardInput.Flush();
        var lines = new List<string>();
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (line == mark)
            {
                return lines;
            }

            lines.Add(line);
        }

        throw new InvalidOperationException($"sqlite3 ended: {string.Join('\n', Errors)}");
    }

    /// <summary>All pages of the database as of the last commit; nobody may write meanwhile.</summary>
    public byte[] Image() => CommittedImage.Of(databasePath);

    /// <summary>kill -9.</summary>
    public void Kill()
    {
        process.Kill();
        process.WaitForExit();
    }

    public void Dispose()
    {
        if (!process.HasExited)
        {
            process.StandardInput.Close();
            process.WaitForExit();
        }

        process.Dispose();
    }
}
