namespace Litestream.Storage.Sftp;

/// <summary>The right to use a connection.</summary>
internal sealed class SftpLease(SftpLaneGroup group, SftpLane lane) : IDisposable
{
    private bool _returned;

    internal SftpLane Lane => lane;

    /// <summary>Set if the connection must not be used for anything new.</summary>
    internal bool Retire { get; set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_returned)
        {
            _returned = true;
            group.Return(lane, Retire);
        }
    }
}
