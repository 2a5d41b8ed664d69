using System.Runtime.InteropServices;
using System.Text;
using Litestream.Sqlite.Interop;

namespace Litestream.Sqlite;

/// <summary>
/// Tells the owners of databases that their WAL changed: one kernel queue and one blocked thread for the whole process, however
/// many databases there are. Where it does not work (another system, kernel limits) callers poll.
/// </summary>
/// <remarks>
/// Watches are one-shot. Between its event and the next <see cref="NotifierHandle.Arm"/> a database costs nothing. A full kernel
/// queue loses events, and the kernel says so: then every callback is called (trap C11).
/// </remarks>
public sealed unsafe class ChangeNotifier : IDisposable
{
    private const uint FileMask = Inotify.Modify | Inotify.Attributes | Inotify.MoveSelf | Inotify.DeleteSelf | Inotify.OneShot;

    // One mask for both uses of a directory: asking again for a watched directory replaces the mask of its watch.
    private const uint DirectoryMask = Inotify.Create | Inotify.MovedTo | Inotify.Delete | Inotify.MovedFrom
        | Inotify.DeleteSelf | Inotify.MoveSelf | Inotify.OnlyDirectory;

    private const uint DirectoryEnded = Inotify.DeleteSelf | Inotify.MoveSelf | Inotify.Unmounted | Inotify.Ignored;
    private const int BufferSize = 16 * 1024;

    // Guards everything below. Held over "add watch and note it", so that the reader never meets a watch it does not know.
    private readonly Lock _gate = new();
    private readonly HashSet<NotifierHandle> _handles = [];
    private readonly HashSet<DirectoryListener> _listeners = [];
    private readonly Dictionary<int, NotifierHandle> _files = [];
    private readonly Dictionary<int, DirectoryWatch> _directories = [];
    private readonly int _queue = -1;
    private readonly int _stop = -1;
    private readonly Thread? _reader;
    private bool _disposed;

    /// <summary>Opens the queue and starts its thread, or finds out why that does not work.</summary>
    public ChangeNotifier()
    {
        if (!OperatingSystem.IsLinux())
        {
            UnsupportedReason = "file notification is implemented for Linux only";
            return;
        }

        _queue = Inotify.CreateQueue();
        _stop = _queue < 0 ? -1 : Inotify.CreateEvent();
        if (_stop < 0)
        {
            UnsupportedReason = $"inotify is not available: {Marshal.GetLastPInvokeErrorMessage()} (see fs.inotify.max_user_instances)";
            CloseDescriptors();
            return;
        }

        IsSupported = true;
        _reader = new Thread(ReadLoop, maxStackSize: 256 * 1024) { IsBackground = true, Name = "litestream inotify" };
        _reader.Start();
    }

    /// <summary>Whether notification works here. When not, no callback is ever called.</summary>
    public bool IsSupported { get; }

    /// <summary>Why it does not work; null when it does.</summary>
    public string? UnsupportedReason { get; }

    /// <summary>Adds a WAL file, which need not exist. Nothing is watched before <see cref="NotifierHandle.Arm"/>.</summary>
    /// <param name="walPath">Absolute path of the <c>-wal</c> file.</param>
    /// <param name="onChange">Called on the notifier's own thread; must return at once and not throw.</param>
    public NotifierHandle Register(string walPath, Action onChange)
    {
        ArgumentException.ThrowIfNullOrEmpty(walPath);
        ArgumentNullException.ThrowIfNull(onChange);
        return Add(new NotifierHandle(this, walPath, onChange));
    }

