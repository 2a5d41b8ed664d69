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

    /// <summary>Runs a synchronous encoder on a thread of the pool and the upload beside it.</summary>
    public static Task<LtxFileInfo> RunAsync(
        IReplicaClient client, int level, Txid min, Txid max, long maxLength, Action<Stream> encode, CancellationToken cancellationToken) =>
        RunAsync(
            client, level, min, max, maxLength,
            stream =>
            {
                encode(stream);
                return Task.CompletedTask;
            },
            cancellationToken);

    /// <summary>Runs the encoder on a thread of the pool and the upload beside it.</summary>
    /// <param name="client">The replica.</param>
    /// <param name="level">Level of the file.</param>
    /// <param name="min">First transaction.</param>
    /// <param name="max">Last transaction.</param>
    /// <param name="maxLength">Most bytes that the encoder will give: stores need it to choose the size of parts (decision D34).</param>
    /// <param name="encode">Writes the file.</param>
    /// <param name="cancellationToken">Stops both.</param>
    public static async Task<LtxFileInfo> RunAsync(
        IReplicaClient client, int level, Txid min, Txid max, long maxLength, Func<Stream, Task> encode, CancellationToken cancellationToken)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: BufferBytes, resumeWriterThreshold: BufferBytes / 2, useSynchronizationContext: false));
        Task producer = Task.Run(
            async () =>
            {
                try
                {
                    Stream stream = pipe.Writer.AsStream(leaveOpen: true);
                    await using (stream.ConfigureAwait(false))
                    {
                        await encode(stream).ConfigureAwait(false);
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
            return await client.WriteAsync(level, min, max, new BoundedStream(pipe.Reader.AsStream(), maxLength), WriteMode.Overwrite, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            // With a cause, or an encoder whose client returned early would go on through the whole database (trap A28).
            await pipe.Reader.CompleteAsync(new OperationCanceledException("the upload has ended")).ConfigureAwait(false);
            await producer.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
