using System.IO.Pipelines;
using Litestream.Ltx;
using Litestream.Storage;

namespace Litestream.Upload;

/// <summary>
/// Uploads a file while it is being encoded. If the encoding fails, the reader's side fails too, so that the client aborts and
/// nothing becomes visible; if the upload fails, the encoder is stopped (trap C5).
/// </summary>
internal static class StreamingUpload
{
    private const int BufferBytes = 1 << 20;

    /// <summary>Runs the encoder on a thread of the pool and the upload beside it.</summary>
    public static async Task<LtxFileInfo> RunAsync(
        IReplicaClient client, int level, Txid min, Txid max, Action<Stream> encode, CancellationToken cancellationToken)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: BufferBytes, resumeWriterThreshold: BufferBytes / 2, useSynchronizationContext: false));
        Task producer = Task.Run(
            () =>
            {
                try
                {
                    using (Stream stream = pipe.Writer.AsStream(leaveOpen: true))
                    {
                        encode(stream);
                    }

                    pipe.Writer.Complete();
                }
                catch (Exception e)
                {
                    pipe.Writer.Complete(e);
                    throw;
                }
            },
            CancellationToken.None);
        try
        {
            return await client.WriteAsync(level, min, max, pipe.Reader.AsStream(), WriteMode.Overwrite, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // With a cause, or an encoder whose client returned early would go on through the whole database (trap A28).
            await pipe.Reader.CompleteAsync(new OperationCanceledException("the upload has ended")).ConfigureAwait(false);
            await producer.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
