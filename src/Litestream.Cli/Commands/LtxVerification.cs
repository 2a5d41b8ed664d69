using Litestream.Cli.Output;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Cli.Commands;

/// <summary><c>litestream ltx -verify</c>: reads LTX files completely and checks everything that a reader can check.</summary>
internal sealed class LtxVerification(CliHost host, bool json)
{
    private readonly List<(string Path, LtxVerifyResult? Result, string Problem)> results = [];

    public async Task<int> RunAsync(IReadOnlyList<string> paths)
    {
        foreach (string path in paths)
        {
            foreach (string file in Expand(path))
            {
                (string Path, LtxVerifyResult? Result, string Problem) result = await VerifyAsync(file).ConfigureAwait(false);
                results.Add(result);
                if (!json)
                {
                    host.Output.Write(Describe(result));
                }
            }
        }

        if (json)
        {
            host.Output.Write(JsonOutput.FormatArray(results, static (writer, r) =>
            {
                writer.WriteString("file", r.Path);
                writer.WriteBoolean("valid", r.Result is not null);
                if (r.Result is { } found)
                {
                    writer.WriteString("min_txid", found.Header.MinTxid.ToString());
                    writer.WriteString("max_txid", found.Header.MaxTxid.ToString());
                    writer.WriteNumber("pages", found.PageCount);
                    writer.WriteNumber("size", found.Size);
                }
                else
                {
                    writer.WriteString("error", r.Problem);
                }
            }));
        }

        int damaged = results.Count(r => r.Result is null);
        return damaged == 0 ? 0 : throw new CliException($"{damaged} of {results.Count} LTX files damaged");
    }

    private static string Describe((string Path, LtxVerifyResult? Result, string Problem) r) => r.Result is { } found
        ? $"{r.Path}: ok, {found.Header.MinTxid}-{found.Header.MaxTxid}, {found.PageCount} pages, {found.Size} bytes\n"
        : $"{r.Path}: damaged: {r.Problem}\n";

    /// <summary>The LTX files that a path stands for: itself, or those below a directory.</summary>
    private IEnumerable<string> Expand(string path)
    {
        if (host.Files.Stat(path) is not { } status)
        {
            throw new CliException($"no such file: {path}");
        }

        if (status.Kind != FileKind.Directory)
        {
            return [path];
        }

        return host.Files.List(path).OrderBy(e => e.Name, StringComparer.Ordinal)
            .Where(e => e.Kind == FileKind.Directory || LtxFileName.TryParse(e.Name, out _, out _))
            .SelectMany(e => Expand(path + "/" + e.Name));
    }

    private async Task<(string Path, LtxVerifyResult? Result, string Problem)> VerifyAsync(string path)
    {
        try
        {
            using IFile file = host.Files.OpenRead(path);
            FileRangeStream source = new(file, 0, file.Length);
            await using (source.ConfigureAwait(false))
            {
                LtxVerifyResult result = await LtxReader.VerifyAsync(source, path).ConfigureAwait(false);
                return LtxFileName.TryParse(Path.GetFileName(path), out Txid min, out Txid max)
                    && (min, max) != (result.Header.MinTxid, result.Header.MaxTxid)
                    ? (path, null, $"the name does not fit the content, {result.Header.MinTxid}-{result.Header.MaxTxid}")
                    : (path, result, "");
            }
        }
        catch (IOException e)
        {
            return (path, null, e.Message);
        }
    }
}
