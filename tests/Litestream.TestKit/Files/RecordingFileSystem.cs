using Litestream.Storage;

namespace Litestream.TestKit.Files;

/// <summary>A file system that writes down every successful call in order: the system-call trace of trap P12.</summary>
public sealed class RecordingFileSystem(IFileSystem inner) : InterceptingFileSystem(inner)
{
    private readonly Lock _gate = new();
    private readonly List<FileCall> _calls = [];

    /// <summary>The calls so far.</summary>
    public IReadOnlyList<FileCall> Calls
    {
        get
        {
            lock (_gate)
            {
                return [.. _calls];
            }
        }
    }

    /// <summary>The calls so far that change something or make it durable; reads, status and closes left out.</summary>
    public IReadOnlyList<FileCall> Changes =>
        [.. Calls.Where(call => call.Operation is not (FileOperation.OpenRead or FileOperation.Stat or FileOperation.List
            or FileOperation.Read or FileOperation.Close))];

    /// <summary>Forgets the calls so far.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            _calls.Clear();
        }
    }

    /// <inheritdoc/>
    protected override void Before(FileOperation operation, string path)
    {
    }

    /// <inheritdoc/>
    protected override void After(FileOperation operation, string path)
    {
        lock (_gate)
        {
            _calls.Add(new FileCall(operation, path));
        }
    }
}
