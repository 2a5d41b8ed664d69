using System.Net;
using System.Xml;
using Litestream.Storage.Transport;

namespace Litestream.Storage.S3.Oss;

/// <summary>Reads answers of OSS.</summary>
internal static class OssAnswer
{
    /// <summary>Code and message of a refusal; empty where the answer holds none.</summary>
    public static async ValueTask<(string Code, string Message)> ReadErrorAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        string text = await HttpTransport.ReadTextAsync(response, cancellationToken).ConfigureAwait(false);
        string code = "";
        string message = "";
        try
        {
            XmlAnswer.Walk(System.Text.Encoding.UTF8.GetBytes(text), (parent, name, value) =>
            {
                code = (parent, name) == ("Error", "Code") ? value : code;
                message = (parent, name) == ("Error", "Message") ? value : message;
            });
        }
        catch (XmlException)
        {
            // The status says enough.
        }

        return (code, message);
    }

    /// <summary>The exception for a refusal, with what to do about it.</summary>
    public static ReplicaException Refused(HttpTransport http, string what, HttpResponseMessage response, string code, string message)
    {
        string hint = code switch
        {
            "NoSuchBucket" => "; create the bucket, or correct its name or region",
            "InvalidAccessKeyId" or "SignatureDoesNotMatch" => "; check access-key-id, secret-access-key and region",
            "AccessDenied" => "; the key needs permission for this bucket and path",
            "RequestTimeTooSkewed" => "; set the clock of this machine",
            _ => "",
        };
        string detail = code.Length > 0 ? $"{code}: {message}{hint}" : "";
        return response.StatusCode == HttpStatusCode.BadRequest && code == "RequestTimeout"
            ? new ReplicaException($"{what}: {detail}", isTransient: true)
            : http.Refused(what, response, detail);
    }

    /// <summary>The exception for a refusal.</summary>
    public static async ValueTask<ReplicaException> RefusedAsync(
        HttpTransport http, string what, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        (string code, string message) = await ReadErrorAsync(response, cancellationToken).ConfigureAwait(false);
        return Refused(http, what, response, code, message);
    }

    /// <summary>Reads an XML answer. A damaged one is a failure on the way: the request is sent again.</summary>
    /// <exception cref="ReplicaException">It is damaged, or another document.</exception>
    public static async ValueTask<T> ReadAsync<T>(
        string what, HttpResponseMessage response, Func<ReadOnlyMemory<byte>, T> parse, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> body = await BoundedBody.ReadAsync(what, response.Content, cancellationToken).ConfigureAwait(false);
        try
        {
            return parse(body);
        }
        catch (Exception e) when (e is XmlException or FormatException or OverflowException)
        {
            throw new ReplicaException($"{what}: the answer cannot be read: {e.Message}", isTransient: true, e);
        }
    }

    /// <summary>A name in an answer that was asked for with <c>encoding-type=url</c>.</summary>
    public static string Decode(string text) => Uri.UnescapeDataString(text.Replace('+', ' '));
}
