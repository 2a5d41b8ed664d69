using Litestream.Storage;

namespace Litestream.TestKit.Files;

/// <summary>A file system whose n-th call of a kind fails, and that counts calls.</summary>
public sealed class FaultyFileSystem(IFileSystem inner) : InterceptingFileSystem(inner)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<FileOperation, int> _counts = [];
    private readonly List<Fault> _faults = [];
    private int _open;

    /// <summary>Files open right now.</summary>
    public int OpenFiles => _open;

    /// <summary>The greatest number of files that were open at the same time (trap P24).</summary>
    public int MostOpenFiles { get; private set; }

    /// <summary>Calls of one kind so far, failed ones included.</summary>
    public int Count(FileOperation operation)
    {
        lock (_gate)
        {
            return _counts.GetValueOrDefault(operation);
        }
    }

    /// <summary>Makes a later call fail before it has any effect.</summary>
    /// <param name="operation">Kind of call.</param>
    /// <param name="number">1 = the next call of this kind whose path ends with <paramref name="pathSuffix"/>.</param>
    /// <param name="failure">Makes the exception from the path; null = an input/output error.</param>
    /// <param name="pathSuffix">Only paths that end so are counted; null = all.</param>
    /// <param name="count">How many calls in a row fail.</param>
    public void Fail(
        FileOperation operation, int number = 1, Func<string, Exception>? failure = null, string? pathSuffix = null, int count = 1)
    {
        lock (_gate)
        {
            _faults.Add(new Fault(operation, pathSuffix, failure ?? (path => new IOException($"{operation} {path}: input/output error")))
            {
                Skip = number - 1,
                Left = count,
            });
        }
    }

    /// <summary>From the given write on, the disk is full until <see cref="Repair"/>.</summary>
    public void FillDisk(int writesLeft = 0)
    {
        Fail(FileOperation.Write, writesLeft + 1, path => new DiskFullException(path), count: int.MaxValue);
        if (writesLeft == 0)
        {
            Fail(FileOperation.Create, 1, path => new DiskFullException(path), count: int.MaxValue);
        }
    }

    /// <summary>Forgets all planned faults.</summary>
    public void Repair()
    {
        lock (_gate)
        {
            _faults.Clear();
        }
    }

    /// <inheritdoc/>
    protected override void Before(FileOperation operation, string path)
    {
        lock (_gate)
        {
            _counts[operation] = _counts.GetValueOrDefault(operation) + 1;
            foreach (Fault fault in _faults)
            {
                if (fault.Operation != operation || (fault.Suffix is { } suffix && !path.EndsWith(suffix, StringComparison.Ordinal)))
                {
                    continue;
                }

                if (fault.Skip > 0)
                {
                    fault.Skip--;
                }
                else if (fault.Left > 0)
                {
                    fault.Left--;
                    throw fault.Failure(path);
                }
            }
        }
    }

    /// <inheritdoc/>
    protected override void After(FileOperation operation, string path)
    {
        lock (_gate)
        {
            _open += operation switch
            {
                FileOperation.OpenRead or FileOperation.Create => 1,
                FileOperation.Close => -1,
                _ => 0,
            };
            MostOpenFiles = Math.Max(MostOpenFiles, _open);
        }
    }

    private sealed class Fault(FileOperation operation, string? suffix, Func<string, Exception> failure)
    {
        internal FileOperation Operation { get; } = operation;

        internal string? Suffix { get; } = suffix;

        internal Func<string, Exception> Failure { get; } = failure;

        internal int Skip { get; set; }

        internal int Left { get; set; }
    }
}
