using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Xml;
using Litestream.Storage.Transport;

namespace Litestream.Storage.S3;

/// <summary>The operations on one bucket that a replica needs (docs/decisions, own S3 requests).</summary>
/// <param name="connection">Signs and sends.</param>
internal sealed partial class S3Bucket(S3Connection connection)
{
    /// <summary>Name of the metadata that holds the time of the LTX header.</summary>
    public const string TimestampHeader = "x-amz-meta-litestream-timestamp";

    internal const string Type = "s3";
    internal const string Namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

    /// <summary>Where requests go.</summary>
    public S3Settings Settings => connection.Settings;

    /// <summary>An object's size and times; null if it is not there.</summary>
    public async ValueTask<ObjectHead?> HeadAsync(string key, string? version, CancellationToken cancellationToken)
    {
        var request = new S3Request(HttpMethod.Head, key) { Query = VersionQuery(version), Headers = Settings.Encryption.Customer };
        try
        {
            ObjectHead head = await connection.SendAsync(
                request,
                (response, _) => ValueTask.FromResult(new ObjectHead(
                    response.Content.Headers.ContentLength ?? -1, response.Content.Headers.LastModified, HeaderTime.Parse(HeaderOf(response, TimestampHeader)))),
                cancellationToken).ConfigureAwait(false);
            ReplicaMetrics.Count(Type, "HEAD");
            return head;
        }
        catch (S3Exception e) when (e.Error.Status == HttpStatusCode.NotFound && e.Error.Code is "" or "NoSuchKey" or "NoSuchVersion" or "NotFound")
        {
            return null;
        }
    }

    /// <summary>Opens a range of an object.</summary>
    /// <exception cref="S3Exception">The server refuses; <c>NoSuchKey</c> = it is not there.</exception>
    public async ValueTask<Stream> OpenAsync(string key, string? version, long offset, long size, CancellationToken cancellationToken)
    {
        string? range = BodyRange.Header(offset, size);
        var request = new S3Request(HttpMethod.Get, key)
        {
            Query = VersionQuery(version),
            Headers = range is null ? Settings.Encryption.Customer : [.. Settings.Encryption.Customer, ("range", range)],
        };
        Stream stream = await connection.OpenAsync(request, offset, size, cancellationToken).ConfigureAwait(false);
        ReplicaMetrics.Count(Type, "GET");
        return stream;
    }

    /// <summary>Pages of a listing, in the server's order, to its end.</summary>
    /// <param name="prefix">Prefix of the keys.</param>
    /// <param name="delimiter">Cuts keys into common prefixes; null = none.</param>
    /// <param name="startAfter">Keys up to this one are left out; null = none.</param>
    /// <param name="cancellationToken">Stops the listing.</param>
    /// <exception cref="ReplicaException">A page failed: never the end of the list (trap T19).</exception>
    public async IAsyncEnumerable<ObjectListing> ListAsync(
        string prefix, string? delimiter, string? startAfter, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? token = null;
        do
        {
            List<(string, string)> query = [("list-type", "2"), ("prefix", prefix)];
            AddIf(query, "delimiter", delimiter);
            AddIf(query, "start-after", token is null && !Settings.IsDirectoryBucket ? startAfter : null);
            AddIf(query, "continuation-token", token);
            ObjectListing page = await SendForXmlAsync(new S3Request(HttpMethod.Get, null) { Query = query }, ObjectListing.Parse, cancellationToken).ConfigureAwait(false);
            ReplicaMetrics.Count(Type, "LIST");
            RequireProgress(token, page.NextToken);
            token = page.NextToken;
            yield return page;
        }
        while (token is not null);
    }

