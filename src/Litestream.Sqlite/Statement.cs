using System.Runtime.InteropServices;
using System.Text;
using Litestream.Sqlite.Interop;

namespace Litestream.Sqlite;

/// <summary>One prepared statement of a connection; finalized by its owner before the connection closes.</summary>
internal sealed unsafe class Statement : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly string _sql;
    private nint _handle;

    internal Statement(SqliteConnection connection, string sql, bool persistent)
    {
        _connection = connection;
        _sql = sql;
        byte[] text = Encoding.UTF8.GetBytes(sql);
        fixed (byte* start = text)
        {
            int code = NativeMethods.Prepare(connection.Handle, start, text.Length,
                persistent ? SqliteConstants.PreparePersistent : 0, out _handle, out byte* tail);
            if (code != SqliteConstants.Ok)
            {
                throw connection.Failure(code, sql);
            }

            if (_handle == 0 || tail != start + text.Length)
            {
                Dispose();
                throw new ArgumentException($"one complete SQL statement is needed, not: {sql}", nameof(sql));
            }
        }
    }

    /// <summary>Advances; true = a row, false = done. Throws on anything else.</summary>
    internal bool Step()
    {
        int code = TryStep();
        return code switch
        {
            SqliteConstants.Row => true,
            SqliteConstants.Done => false,
            _ => throw _connection.Failure(code, _sql),
        };
    }

    /// <summary>Advances and returns SQLite's code. After an error the statement is reset.</summary>
    internal int TryStep()
    {
        ObjectDisposedException.ThrowIf(_handle == 0, this);
        int code = NativeMethods.Step(_handle);
        if (code is not (SqliteConstants.Row or SqliteConstants.Done))
        {
            // Reset repeats the error code of the step, so this keeps code and message of the connection as they are.
            _ = NativeMethods.Reset(_handle);
        }

        return code;
    }

    /// <summary>Runs to the end and resets.</summary>
    internal void Run()
    {
        while (Step())
        {
        }

        Reset();
    }

    /// <summary>Runs to the end with a number and, as second parameter, bytes (null = NULL).</summary>
    internal void Run(long first, byte* second, int length)
    {
        Bind(NativeMethods.BindInt64(_handle, 1, first));
        try
        {
            // No copy: the memory stays where it is until the parameter is unbound below.
            Bind(second is null ? NativeMethods.BindNull(_handle, 2) : NativeMethods.BindBlob(_handle, 2, second, length, 0));
            Run();
        }
        finally
        {
            _ = NativeMethods.BindNull(_handle, 2);
        }
    }

    /// <summary>Begins with a number as the only parameter; true = there is a row.</summary>
    internal bool Step(long first)
    {
        Bind(NativeMethods.BindInt64(_handle, 1, first));
        return Step();
    }

    private void Bind(int code)
    {
        if (code != SqliteConstants.Ok)
        {
            throw _connection.Failure(code, _sql);
        }
    }

    internal void Reset() => _ = NativeMethods.Reset(_handle);

    internal long Int64(int column) => NativeMethods.ColumnInt64(_handle, column);

    internal string? Text(int column) => Marshal.PtrToStringUTF8((nint)NativeMethods.ColumnText(_handle, column));

    /// <summary>The bytes of a column, valid until the next step or reset.</summary>
    internal ReadOnlySpan<byte> Blob(int column)
    {
        byte* data = NativeMethods.ColumnBlob(_handle, column);
        return new ReadOnlySpan<byte>(data, NativeMethods.ColumnBytes(_handle, column));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_handle != 0)
        {
            _ = NativeMethods.FinalizeStatement(_handle);
            _handle = 0;
        }
    }
}
