namespace Litestream.Backends.Tests.Sftp;

/// <summary>Bytes of an upload; something happens once when a position is passed.</summary>
internal sealed class SftpTestSource(byte[] content, bool seekable, int breakAt, Func<Task> action) : MemoryStream(content)
{
    private bool _done;

    public override bool CanSeek => seekable;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!_done && Position >= breakAt)
        {
            _done = true;
            await action();
        }

        return await base.ReadAsync(buffer, cancellationToken);
    }
}
