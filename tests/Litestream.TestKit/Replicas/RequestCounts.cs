namespace Litestream.TestKit.Replicas;

/// <summary>What a store would put on the bill.</summary>
/// <param name="Put">Uploads of whole objects.</param>
/// <param name="List">Listing calls: one for each page of 1,000 names, at least one a listing.</param>
/// <param name="Get">Reads of objects or ranges.</param>
/// <param name="Delete">Deletion calls: one for each batch of up to 1,000 objects.</param>
/// <param name="DeletedFiles">Objects deleted: the calls of a store without batches.</param>
/// <param name="UploadedBytes">Bytes written.</param>
/// <param name="DownloadedBytes">Bytes read.</param>
public readonly record struct RequestCounts(
    long Put, long List, long Get, long Delete, long DeletedFiles, long UploadedBytes, long DownloadedBytes)
{
    /// <summary>All requests of a store with batched deletion.</summary>
    public long Total => Put + List + Get + Delete;

    /// <summary>What came in between.</summary>
    public static RequestCounts operator -(RequestCounts left, RequestCounts right) => new(
        left.Put - right.Put, left.List - right.List, left.Get - right.Get, left.Delete - right.Delete,
        left.DeletedFiles - right.DeletedFiles, left.UploadedBytes - right.UploadedBytes, left.DownloadedBytes - right.DownloadedBytes);
}
