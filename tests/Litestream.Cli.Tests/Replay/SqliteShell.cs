using System.Diagnostics;

namespace Litestream.Cli.Tests.Replay;

/// <summary>An application in a process of its own: the <c>sqlite3</c> shell. Every call returns when it is committed.</summary>
internal sealed class SqliteShell : IDisposable
{
    private readonly Process process;
    private bool disposed;

    public SqliteShell(string path)
    {
        // The shell takes a name that looks like a URI as one only with "file:"; plain paths may hold anything.
        process = Process.Start(new ProcessStartInfo("sqlite3", ["-batch", path])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        Execute("PRAGMA busy_timeout=5000;");
    }

    public void Execute(string sql)
    {
        process.StandardInput.WriteLine(sql);
        process.StandardInput.WriteLine("SELECT 'done';");
        process.StandardInput.Flush();
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (line == "done")
            {
                return;
            }
        }

        throw new InvalidOperationException("sqlite3 ended: " + process.StandardError.ReadToEnd());
    }

    public void Insert(int rows)
    {
        if (rows > 0)
        {
            Execute($"WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) INSERT INTO t SELECT i FROM n;");
        }
    }

    public void Dispose()
    {
        if (disposed)
        {
            return;
        }

        disposed = true;
        process.StandardInput.Close();
        process.WaitForExit();
        process.Dispose();
    }
}