    /// <summary>Deletes objects in batches of 1000. Missing ones are not an error; behind a failed batch nothing is sent (trap T13).</summary>
    /// <exception cref="ReplicaException">Some were not deleted; the message names them.</exception>
    public async ValueTask DeleteManyAsync(IEnumerable<string> keys, bool quiet, CancellationToken cancellationToken)
    {
        foreach (string[] batch in keys.Chunk(DeleteDocument.MaxKeys))
        {
            long began = connection.Options.Time.GetTimestamp();
            byte[] body = DeleteDocument.Create(batch, quiet, Namespace);
            List<(string, string)> headers = [("content-type", "application/xml"), ("x-amz-checksum-crc32", Crc32.Base64(body))];
            if (Settings.ContentMd5)
            {
#pragma warning disable CA5351 // The protocol says MD5; it guards against damage on the way, not against an attacker.
                headers.Add(("content-md5", Convert.ToBase64String(MD5.HashData(body))));
#pragma warning restore CA5351
            }

            var request = new S3Request(HttpMethod.Post, null) { Query = [("delete", "")], Headers = headers, Body = UploadBytes.Of(body) };
            int deleted = await SendForXmlAsync(request, xml => RequireDeleted(batch.Length, DeleteDocument.Parse(xml)), cancellationToken).ConfigureAwait(false);
            ReplicaMetrics.Count(Type, "DELETE", count: quiet ? batch.Length : deleted);
            ReplicaMetrics.Took(Type, "DELETE", connection.Options.Time.GetElapsedTime(began));
        }
    }

    /// <summary>The region of the bucket (trap T33).</summary>
    public ValueTask<string> GetLocationAsync(CancellationToken cancellationToken) => SendForXmlAsync(
        new S3Request(HttpMethod.Get, null) { Query = [("location", "")] },
        xml =>
        {
            string region = "";
            string root = XmlAnswer.Walk(xml, (_, name, text) => region = name == "LocationConstraint" ? text : region);
            return root != "LocationConstraint" ? throw new FormatException($"the answer is no location but <{root}>")
                : region switch { "" => "us-east-1", "EU" => "eu-west-1", _ => region };
        },
        cancellationToken);

    internal static string? HeaderOf(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? values.First() : null;

    private static IReadOnlyList<(string, string)> VersionQuery(string? version) => version is null ? [] : [("versionId", version)];

    private static void AddIf(List<(string, string)> list, string name, string? value)
    {
        if (value is not null)
        {
            list.Add((name, value));
        }
    }

    private void RequireProgress(string? token, string? next)
    {
        if (token is not null && token == next)
        {
            throw new ReplicaException($"s3 list {Settings.Bucket}: the server gives the same page for ever", isTransient: false);
        }
    }

    private static int RequireDeleted(int count, (int Deleted, IReadOnlyList<DeleteFailure> Failures) result)
    {
        if (result.Failures.Count == 0)
        {
            return result.Deleted;
        }

        foreach (DeleteFailure failure in result.Failures)
        {
            ReplicaMetrics.Failed(Type, "DELETE", failure.Code);
        }

        throw new ReplicaException(
            string.Create(CultureInfo.InvariantCulture, $"failed to delete files: {result.Failures.Count} of {count}")
            + string.Concat(result.Failures.Select(failure => $"\n{failure.Key}: {failure.Code} {failure.Message}")),
            isTransient: result.Failures.All(failure => S3Error.IsTransientCode(failure.Code)));
    }

    /// <summary>Sends a request and reads its answer; a damaged document is tried again, an error document inside a 200 is a failure.</summary>
    private ValueTask<T> SendForXmlAsync<T>(S3Request request, Func<ReadOnlyMemory<byte>, T> parse, CancellationToken cancellationToken) => connection.SendAsync(
        request,
        async (response, token) =>
        {
            string what = connection.Describe(request);
            ReadOnlyMemory<byte> xml = await BoundedBody.ReadAsync(what, response.Content, token).ConfigureAwait(false);
            RequireNoError(what, response, xml);
            try
            {
                return parse(xml);
            }
            catch (Exception e) when (e is XmlException or FormatException or OverflowException)
            {
                throw new ReplicaException($"{what}: the answer is damaged: {e.Message}", isTransient: true, e);
            }
        },
        cancellationToken);

    private void RequireNoError(string what, HttpResponseMessage response, ReadOnlyMemory<byte> xml)
    {
        bool isError = false;
        try
        {
            isError = xml.Span.IndexOf("<Error"u8) >= 0 && XmlAnswer.Walk(xml, (_, _, _) => { }) == "Error";
        }
        catch (XmlException)
        {
            // Whoever parses it says so.
        }

        if (isError)
        {
            // A server that has answered 200 already can only fail for itself.
            S3Error error = S3Error.Parse(response, xml);
            throw connection.Refused(what, response, error with { Status = error.Code is "PreconditionFailed" ? HttpStatusCode.PreconditionFailed : HttpStatusCode.InternalServerError });
        }
    }
}
