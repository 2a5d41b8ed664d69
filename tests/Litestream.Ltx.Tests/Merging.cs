namespace Litestream.Ltx.Tests;

/// <summary>Merges, decodes and applies files in memory.</summary>
internal static class Merging
{
    internal static async Task<byte[]> MergeAsync(IEnumerable<byte[]> files, LtxMergeOptions? options = null)
    {
        var output = new MemoryStream();
        await MergeAsync(files, output, options);
        return output.ToArray();
    }

    internal static async Task<LtxMergeResult> MergeAsync(IEnumerable<byte[]> files, Stream output, LtxMergeOptions? options = null)
    {
        LtxReader[] readers = Open(files);
        LtxMergeResult result = await LtxMerger.MergeAsync(readers, output, options);
        Assert.Equal(output.Length, result.Size);
        return result;
    }

    internal static LtxReader[] Open(IEnumerable<byte[]> files) =>
        [.. files.Select((f, i) => new LtxReader(new ChunkedStream(f, 4000), $"input {i}", bufferSize: 1024))];

    internal static async Task<byte[]> DecodeAsync(params byte[][] files)
    {
        var database = new MemoryDatabase();
        await LtxSnapshot.DecodeAsync(new LtxMergeReader(Open(files)), database);
        Assert.True(database.IsComplete);
        return database.Bytes;
    }

    internal static async Task<byte[]> ApplyAsync(byte[] database, int pageSize, params byte[][] files)
    {
        var store = new MemoryDatabase { Bytes = database, PageSize = database.Length == 0 ? 0 : pageSize };
        foreach (byte[] file in files)
        {
            await LtxApply.ApplyAsync(new MemoryStream(file), store);
        }

        return store.Bytes;
    }

    internal static async Task<LtxErrorKind> FailureAsync(Func<Task> action) =>
        (await Assert.ThrowsAsync<LtxException>(action)).Kind;
}
