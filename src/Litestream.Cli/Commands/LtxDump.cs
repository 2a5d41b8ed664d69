using Litestream.Cli.Output;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream ltx -dump</c>: prints header, page list and trailer of one file while it is read.</summary>
internal sealed class LtxDump(CliHost host, bool json)
{
    public async Task<int> RunAsync(string path)
    {
        if (host.Files.Stat(path) is not { Kind: FileKind.Regular })
        {
            throw new CliException($"no such file: {path}");
        }

        using IFile file = host.Files.OpenRead(path);
        FileRangeStream source = new(file, 0, file.Length);
        LtxReader reader = new(source, path);
        await using (reader.ConfigureAwait(false))
        {
            if (json)
            {
                host.Output.Write(JsonOutput.Format(writer => WriteJson(writer, reader, path)));
            }
            else
            {
                WriteText(reader, path);
            }
        }

        return 0;
    }

    private static string Kind(in LtxHeader header) => header.IsSnapshot ? "snapshot" : "increment";

    private void WriteText(LtxReader reader, string path)
    {
        LtxHeader h = reader.ReadHeader();
        host.Output.Write($"""
            file:               {path}
            kind:               {Kind(h)}
            flags:              0x{h.Flags:x8}
            page size:          {h.PageSize}
            commit:             {h.Commit} pages
            min txid:           {h.MinTxid}
            max txid:           {h.MaxTxid}
            timestamp:          {TimeText.Seconds(DateTimeOffset.FromUnixTimeMilliseconds(h.Timestamp))}
            pre-apply checksum: {h.PreApplyChecksum:x16}
            wal offset:         {h.WalOffset}
            wal size:           {h.WalSize}
            wal salt:           {h.WalSalt1:x8} {h.WalSalt2:x8}
            node id:            {h.NodeId}

                  page      offset      size

            """);
        while (reader.ReadPage())
        {
            host.Output.Write($"{reader.PageNumber,10}  {reader.FrameOffset,10}  {reader.FrameSize,8}{(reader.IsLegacyFrame ? "  frame" : "")}\n");
        }

        long pages = reader.PageCount;
        LtxTrailer trailer = reader.Finish();
        host.Output.Write($"""

            pages:               {pages}
            post-apply checksum: {trailer.PostApplyChecksum:x16}
            file checksum:       {trailer.FileChecksum:x16}

            """);
    }

    private static void WriteJson(System.Text.Json.Utf8JsonWriter writer, LtxReader reader, string path)
    {
        LtxHeader h = reader.ReadHeader();
        writer.WriteStartObject();
        writer.WriteString("file", path);
        writer.WriteString("kind", Kind(h));
        writer.WriteNumber("flags", h.Flags);
        writer.WriteNumber("page_size", h.PageSize);
        writer.WriteNumber("commit", h.Commit);
        writer.WriteString("min_txid", h.MinTxid.ToString());
        writer.WriteString("max_txid", h.MaxTxid.ToString());
        writer.WriteNumber("timestamp_ms", h.Timestamp);
        writer.WriteString("pre_apply_checksum", h.PreApplyChecksum.ToString("x16"));
        writer.WriteNumber("wal_offset", h.WalOffset);
        writer.WriteNumber("wal_size", h.WalSize);
        writer.WriteNumber("wal_salt1", h.WalSalt1);
        writer.WriteNumber("wal_salt2", h.WalSalt2);
        writer.WriteNumber("node_id", h.NodeId);
        writer.WriteStartArray("pages");
        while (reader.ReadPage())
        {
            writer.WriteStartObject();
            writer.WriteNumber("page", reader.PageNumber);
            writer.WriteNumber("offset", reader.FrameOffset);
            writer.WriteNumber("size", reader.FrameSize);
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        LtxTrailer trailer = reader.Finish();
        writer.WriteString("post_apply_checksum", trailer.PostApplyChecksum.ToString("x16"));
        writer.WriteString("file_checksum", trailer.FileChecksum.ToString("x16"));
        writer.WriteEndObject();
    }
}
