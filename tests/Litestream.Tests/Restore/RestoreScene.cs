using System.Globalization;
using System.Security.Cryptography;
using Litestream.Ltx;
using Litestream.Restore;
using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Files;
using Microsoft.Extensions.Logging.Abstractions;

namespace Litestream.Tests.Restore;

/// <summary>A temporary directory with a replica and a place to restore to.</summary>
internal sealed class RestoreScene : IDisposable
{
    private readonly TempDirectory _temp = new();

    internal RestoreScene() => Client = new FileReplicaClient(Files, Replica);

    internal string Replica => _temp["replica"];

    internal string Output => _temp["out/restored.db"];

    internal string this[string name] => _temp[name];

    internal IFileSystem Files { get; set; } = new UnsyncedFileSystem(LocalFileSystem.Instance);

    internal IReplicaClient Client { get; set; }

    internal Restorer Restorer => new(Client, Files, TimeProvider.System, NullLogger.Instance);

    /// <summary>Files that a restore left beside the output.</summary>
    internal string[] Leftovers => Directory.Exists(_temp["out"])
        ? [.. Directory.GetFiles(_temp["out"]).Where(file => file != Output).Select(file => Path.GetFileName(file)!)]
        : [];

    public void Dispose() => _temp.Dispose();

    /// <summary>A fixture as replica.</summary>
    internal static RestoreScene Of(string collection, string folder)
    {
        var scene = new RestoreScene();
        Fixtures.Copy(collection, folder, scene.Replica);
        return scene;
    }

    /// <summary>Options of a request as written in the tables: <c>-</c>, <c>-txid X</c>, <c>-timestamp T</c>.</summary>
    internal RestoreOptions Options(string request = "-", bool url = true) => request.Split(' ') switch
    {
        ["-"] => new RestoreOptions { OutputPath = Output, CheckTimestampBounds = url },
        ["-txid", string txid] => new RestoreOptions { OutputPath = Output, TargetTxid = ParseTxid(txid), CheckTimestampBounds = url },
        ["-timestamp", string time] => new RestoreOptions { OutputPath = Output, Timestamp = ParseTime(time), CheckTimestampBounds = url },
        _ => throw new ArgumentException(request),
    };

    /// <summary>Restores; the error text as the command prints it, or null.</summary>
    internal async Task<string?> TryRestoreAsync(RestoreOptions options)
    {
        try
        {
            await Restorer.RestoreAsync(options, null, CancellationToken.None);
            return null;
        }
        catch (Exception error) when (error is RestoreUnavailableException or RestoreGapException or IOException or RestoreIntegrityException)
        {
            return error.Message;
        }
    }

    internal string OutputHash()
    {
        using FileStream stream = File.OpenRead(Output);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    /// <summary>The plan as the tables write it: <c>9:1-a 0:b-b</c>.</summary>
    internal static string PlanText(RestorePlan plan) =>
        string.Join(' ', plan.Files.Select(file => $"{file.Level}:{file.MinTxid.Value:x}-{file.MaxTxid.Value:x}"));

    internal static Txid ParseTxid(string text) => Txid.TryParse(text, out Txid txid) ? txid : throw new FormatException(text);

    internal static DateTimeOffset ParseTime(string text)
    {
        // A request may name nanoseconds; the smallest step here is 100 ns, so anything after it counts as one step more.
        int dot = text.IndexOf('.', StringComparison.Ordinal);
        string digits = dot < 0 ? "" : new string([.. text[(dot + 1)..].TakeWhile(char.IsAsciiDigit)]);
        DateTimeOffset time = DateTimeOffset.Parse(
            digits.Length > 7 ? text.Replace(digits, digits[..7], StringComparison.Ordinal) : text,
            CultureInfo.InvariantCulture,
            DateTimeStyles.AssumeUniversal);
        return digits.Length > 7 && digits[7..].Trim('0').Length > 0 ? time.AddTicks(1) : time;
    }
}
