using Azure.Core;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Azure;

/// <summary>Body of a request for the libraries: sent in slices, so that one which lies in a file never has to be in memory.</summary>
internal sealed class AzureContent(UploadBytes bytes) : RequestContent
{
    public override async Task WriteToAsync(Stream stream, CancellationToken cancellation)
    {
        foreach (ReadOnlyMemory<byte> slice in bytes.Slices())
        {
            await stream.WriteAsync(slice, cancellation).ConfigureAwait(false);
        }
    }

    public override void WriteTo(Stream stream, CancellationToken cancellation)
    {
        foreach (ReadOnlyMemory<byte> slice in bytes.Slices())
        {
            cancellation.ThrowIfCancellationRequested();
            stream.Write(slice.Span);
        }
    }

    public override bool TryComputeLength(out long length)
    {
        length = bytes.Length;
        return true;
    }

    /// <summary>Nothing: the bytes are their owner's, who may send them again.</summary>
    public override void Dispose()
    {
    }
}
