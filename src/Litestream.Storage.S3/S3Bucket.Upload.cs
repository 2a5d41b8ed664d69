using System.Globalization;
using System.Net;
using Litestream.Storage.Transport;

namespace Litestream.Storage.S3;

/// <summary>Operations that store objects.</summary>
internal sealed partial class S3Bucket
{
    private const string OctetStream = "application/octet-stream";

    /// <summary>Stores an object in one request.</summary>
    /// <param name="key">Its key.</param>
    /// <param name="body">Its bytes.</param>
    /// <param name="timestamp">Value of the metadata with the header time.</param>
    /// <param name="createOnly">True refuses to replace.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="S3Exception">Refused; see <see cref="IsConflict"/>, <see cref="IsUnsupported"/>.</exception>
    public ValueTask<string> PutAsync(string key, UploadBytes body, string timestamp, bool createOnly, CancellationToken cancellationToken) => SendForTagAsync(
        new S3Request(HttpMethod.Put, key)
        {
            Headers = [("content-type", OctetStream), .. CreationHeaders(timestamp), .. Condition(createOnly)],
            Body = body,
        },
        cancellationToken);

    /// <summary>Begins a multipart upload; metadata, class and encryption belong here.</summary>
    public ValueTask<string> InitiateAsync(string key, string timestamp, CancellationToken cancellationToken) => SendForXmlAsync(
        new S3Request(HttpMethod.Post, key) { Query = [("uploads", "")], Headers = CreationHeaders(timestamp) },
        xml => MultipartDocument.ParseUploadId(xml) ?? throw new FormatException("it has no upload id"),
        cancellationToken);

    /// <summary>Stores a part and returns its entity tag.</summary>
    public ValueTask<string> UploadPartAsync(string key, string upload, int number, UploadBytes body, CancellationToken cancellationToken) => SendForTagAsync(
        new S3Request(HttpMethod.Put, key)
        {
            Query = [("partNumber", number.ToString(CultureInfo.InvariantCulture)), ("uploadId", upload)],
            Headers = [("content-type", OctetStream), .. Settings.Encryption.Customer],
            Body = body,
        },
        cancellationToken);

    /// <summary>Makes the parts an object. An error inside a 200 is a failure, an empty entity tag is not (trap T16).</summary>
    /// <exception cref="S3Exception">Refused; <c>NoSuchUpload</c> may mean that an earlier attempt succeeded.</exception>
    public ValueTask<bool> CompleteAsync(
        string key, string upload, IEnumerable<KeyValuePair<int, string>> tags, bool createOnly, CancellationToken cancellationToken) => SendForXmlAsync(
        new S3Request(HttpMethod.Post, key)
        {
            Query = [("uploadId", upload)],
            Headers = [("content-type", "application/xml"), .. Settings.Encryption.Customer, .. Condition(createOnly)],
            Body = UploadBytes.Of(MultipartDocument.Complete(tags, Namespace)),
        },
        xml =>
        {
            string root = XmlAnswer.Walk(xml, (_, _, _) => { });
            return root == "CompleteMultipartUploadResult" ? true : throw new FormatException($"it is no result of an upload but <{root}>");
        },
        cancellationToken);

    /// <summary>Throws the parts of an upload away; one that is gone is not an error.</summary>
    public async ValueTask AbortAsync(string key, string upload, CancellationToken cancellationToken)
    {
        try
        {
            await connection.SendAsync(
                new S3Request(HttpMethod.Delete, key) { Query = [("uploadId", upload)] }, (_, _) => ValueTask.FromResult(true), cancellationToken).ConfigureAwait(false);
        }
        catch (S3Exception e) when (e.Error.Status == HttpStatusCode.NotFound)
        {
            // Completed or aborted before.
        }
    }

    /// <summary>Whether an object that was to be created exists, or is being created by another (decision D35).</summary>
    public static bool IsConflict(S3Exception failure) => failure.Error.Status is HttpStatusCode.PreconditionFailed or HttpStatusCode.Conflict;

    /// <summary>Whether the server has no conditional writes.</summary>
    public static bool IsUnsupported(S3Exception failure) => failure.Error.Status is HttpStatusCode.NotImplemented || failure.Error.Code == "NotImplemented";

    private (string Name, string Value)[] CreationHeaders(string timestamp)
    {
        (string, string)[] storageClass = Settings.StorageClass.Length > 0 ? [("x-amz-storage-class", Settings.StorageClass)] : [];
        return [(TimestampHeader, timestamp), .. storageClass, .. Settings.Encryption.Write];
    }

    private static (string Name, string Value)[] Condition(bool createOnly) => createOnly ? [("if-none-match", "*")] : [];

    private ValueTask<string> SendForTagAsync(S3Request request, CancellationToken cancellationToken) => connection.SendAsync(
        request,
        (response, _) => HeaderOf(response, "ETag") is { Length: > 0 } tag
            ? ValueTask.FromResult(tag)
            : throw new ReplicaException($"{connection.Describe(request)}: s3: upload failed: no ETag returned", isTransient: false),
        cancellationToken);
}
