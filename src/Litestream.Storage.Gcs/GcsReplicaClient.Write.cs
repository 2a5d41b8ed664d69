using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Litestream.Ltx;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Gcs;

/// <summary>Uploads: one request for what fits into a chunk, a resumable upload beyond (backends §4.3).</summary>
public sealed partial class GcsReplicaClient
{
    /// <inheritdoc/>
    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        GcsApi api = Api();
        string key = _keys.File(level, minTxid, maxTxid);
        string location = api.Location(key);
        LtxUploadHead head = await LtxUploadHead.ReadAsync(source, location, cancellationToken).ConfigureAwait(false);
        long began = _transport.Options.Time.GetTimestamp();
        var upload = new Upload(
            api, $"upload {location}", mode == WriteMode.CreateOnly ? "&ifGenerationMatch=0" : "",
            new GcsObject
            {
                Name = key,
                ContentType = "application/octet-stream",
                Metadata = new Dictionary<string, string> { [TimeKey] = HeaderTime.Format(head.CreatedAt) },
            });
        var parts = new PartReader(head, source, _options.ChunkSize, _options.Spool);
        bool stored = await upload.RunAsync(parts, cancellationToken).ConfigureAwait(false);
        var info = new LtxFileInfo(level, minTxid, maxTxid, parts.Tap.Length, head.CreatedAt);
        if (!stored)
        {
            await ExistingObject.RequireSameAsync(this, info, parts.Tap.Last, location, cancellationToken).ConfigureAwait(false);
        }

        ReplicaMetrics.Count(TypeName, "PUT", info.Size);
        ReplicaMetrics.Took(TypeName, "PUT", _transport.Options.Time.GetElapsedTime(began));
        return info;
    }

    /// <summary>One upload on its way.</summary>
    private sealed class Upload(GcsApi api, string what, string precondition, GcsObject target)
    {
        private Crc32C checksum;

        /// <summary>Sends everything; false if an object of that name exists and the bytes were not stored.</summary>
        public async ValueTask<bool> RunAsync(PartReader parts, CancellationToken cancellationToken)
        {
            using UploadPart first = (await parts.NextAsync(cancellationToken).ConfigureAwait(false))!;
            Note(first);
            GcsObject? stored = first.IsLast
                ? await SendWholeAsync(first, cancellationToken).ConfigureAwait(false)
                : await SendChunksAsync(first, parts, cancellationToken).ConfigureAwait(false);
            if (stored is { Crc32c: { } theirs } && theirs != checksum.ToBase64())
            {
                await RemoveDamagedAsync(stored, cancellationToken).ConfigureAwait(false);
                throw new ReplicaException($"{what}: the store has other bytes than were sent (CRC-32C {theirs}, sent {checksum.ToBase64()}); its object was removed");
            }

            return stored is not null;
        }

        private void Note(UploadPart part)
        {
            foreach (ReadOnlyMemory<byte> slice in part.Slices())
            {
                checksum.Add(slice.Span);
            }
        }

        /// <summary>multipart/related with a length: metadata, with a checksum that the store compares before it keeps anything, and the bytes.</summary>
        private ValueTask<GcsObject?> SendWholeAsync(UploadPart only, CancellationToken cancellationToken)
        {
            string boundary = "litestream-" + RandomNumberGenerator.GetHexString(32, lowercase: true);
            string json = JsonSerializer.Serialize(target with { Crc32c = checksum.ToBase64() }, GcsJson.Default.GcsObject);
            byte[] before = Encoding.UTF8.GetBytes(
                $"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json}\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n");
            byte[] after = Encoding.UTF8.GetBytes($"\r\n--{boundary}--");
            return api.SendAsync(
                what,
                () =>
                {
                    var content = new UploadContent(before, only, after);
                    content.Headers.ContentType = MediaTypeHeaderValue.Parse("multipart/related; boundary=" + boundary);
                    return new HttpRequestMessage(HttpMethod.Post, api.Upload("uploadType=multipart" + precondition)) { Content = content };
                },
                async (response, token) => response.StatusCode switch
                {
                    HttpStatusCode.OK or HttpStatusCode.Created =>
                        await GcsApi.ReadJsonAsync(what, response, GcsJson.Default.GcsObject, token).ConfigureAwait(false),
                    HttpStatusCode.PreconditionFailed => (GcsObject?)null,
                    _ => throw await api.RefusedAsync(what, "PUT", response, token).ConfigureAwait(false),
                },
                cancellationToken);
        }

        private async ValueTask<GcsObject?> SendChunksAsync(UploadPart first, PartReader parts, CancellationToken cancellationToken)
        {
            ResumableUpload? session = await ResumableUpload.BeginAsync(api, what, target, precondition, cancellationToken).ConfigureAwait(false);
            UploadPart? part = first;
            try
            {
                UploadStep step = new(null, 0, Exists: session is null);
                for (long start = 0; !step.Exists && part is not null;)
                {
                    step = await session!.SendAsync(part, start, cancellationToken).ConfigureAwait(false);
                    start += part.Length;
                    part.Dispose();
                    part = await parts.NextAsync(cancellationToken).ConfigureAwait(false);
                    if (part is not null)
                    {
                        Note(part);
                    }
                }

                // Where an object exists already the rest is only read: its end tells whether it is ours.
                part?.Dispose();
                await parts.ReadToEndAsync(cancellationToken).ConfigureAwait(false);
                return step.Stored;
            }
            finally
            {
                part?.Dispose();
                if (session is not null)
                {
                    await session.AbortAsync().ConfigureAwait(false);
                }
            }
        }

        /// <summary>Only this very generation: somebody may have replaced it since.</summary>
        private ValueTask<bool> RemoveDamagedAsync(GcsObject stored, CancellationToken cancellationToken) =>
            api.SendAsync(
                what,
                () => new HttpRequestMessage(HttpMethod.Delete, api.Object(target.Name!, "?ifGenerationMatch=" + Uri.EscapeDataString(stored.Generation ?? "0"))),
                async (response, token) => response.IsSuccessStatusCode || response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.PreconditionFailed
                    ? true : throw await api.RefusedAsync(what, "DELETE", response, token).ConfigureAwait(false),
                cancellationToken);
    }
}
