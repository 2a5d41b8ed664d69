using System.Security.Cryptography;
using Litestream.Storage.Transport;

namespace Litestream.Storage.WebDav;

/// <summary>
/// The bytes of one upload, of known length and to be sent any number of times: in memory up to 8 MiB, else in a local file. A chunked PUT is
/// stored as 0 bytes or refused by common servers (backends §4.7).
/// </summary>
internal sealed class UploadBody : IDisposable
{
    /// <summary>Up to here a file is not spooled.</summary>
    public const int MemoryLimit = 8 << 20;

    private const int CopyBytes = 256 << 10;

    private readonly UploadPart? _part;
    private readonly IFile? _file;

    private UploadBody(UploadPart? part, IFile? file, TrailerTap tap) => (_part, _file, Tap) = (part, file, tap);

    /// <summary>Length and last bytes.</summary>
    public TrailerTap Tap { get; }

    /// <summary>Reads a source to its end.</summary>
    /// <param name="head">What was read of it already.</param>
    /// <param name="source">The rest.</param>
    /// <param name="directory">Where large ones are spooled; created when needed.</param>
    /// <param name="cancellationToken">Stops it; nothing is left.</param>
    public static async ValueTask<UploadBody> ReadAsync(LtxUploadHead head, Stream source, string directory, CancellationToken cancellationToken)
    {
        var tap = new TrailerTap();
        var parts = new PartReader(head, source, MemoryLimit);
        UploadPart first = (await parts.NextAsync(cancellationToken).ConfigureAwait(false))!;
        if (first.IsLast)
        {
            tap.Add(first.Bytes.Span);
            return new UploadBody(first, null, tap);
        }

        IFile file;
        using (first)
        {
            file = CreateSpool(directory);
            try
            {
                for (UploadPart? part = first; part is not null; part = await parts.NextAsync(cancellationToken).ConfigureAwait(false))
                {
                    using (part)
                    {
                        for (int at = 0; at < part.Bytes.Length; at += CopyBytes)
                        {
                            ReadOnlySpan<byte> slice = part.Bytes.Span.Slice(at, Math.Min(CopyBytes, part.Bytes.Length - at));
                            file.Write(slice, tap.Length);
                            tap.Add(slice);
                        }
                    }
                }
            }
            catch
            {
                file.Dispose();
                throw;
            }
        }

        return new UploadBody(null, file, tap);
    }

    /// <summary>The body of one attempt.</summary>
    public UploadContent CreateContent() => _part is { } part ? new UploadContent(part.Bytes) : new FileUploadContent(_file!, Tap.Length);

    /// <inheritdoc/>
    public void Dispose()
    {
        _part?.Dispose();
        _file?.Dispose();
    }

    /// <summary>The file has no name any more once it is open: whatever ends this process also removes it.</summary>
    private static IFile CreateSpool(string directory)
    {
        LocalFileSystem files = LocalFileSystem.Instance;
        string path = Path.Combine(Path.GetFullPath(directory), $"litestream-webdav-{RandomNumberGenerator.GetHexString(16, lowercase: true)}.tmp");
        IFile file;
        try
        {
            file = files.Create(path);
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            files.CreateDirectory(Path.GetDirectoryName(path)!);
            file = files.Create(path);
        }

        files.Delete(path);
        return file;
    }
}
