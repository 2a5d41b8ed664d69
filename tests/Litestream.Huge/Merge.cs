using Litestream.Levels;
using Litestream.Ltx;
using Litestream.State;
using Litestream.Storage;
using Microsoft.Extensions.Logging.Abstractions;

namespace Litestream.Huge;

/// <summary>The product's merge of the generated files, streamed to a store that verifies and counts.</summary>
internal static class Merge
{
    internal static async Task<string> RunAsync(Arguments arguments)
    {
        var replica = new FileReplicaClient(LocalFileSystem.Instance, arguments.Replica);
        List<LtxFileInfo> sources = await GeneratedReplica.ListAsync(replica);
        var store = new VerifyingClient(replica);
        var directory = new LocalLtxDirectory(LocalFileSystem.Instance, Path.Combine(arguments.Folder, "state"));
        var services = new EngineServices(LocalFileSystem.Instance, TimeProvider.System, NullLoggerFactory.Instance);
        var merger = new LevelMerger(store, directory, keepLocal: false, services, NullLogger.Instance);
        LtxFileInfo merged = await merger.MergeAsync(sources, 1, CancellationToken.None);
        uint expected = arguments.PageCount - (arguments.PageCount >= LtxFormat.LockPage(arguments.PageSize) ? 1u : 0u);
        return store.Pages == expected && merged.MaxTxid == sources[^1].MaxTxid
            ? $"pages={store.Pages} merged_bytes={merged.Size}"
            : throw new InvalidDataException($"the merge has {store.Pages} pages of {expected}");
    }
}
