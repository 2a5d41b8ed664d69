using System.Collections.Concurrent;
using System.Globalization;
using Litestream.TestKit;
using Litestream.TestKit.Processes;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.EndToEnd.Tests.Backends;

/// <summary>Parts above 64 MiB, as databases above 562 GiB have them, wait in the state directory (decision D34); here they are asked for with part-size.</summary>
public sealed class SpooledUploadTests
{
    private const int PartSize = 65 << 20;

    [Fact]
    public async Task Large_parts_wait_in_the_state_directory_and_a_kill_leaves_nothing()
    {
        using var folder = new TempDirectory();
        string database = folder["app.db"];
        string state = folder[".app.db-litestream"];
        await Sql(database, "PRAGMA journal_mode=wal; CREATE TABLE t(b); WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i+1 FROM n WHERE i<100) INSERT INTO t SELECT randomblob(1<<20) FROM n;");
        var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var parts = new ConcurrentDictionary<string, byte[]>();
        await using var s3 = new RecordingHttpServer(async request =>
        {
            if (request.Query.Contains("partNumber=", StringComparison.Ordinal))
            {
                arrived.TrySetResult();
                await release.Task;
                parts[$"{request.Path} {request.Query}"] = request.Body;
            }

            return Answer(request);
        });
        File.WriteAllLines(
            folder["litestream.yml"],
            [
                "dbs:", $"  - path: {database}", "    replica:", "      type: s3", "      bucket: test", "      path: db", $"      endpoint: http://127.0.0.1:{s3.Port}",
                "      access-key-id: a", "      secret-access-key: b", "      part-size: 65MiB",
            ]);
        await using (var daemon = DaemonProcess.Start("-config", folder["litestream.yml"]))
        {
            await arrived.Task.WaitAsync(ChildProcess.Patience);

            // The first part is on its way, and at once or soon the second one waits as well: both without a name.
            await FileWait.UntilAsync(state, () => OpenSpools(daemon.Id, state) is 1 or 2, "a part waits in the state directory");
            Assert.Empty(Directory.GetFiles(state, "upload-*"));
            long peak = PeakMemory(daemon.Id);
            TestContext.Current.TestOutputHelper?.WriteLine($"peak {peak >> 20} MiB");
            Assert.True(peak < 80 << 20, $"{peak >> 20} MiB, with parts of 65");
            await daemon.KillAsync();
        }

        // Between the opening of the file and the loss of its name a kill leaves the name: this one plays it.
        File.WriteAllText(Path.Combine(state, "upload-0123456789abcdef.tmp"), "");
        release.SetResult();
        parts.Clear();
        await using (var daemon = DaemonProcess.Start("-config", folder["litestream.yml"], "-once"))
        {
            int code = await daemon.WaitForExitAsync();
            Assert.True(code == 0, $"exit code {code}{Environment.NewLine}{daemon.Output}");
        }

        Assert.Empty(Directory.GetFiles(state, "*.tmp", SearchOption.AllDirectories));
        byte[] local = File.ReadAllBytes(Assert.Single(Directory.GetFiles(Path.Combine(state, "ltx", "0"))));
        byte[] stored = [.. parts.Where(part => part.Key.Contains("/0000/", StringComparison.Ordinal)).OrderBy(part => part.Key, StringComparer.Ordinal).SelectMany(part => part.Value)];
        Assert.True(local.Length > PartSize);
        Assert.True(local.AsSpan().SequenceEqual(stored), $"{stored.Length} of {local.Length} bytes arrived");
    }

    private static CannedAnswer Answer(RecordedRequest request) => request.Method switch
    {
        "GET" => CannedAnswer.Text(200, "<ListBucketResult></ListBucketResult>"),
        "HEAD" => new CannedAnswer(404),
        "POST" when request.Query.StartsWith("uploads", StringComparison.Ordinal) =>
            CannedAnswer.Text(200, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"),
        "POST" => CannedAnswer.Text(200, "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"),
        _ => new CannedAnswer(200, Headers: [("ETag", "\"tag\"")]),
    };

    private static int OpenSpools(int process, string state)
    {
        int count = 0;
        foreach (string link in Directory.GetFiles(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/fd")))
        {
            string? target = new FileInfo(link).LinkTarget;
            count += target is not null && target.StartsWith(state + "/upload-", StringComparison.Ordinal) && target.EndsWith(" (deleted)", StringComparison.Ordinal) ? 1 : 0;
        }

        return count;
    }

    private static long PeakMemory(int process)
    {
        string line = File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/status")).Single(one => one.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.AsSpan("VmHWM:".Length, line.Length - "VmHWM:".Length - " kB".Length).Trim(), CultureInfo.InvariantCulture) << 10;
    }

    private static async Task Sql(string database, string sql)
    {
        CliResult result = await Cli.RunProgramAsync("sqlite3", database, sql);
        Assert.True(result.ExitCode == 0, result.StandardError);
    }
}