    /// <summary>
    /// Adds a directory in which files appear, complete, by being renamed or linked to their names. When it is missing at
    /// <see cref="NotifierHandle.Arm"/>, see <see cref="NotifierHandle.Problem"/>: poll and arm again.
    /// </summary>
    /// <param name="directory">Absolute path of the directory.</param>
    /// <param name="suffix">End of the names that count; empty = all.</param>
    /// <param name="onChange">Called on the notifier's own thread; must return at once and not throw.</param>
    public NotifierHandle RegisterDirectory(string directory, string suffix, Action onChange)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(suffix);
        ArgumentNullException.ThrowIfNull(onChange);
        return Add(new NotifierHandle(this, $"{directory}/{suffix}", onChange) { NameSuffix = suffix });
    }

    private NotifierHandle Add(NotifierHandle handle)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _handles.Add(handle);
        }

        return handle;
    }

    /// <summary>Listens to names that come and go in a directory, from now on: list it afterwards, and nothing falls in between.</summary>
    /// <param name="directory">Absolute path.</param>
    /// <param name="onChange">Called on the notifier's own thread; must return at once and not throw.</param>
    public DirectoryListener Listen(string directory, Action<DirectoryListener, DirectoryChange> onChange)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(onChange);
        var listener = new DirectoryListener(this, directory, onChange) { Problem = UnsupportedReason };
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!IsSupported)
            {
                return listener;
            }

            int watch = Inotify.AddWatch(_queue, directory, DirectoryMask);
            int error = Marshal.GetLastPInvokeError();
            if (watch >= 0)
            {
                listener.Watch = WatchOf(watch);
                listener.Watch.Listeners.Add(listener);
                _listeners.Add(listener);
            }
            else if (error is not (Inotify.NoSuchFile or Inotify.NotADirectory))
            {
                listener.Problem = $"cannot watch {directory}: {Marshal.GetPInvokeErrorMessage(error)} (see fs.inotify.max_user_watches)";
            }
        }

        return listener;
    }

    /// <summary>Stops the thread and closes the queue. Handles stay usable as objects but report nothing any more.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }

            _disposed = true;
        }

        if (IsSupported)
        {
            ulong one = 1;
            _ = Inotify.Write(_stop, (byte*)&one, sizeof(ulong));
            if (Thread.CurrentThread != _reader)
            {
                _reader!.Join();
            }

            CloseDescriptors();
        }
    }

    internal bool Arm(NotifierHandle handle)
    {
        lock (_gate)
        {
            handle.Problem = UnsupportedReason;
            if (!IsSupported || _disposed)
            {
                return false;
            }

            if (handle.NameSuffix is not null)
            {
                return WaitInDirectory(handle);
            }

            int watch = Inotify.AddWatch(_queue, handle.WalPath, FileMask);
            if (watch >= 0)
            {
                StopWaitingForFile(handle);
                Attach(handle, watch);
                return true;
            }

            int error = Marshal.GetLastPInvokeError();
            Detach(handle);
            if (error is Inotify.NoSuchFile or Inotify.NotADirectory)
            {
                return WaitForFile(handle);
            }

            handle.Problem = $"cannot watch {handle.WalPath}: {Marshal.GetPInvokeErrorMessage(error)} (see fs.inotify.max_user_watches)";
            return false;
        }
    }

    internal void Unregister(NotifierHandle handle)
    {
        lock (_gate)
        {
            _handles.Remove(handle);
            Detach(handle);
            StopWaitingForFile(handle);
        }
    }

    internal void Unregister(DirectoryListener listener)
    {
        lock (_gate)
        {
            _listeners.Remove(listener);
            StopListening(listener);
        }
    }

    /// <summary>Takes events as the kernel writes them; a separate step so that tests can play any sequence.</summary>
    internal void Dispatch(ReadOnlySpan<byte> events)
    {
        var changed = new List<NotifierHandle>();
        var heard = new List<(DirectoryListener Listener, DirectoryChange Change)>();
        lock (_gate)
        {
            while (events.Length >= Inotify.EventHeaderSize)
            {
                int watch = MemoryMarshal.Read<int>(events);
                uint mask = MemoryMarshal.Read<uint>(events[4..]);
                int nameLength = MemoryMarshal.Read<int>(events[12..]);
                ReadOnlySpan<byte> name = events.Slice(Inotify.EventHeaderSize, nameLength);
                events = events[(Inotify.EventHeaderSize + nameLength)..];
                if ((mask & Inotify.QueueOverflow) != 0)
                {
                    TakeAll(changed);
                    heard.AddRange(_listeners.Select(static listener => (listener, new DirectoryChange(DirectoryChangeKind.Lost, "", false))));
                }
                else if (_files.ContainsKey(watch))
                {
                    // Also for IN_IGNORED: an Arm between the kernel's event and its removal of the one-shot watch got the
                    // dying watch back. Reporting a change makes the owner arm again.
                    TakeFile(watch, changed);
                }
                else if (_directories.TryGetValue(watch, out DirectoryWatch? directory))
                {
                    string file = NameOf(name);
                    Hear(directory, mask, file, heard);
                    TakeDirectory(directory, file, changed);
                }
            }
        }

        foreach (NotifierHandle handle in changed)
        {
            handle.Notify();
        }

        foreach ((DirectoryListener listener, DirectoryChange change) in heard)
        {
            listener.Notify(change);
        }
    }

    private static string NameOf(ReadOnlySpan<byte> padded)
    {
        int end = padded.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? padded : padded[..end]);
    }

    private void Hear(DirectoryWatch directory, uint mask, string name, List<(DirectoryListener, DirectoryChange)> heard)
    {
        if (directory.Listeners.Count == 0)
        {
            return;
        }

        bool ended = (mask & DirectoryEnded) != 0;
        var change = new DirectoryChange(
            ended ? DirectoryChangeKind.Ended
                : (mask & (Inotify.Create | Inotify.MovedTo)) != 0 ? DirectoryChangeKind.Appeared : DirectoryChangeKind.Disappeared,
            name,
            (mask & Inotify.IsDirectory) != 0);
        heard.AddRange(directory.Listeners.Select(listener => (listener, change)));
        foreach (DirectoryListener listener in ended ? directory.Listeners.ToArray() : [])
        {
            StopListening(listener);
        }
    }

    private void StopListening(DirectoryListener listener)
    {
        if (listener.Watch is { } watch)
        {
            listener.Watch = null;
            watch.Listeners.Remove(listener);
            DropIfUnused(watch);
        }
    }

    private DirectoryWatch WatchOf(int number)
    {
        if (!_directories.TryGetValue(number, out DirectoryWatch? directory))
        {
            directory = new DirectoryWatch(number);
            _directories.Add(number, directory);
        }

        return directory;
    }

    private void DropIfUnused(DirectoryWatch directory)
    {
        if (directory.IsUnused && _directories.Remove(directory.Watch))
        {
            _ = Inotify.RemoveWatch(_queue, directory.Watch);
        }
    }

    private void ReadLoop()
    {
        byte* buffer = (byte*)NativeMemory.Alloc(BufferSize);
        Inotify.PollFd* wait = stackalloc Inotify.PollFd[2];
        wait[0] = new Inotify.PollFd { Descriptor = _queue, Events = Inotify.PollIn };
        wait[1] = new Inotify.PollFd { Descriptor = _stop, Events = Inotify.PollIn };
        while (true)
        {
            int ready = Inotify.Poll(wait, 2, -1);
            if (ready < 0 && Marshal.GetLastPInvokeError() != Inotify.Interrupted)
            {
                throw new InvalidOperationException($"waiting for file notification failed: {Marshal.GetLastPInvokeErrorMessage()}");
            }

            if (wait[1].Returned != 0)
            {
                break;
            }

            nint length = Inotify.Read(_queue, buffer, BufferSize);
            if (length > 0)
            {
                Dispatch(new ReadOnlySpan<byte>(buffer, (int)length));
            }
        }

        NativeMemory.Free(buffer);
    }

    private void TakeFile(int watch, List<NotifierHandle> changed)
    {
        _files.Remove(watch, out NotifierHandle? handle);
        while (handle is not null)
        {
            NotifierHandle? next = handle.NextOnWatch;
            handle.NextOnWatch = null;
            handle.Watch = -1;
            changed.Add(handle);
            handle = next;
        }
    }

    private void TakeDirectory(DirectoryWatch directory, string name, List<NotifierHandle> changed)
    {
        // Without a name the directory itself was deleted, moved or is no longer watched.
        int before = changed.Count;
        changed.AddRange(directory.Waiting.Where(handle => name.Length == 0 || handle.Awaits(name)));
        for (int i = before; i < changed.Count; i++)
        {
            StopWaitingForFile(changed[i]);
        }
    }

    private void TakeAll(List<NotifierHandle> changed)
    {
        foreach (NotifierHandle handle in _handles)
        {
            Detach(handle);
            StopWaitingForFile(handle);
        }

        changed.Clear();
        changed.AddRange(_handles);
    }

    private void Attach(NotifierHandle handle, int watch)
    {
        if (handle.Watch == watch)
        {
            return;
        }

        Detach(handle);
        handle.Watch = watch;
        handle.NextOnWatch = _files.GetValueOrDefault(watch);
        _files[watch] = handle;
    }

    private void Detach(NotifierHandle handle)
    {
        if (handle.Watch < 0)
        {
            return;
        }

        int watch = handle.Watch;
        NotifierHandle? rest = Without(_files[watch], handle);
        handle.Watch = -1;
        handle.NextOnWatch = null;
        if (rest is null)
        {
            _files.Remove(watch);
            _ = Inotify.RemoveWatch(_queue, watch);
        }
        else
        {
            _files[watch] = rest;
        }
    }

    private static NotifierHandle? Without(NotifierHandle first, NotifierHandle handle)
    {
        if (first == handle)
        {
            return handle.NextOnWatch;
        }

        NotifierHandle previous = first;
        while (previous.NextOnWatch != handle)
        {
            previous = previous.NextOnWatch!;
        }

        previous.NextOnWatch = handle.NextOnWatch;
        return first;
    }

    private bool WaitForFile(NotifierHandle handle)
    {
        if (!WaitInDirectory(handle))
        {
            return false;
        }

        // Created between the two calls? Then the file watch is what the caller wants.
        int file = Inotify.AddWatch(_queue, handle.WalPath, FileMask);
        if (file < 0)
        {
            return false;
        }

        StopWaitingForFile(handle);
        Attach(handle, file);
        return true;
    }

    private bool WaitInDirectory(NotifierHandle handle)
    {
        // Asked for again each time: a directory that was replaced has a new watch, an unchanged one gives the same.
        int watch = Inotify.AddWatch(_queue, handle.Directory, DirectoryMask);
        if (watch < 0)
        {
            handle.Problem = $"cannot watch {handle.Directory}: {Marshal.GetLastPInvokeErrorMessage()}";
            StopWaitingForFile(handle);
            return false;
        }

        if (handle.Waiting?.Watch != watch)
        {
            StopWaitingForFile(handle);
            DirectoryWatch directory = WatchOf(watch);
            directory.Waiting.Add(handle);
            handle.Waiting = directory;
        }

        return true;
    }

    private void StopWaitingForFile(NotifierHandle handle)
    {
        DirectoryWatch? directory = handle.Waiting;
        if (directory is null)
        {
            return;
        }

        handle.Waiting = null;
        directory.Waiting.Remove(handle);
        DropIfUnused(directory);
    }

    private void CloseDescriptors()
    {
        foreach (int descriptor in (ReadOnlySpan<int>)[_queue, _stop])
        {
            if (descriptor >= 0)
            {
                _ = Inotify.Close(descriptor);
            }
        }
    }
}
