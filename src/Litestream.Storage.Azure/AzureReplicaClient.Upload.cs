using System.Buffers.Binary;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Azure.Core;
using Litestream.Ltx;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Azure;

/// <summary>Writing: one request for a small file, else blocks and a list that makes them visible at once.</summary>
public sealed partial class AzureReplicaClient
{
    private const string ContentType = "application/octet-stream";

    // Limit of the service.
    private const int MaxBlocks = 50_000;

    // What the bound of a source may need: an encoder knows its pages only roughly.
    private const int PlannedBlocks = 45_000;

    /// <summary>Bytes of a block id. Upstream's length: the ids of one blob must have equal lengths, those of a broken upload of last week included.</summary>
    private const int BlockIdSize = 64;

    private const int BlockIdPrefixSize = 16;

    /// <inheritdoc/>
    public async ValueTask<LtxFileInfo> WriteAsync(
        int level, Txid minTxid, Txid maxTxid, Stream source, WriteMode mode, CancellationToken cancellationToken)
    {
        await InitializeAsync(cancellationToken).ConfigureAwait(false);
        string key = _keys.File(level, minTxid, maxTxid);
        LtxUploadHead head = await LtxUploadHead.ReadAsync(source, Location(key), cancellationToken).ConfigureAwait(false);
        long blockSize = UploadPartSize.For(_options.BlockSize ?? AzureOptions.DefaultBlockSize, source, head.Bytes.Length, PlannedBlocks);
        var parts = new PartReader(head, source, blockSize, _options.Spool);
        UploadPart first = (await parts.NextAsync(cancellationToken).ConfigureAwait(false))!;
        long began = _transport.Options.Time.GetTimestamp();
        bool created = first.IsLast
            ? await PutBlobAsync(key, head, first, mode, cancellationToken).ConfigureAwait(false)
            : await PutBlocksAsync(key, head, parts, first, blockSize, mode, cancellationToken).ConfigureAwait(false);
        ReplicaMetrics.Took(Type, "PUT", _transport.Options.Time.GetElapsedTime(began));
        var file = new LtxFileInfo(level, minTxid, maxTxid, parts.Tap.Length, head.CreatedAt);
        if (!created)
        {
            await RequireOwnAsync(file, parts.Tap, key, cancellationToken).ConfigureAwait(false);
        }

        return file;
    }

    private async ValueTask<bool> PutBlobAsync(
        string key, LtxUploadHead head, UploadPart only, WriteMode mode, CancellationToken cancellationToken)
    {
        using (only)
        {
            var request = new AzureRequest($"write {Location(key)}", "PUT", RequestMethod.Put, BlobUrl(key))
            {
                Headers = [("x-ms-blob-type", "BlockBlob"), ("Content-Type", ContentType), .. Properties(head, mode)],
                Body = only,
            };
            return await PutAsync(request, mode, cancellationToken).ConfigureAwait(false);
        }
    }

    private async ValueTask<bool> PutBlocksAsync(
        string key, LtxUploadHead head, PartReader parts, UploadPart first, long blockSize, WriteMode mode, CancellationToken cancellationToken)
    {
        byte[] prefix = RandomNumberGenerator.GetBytes(BlockIdPrefixSize);
        int count = 0;
        await PartedUpload.RunAsync(parts, first, parts.Concurrency(_options.Concurrency), async (part, token) =>
        {
            // Parts begin in order and run without a wait up to here.
            count = part.Number;
            string what = $"write {Location(key)}, block {part.Number}";
            if (part.Number > MaxBlocks)
            {
                throw new ReplicaException($"{what}: a blob has at most {MaxBlocks} blocks; set a larger part-size than {blockSize} bytes", isTransient: false);
            }

            var request = new AzureRequest(what, "PUT", RequestMethod.Put, $"{BlobUrl(key)}?comp=block&blockid={Uri.EscapeDataString(BlockId(prefix, part.Number))}")
            {
                Headers = [("Content-Type", ContentType)],
                Body = part,
            };
            await PutAsync(request, WriteMode.Overwrite, token).ConfigureAwait(false);
        }, cancellationToken).ConfigureAwait(false);
        var commit = new AzureRequest($"write {Location(key)}, list of {count} blocks", "PUT", RequestMethod.Put, BlobUrl(key) + "?comp=blocklist")
        {
            Headers = [("x-ms-blob-content-type", ContentType), ("Content-Type", "application/xml"), .. Properties(head, mode)],
            Body = UploadBytes.Of(BlockList(prefix, count)),
        };
        return await PutAsync(commit, mode, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends a request that stores something; false if the blob was to be created and exists.</summary>
    private ValueTask<bool> PutAsync(AzureRequest request, WriteMode mode, CancellationToken cancellationToken) =>
        Service.SendAsync(request, (message, _) =>
        {
            if (mode == WriteMode.CreateOnly && AzureErrors.SaysExists(message.Response))
            {
                return ValueTask.FromResult(false);
            }

            RequireStatus(message, request.What, request.Operation, HttpStatusCode.Created);
            return ValueTask.FromResult(true);
        }, cancellationToken);

    private async ValueTask RequireOwnAsync(LtxFileInfo file, TrailerTap tap, string key, CancellationToken cancellationToken)
    {
        try
        {
            await ExistingObject.RequireSameAsync(this, file, tap.Last, Location(key), cancellationToken).ConfigureAwait(false);
        }
        catch (LtxFileNotFoundException e)
        {
            throw new ReplicaException($"write {Location(key)}: it existed and was deleted in the same moment; writing it again helps", isTransient: true, e);
        }
    }

    private static List<(string Name, string Value)> Properties(LtxUploadHead head, WriteMode mode)
    {
        List<(string, string)> headers = [("x-ms-access-tier", "Hot"), ("x-ms-meta-" + BlobPage.TimestampName, HeaderTime.Format(head.CreatedAt))];
        if (mode == WriteMode.CreateOnly)
        {
            headers.Add(("If-None-Match", "*"));
        }

        return headers;
    }

    /// <summary>The random prefix keeps the blocks of two uploads of one name apart.</summary>
    private static string BlockId(byte[] prefix, int number)
    {
        Span<byte> id = stackalloc byte[BlockIdSize];
        id.Clear();
        prefix.CopyTo(id);
        BinaryPrimitives.WriteInt32BigEndian(id[BlockIdPrefixSize..], number);
        return Convert.ToBase64String(id);
    }

    // Latest, not Uncommitted: a list that is sent again after a lost answer finds its blocks committed.
    private static byte[] BlockList(byte[] prefix, int count)
    {
        var list = new StringBuilder("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        for (int number = 1; number <= count; number++)
        {
            list.Append("<Latest>").Append(BlockId(prefix, number)).Append("</Latest>");
        }

        return Encoding.UTF8.GetBytes(list.Append("</BlockList>").ToString());
    }
}
