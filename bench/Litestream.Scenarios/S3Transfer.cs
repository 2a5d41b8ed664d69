using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Litestream.Scenarios;

/// <summary>
/// Plain transfers to compare with: signed requests, handed to the probe, which has nothing else to do than to move bytes. Bodies are
/// not hashed.
/// </summary>
internal sealed class S3Transfer(Probe probe, int port, string folder)
{
    /// <summary>Ranges of a download, as the AWS command line cuts them.</summary>
    private const long RangeSize = 8 << 20;

    private const string Unsigned = "UNSIGNED-PAYLOAD";

    private string ListPath => Path.Combine(folder, "pieces");

    /// <summary>Downloads objects by ranges into one file, one behind the other, and syncs it.</summary>
    /// <param name="objects">The objects.</param>
    /// <param name="output">The file.</param>
    /// <param name="connections">Ranges at a time.</param>
    /// <param name="stretch">Bytes that are written for each byte that comes.</param>
    /// <param name="isCut">False = each object with one request.</param>
    public Task<CommandCost> DownloadAsync(IReadOnlyList<(string Key, long Size)> objects, string output, int connections, double stretch, bool isCut = true)
    {
        var pieces = new List<(long, long, string)>();
        long at = 0;
        foreach ((string key, long size) in objects)
        {
            long step = isCut ? RangeSize : size;
            for (long from = 0; from < size; from += step)
            {
                long length = Math.Min(step, size - from);
                pieces.Add((at + from, length, Head("GET", key, "", $"Range: bytes={from}-{from + length - 1}\r\n")));
            }

            at += size;
        }

        WriteList(pieces);
        return probe.MeasureAsync(probe.Transfer("get", port, ListPath, output, connections, stretch));
    }

    /// <summary>Uploads a file in parts.</summary>
    /// <param name="file">The file.</param>
    /// <param name="key">Its key.</param>
    /// <param name="partSize">Bytes of a part.</param>
    /// <param name="connections">Parts at a time.</param>
    /// <returns>Milliseconds of the whole upload.</returns>
    public async Task<double> UploadAsync(string file, string key, long partSize, int connections)
    {
        string[] tags = Tags(file, partSize);
        using var client = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{port}") };
        long size = new FileInfo(file).Length;
        long began = System.Diagnostics.Stopwatch.GetTimestamp();
        string begun = await SendAsync(client, key, "uploads=", "");
        string upload = Uri.EscapeDataString(begun.Split("<UploadId>")[1].Split('<')[0]);
        WriteList([.. Enumerable.Range(0, tags.Length).Select(i =>
        {
            long length = Math.Min(partSize, size - (i * partSize));
            return (i * partSize, length, Head("PUT", key, $"partNumber={i + 1}&uploadId={upload}", $"Content-Length: {length}\r\n"));
        })]);
        await probe.MeasureAsync(probe.Transfer("put", port, ListPath, file, connections, 1));
        string parts = string.Concat(tags.Select((tag, i) => $"<Part><PartNumber>{i + 1}</PartNumber><ETag>{tag}</ETag></Part>"));
        await SendAsync(client, key, $"uploadId={upload}", $"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        return System.Diagnostics.Stopwatch.GetElapsedTime(began).TotalMilliseconds;
    }

    private static string[] Tags(string file, long partSize)
    {
        using FileStream stream = File.OpenRead(file);
        byte[] part = new byte[partSize];
        var tags = new List<string>();
        for (int count; (count = stream.ReadAtLeast(part, part.Length, throwOnEndOfStream: false)) > 0;)
        {
#pragma warning disable CA5351 // What the store calls a part's entity tag.
            tags.Add(Convert.ToHexStringLower(MD5.HashData(part.AsSpan(0, count))));
#pragma warning restore CA5351
        }

        return [.. tags];
    }

    private async Task<string> SendAsync(HttpClient client, string key, string query, string body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/{S3Store.Bucket}/{key}?{query}") { Content = new StringContent(body) };
        foreach ((string name, string value) in Sign("POST", key, query))
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        using HttpResponseMessage response = await client.SendAsync(request);
        string text = await response.Content.ReadAsStringAsync();
        return response.IsSuccessStatusCode ? text : throw new InvalidOperationException($"{query}: {text}");
    }

    private string Head(string method, string key, string query, string extra) =>
        $"{method} /{S3Store.Bucket}/{key}{(query.Length > 0 ? "?" : "")}{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{extra}"
        + string.Concat(Sign(method, key, query).Select(header => $"{header.Name}: {header.Value}\r\n")) + "\r\n";

    /// <param name="method">Method.</param>
    /// <param name="key">Object.</param>
    /// <param name="query">Encoded and in the order of its names.</param>
    private (string Name, string Value)[] Sign(string method, string key, string query)
    {
        string now = DateTime.UtcNow.ToString("yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture);
        string scope = $"{now[..8]}/us-east-1/s3/aws4_request";
        const string Names = "host;x-amz-content-sha256;x-amz-date";
        string canonical = $"{method}\n/{S3Store.Bucket}/{key}\n{query}\nhost:127.0.0.1:{port}\nx-amz-content-sha256:{Unsigned}\nx-amz-date:{now}\n\n{Names}\n{Unsigned}";
        string text = $"AWS4-HMAC-SHA256\n{now}\n{scope}\n{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical)))}";
        byte[] secret = scope.Split('/').Aggregate(Encoding.UTF8.GetBytes("AWS4" + S3Store.Secret), (part, word) => HMACSHA256.HashData(part, Encoding.UTF8.GetBytes(word)));
        string signature = Convert.ToHexStringLower(HMACSHA256.HashData(secret, Encoding.UTF8.GetBytes(text)));
        return
        [
            ("x-amz-date", now), ("x-amz-content-sha256", Unsigned),
            ("Authorization", $"AWS4-HMAC-SHA256 Credential={S3Store.AccessKey}/{scope}, SignedHeaders={Names}, Signature={signature}"),
        ];
    }

    private void WriteList(IReadOnlyList<(long Offset, long Length, string Head)> pieces)
    {
        using FileStream list = File.Create(ListPath);
        foreach ((long offset, long length, string head) in pieces)
        {
            list.Write(Encoding.ASCII.GetBytes($"{offset} {length} {head.Length}\n{head}"));
        }
    }
}
