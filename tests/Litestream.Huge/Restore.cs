using Litestream.Restore;
using Litestream.Storage;

namespace Litestream.Huge;

/// <summary>The product's parallel restore of the generated files into a file that checks and counts.</summary>
internal static class Restore
{
    internal static async Task<string> RunAsync(Arguments arguments)
    {
        var replica = new FileReplicaClient(LocalFileSystem.Instance, arguments.Replica);
        List<LtxFileInfo> plan = await GeneratedReplica.ListAsync(replica);
        using var output = new CheckingFile(arguments.PageSize);
        using var builder = new LtxDatabaseBuilder(replica, TimeProvider.System, plan, output, RestoreOptions.DefaultParallelism, null);
        long size = await builder.BuildAsync(CancellationToken.None);
        return $"database_bytes={size} pages_written={output.Pages}";
    }

    private sealed class CheckingFile(int pageSize) : IFile
    {
        private long _pages;

        public string Path => "/generated";

        public long Length { get; private set; }

        internal long Pages => _pages;

        public int Read(Span<byte> buffer, long offset) => throw new NotSupportedException();

        public void Write(ReadOnlySpan<byte> buffer, long offset)
        {
            for (int at = 0; at < buffer.Length; at += pageSize)
            {
                GeneratedPage.Check(buffer.Slice(at, pageSize), (uint)((offset + at) / pageSize) + 1);
            }

            Interlocked.Add(ref _pages, buffer.Length / pageSize);
        }

        public void Sync()
        {
        }

        public void StartWriteback(long offset, long length)
        {
        }

        public void SetLength(long length) => Length = length;

        public void Dispose()
        {
        }
    }
}
