using System.Text.Json;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Verify;

/// <summary>A file of the replica as a run remembers it.</summary>
/// <param name="File">The file as listed; a file of this name with another size or time is another file.</param>
/// <param name="FirstSeen">Number of the run that saw it first.</param>
/// <param name="Check">Result of its last reading; null if it was not read yet.</param>
internal sealed record SeenFile(LtxFileInfo File, long FirstSeen, CheckedFile? Check)
{
    /// <summary>Number of the run since which it waits to be read.</summary>
    public long WaitsSince => Check?.Run ?? FirstSeen;

    /// <summary>Writes it as an array: there may be thousands.</summary>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartArray();
        writer.WriteNumberValue(File.Level);
        writer.WriteStringValue(File.MinTxid.ToString());
        writer.WriteStringValue(File.MaxTxid.ToString());
        writer.WriteNumberValue(File.Size);
        writer.WriteNumberValue(File.CreatedAt.UtcTicks);
        writer.WriteNumberValue(FirstSeen);
        if (Check is { } check)
        {
            writer.WriteNumberValue(check.Run);
            writer.WriteNumberValue(check.ReadAt.UtcTicks);
            if (check.Content is { } content)
            {
                writer.WriteNumberValue(content.PageSize);
                writer.WriteNumberValue(content.Commit);
                writer.WriteNumberValue(content.TailStart);
            }
            else if (check.Finding is { } finding)
            {
                writer.WriteStringValue(finding.Problem.ToString());
                writer.WriteStringValue(finding.Detail);
                writer.WriteNumberValue(finding.Offset);
            }
        }

        writer.WriteEndArray();
    }

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    public static SeenFile Parse(JsonElement array)
    {
        var file = new LtxFileInfo(
            array[0].GetInt32(), VerifyMemory.ParseTxid(array[1]), VerifyMemory.ParseTxid(array[2]), array[3].GetInt64(), Time(array[4]));
        long firstSeen = array[5].GetInt64();
        if (array.GetArrayLength() == 6)
        {
            return new SeenFile(file, firstSeen, null);
        }

        FileContent? content = null;
        VerifyFinding? finding = null;
        if (array[8].ValueKind == JsonValueKind.String)
        {
            finding = VerifyFinding.Of(file, Enum.Parse<VerifyProblem>(array[8].GetString()!), array[9].GetString()!, array[10].GetInt64());
        }
        else
        {
            content = new FileContent(array[8].GetInt32(), array[9].GetUInt32(), array[10].GetUInt32());
        }

        return new SeenFile(file, firstSeen, new CheckedFile(file, array[6].GetInt64(), Time(array[7]), content, finding));
    }

    private static DateTimeOffset Time(JsonElement ticks) => new(ticks.GetInt64(), TimeSpan.Zero);
}
