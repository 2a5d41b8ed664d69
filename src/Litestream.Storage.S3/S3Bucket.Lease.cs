using System.Net;
using Litestream.Storage.Transport;

namespace Litestream.Storage.S3;

/// <summary>Operations on one small object with conditions, for leases.</summary>
internal sealed partial class S3Bucket
{
    /// <summary>Content and entity tag of a small object; null if it is not there.</summary>
    public async ValueTask<(ReadOnlyMemory<byte> Content, string Tag)?> GetSmallAsync(string key, CancellationToken cancellationToken)
    {
        var request = new S3Request(HttpMethod.Get, key) { Headers = Settings.Encryption.Customer };
        try
        {
            return await connection.SendAsync(
                request,
                async (response, token) => (await BoundedBody.ReadAsync(connection.Describe(request), response.Content, token).ConfigureAwait(false), HeaderOf(response, "ETag") ?? ""),
                cancellationToken).ConfigureAwait(false);
        }
        catch (S3Exception e) when (e.Error.Code is "NoSuchKey" or "NotFound" or "404")
        {
            return null;
        }
    }

    /// <summary>Stores a small JSON object under a condition and returns its entity tag.</summary>
    /// <param name="key">Its key.</param>
    /// <param name="json">Its content.</param>
    /// <param name="expectedTag">Entity tag that the stored object must have; null = there must be none.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="S3Exception">Refused; see <see cref="IsConflict"/>.</exception>
    public ValueTask<string> PutSmallAsync(string key, ReadOnlyMemory<byte> json, string? expectedTag, CancellationToken cancellationToken) => SendForTagAsync(
        new S3Request(HttpMethod.Put, key)
        {
            Headers = [("content-type", "application/json"), expectedTag is null ? ("if-none-match", "*") : ("if-match", expectedTag), .. Settings.Encryption.Write],
            Body = UploadBytes.Of(json),
        },
        cancellationToken);

    /// <summary>Deletes an object if it is still the expected one.</summary>
    /// <returns>False if the server knows that there is none.</returns>
    /// <exception cref="S3Exception">Refused; see <see cref="IsConflict"/>.</exception>
    public async ValueTask<bool> DeleteSmallAsync(string key, string expectedTag, CancellationToken cancellationToken)
    {
        try
        {
            return await connection.SendAsync(
                new S3Request(HttpMethod.Delete, key) { Headers = [("if-match", expectedTag)] }, (_, _) => ValueTask.FromResult(true), cancellationToken).ConfigureAwait(false);
        }
        catch (S3Exception e) when (e.Error.Status == HttpStatusCode.NotFound && e.Error.Code is "NoSuchKey" or "NotFound" or "404")
        {
            return false;
        }
    }
}
