using System.Text;

namespace Litestream.Workload;

/// <summary>
/// What the application was told is committed. Each line is one write of an appending descriptor, so a kill of the process loses
/// nothing that was logged; it is written after the commit returned, so it never claims too much.
/// </summary>
internal sealed class AckLog : IDisposable
{
    private readonly FileStream? _file;
    private readonly Control _control;
    private readonly Lock _gate = new();

    // A file per process: an appending FileStream keeps its own offset, so two processes would overwrite each other's lines.
    internal AckLog(Options options, Control control)
    {
        _control = control;
        _file = options.AckLog is null ? null : new FileStream($"{options.AckLog}.{options.FirstWriter}", FileMode.Append, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
    }

    public void Dispose() => _file?.Dispose();

    internal void Add(int writer, long n)
    {
        if (_file is not null)
        {
            byte[] line = Encoding.ASCII.GetBytes($"{writer} {n}\n");
            lock (_gate)
            {
                _file.Write(line);
            }
        }

        _control.Acknowledge(writer, n);
    }
}
