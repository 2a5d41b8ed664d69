using Litestream.Diagnostics;
using Litestream.Storage.Transport;
using Microsoft.Extensions.Logging;

namespace Litestream.Storage.S3;

/// <summary>From options to a bucket that can be used: checks the settings, asks for the region if nobody says it.</summary>
internal static class S3Opener
{
    private static readonly string[] TraceWords = ["signing", "request", "request-with-body", "response", "response-with-body", "retries", "all"];

    /// <summary>Opens a bucket; at most one request is made, and none with a region or an endpoint.</summary>
    /// <exception cref="ReplicaException">The settings cannot be used, or the region cannot be found out.</exception>
    public static async ValueTask<S3Bucket> OpenAsync(S3Options options, StorageTransport transport, IFileSystem files, CancellationToken cancellationToken)
    {
        Func<string, string?> variable = transport.Options.GetVariable;
        string? home = variable("HOME");
        S3Settings settings = S3Settings.Resolve(options, region: null, files, home);
        var credentials = new AwsCredentialSource(options, variable);
        var trust = new HttpTrust(options.SkipVerify, variable("AWS_CA_BUNDLE") ?? "", "AWS_CA_BUNDLE");
        HttpTransport http = transport.CreateHttp(RetryOptions.Default, trust);
        bool trace = IsTraced(variable("LITESTREAM_S3_DEBUG") ?? "", transport.Options.Logger);
        if (settings.Region.Length == 0)
        {
            string region = await FindRegionAsync(new S3Bucket(new S3Connection(settings.ForRegionLookup(), credentials, http, trace)), cancellationToken).ConfigureAwait(false);
            settings = S3Settings.Resolve(options, region, files, home);
        }

        return new S3Bucket(new S3Connection(settings, credentials, http, trace));
    }

    private static async ValueTask<string> FindRegionAsync(S3Bucket bucket, CancellationToken cancellationToken)
    {
        try
        {
            return await bucket.GetLocationAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (S3Exception e) when (e.Error.Region.Length > 0)
        {
            // Who may not ask is told nevertheless.
            return e.Error.Region;
        }
        catch (ReplicaException e)
        {
            throw new ReplicaException($"s3: cannot lookup bucket region: {e.Message}; set region to do without", e.IsTransient, e);
        }
    }

    private static bool IsTraced(string words, ILogger logger)
    {
        string[] wanted = words.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        foreach (string unknown in wanted.Where(word => !TraceWords.Contains(word, StringComparer.OrdinalIgnoreCase)))
        {
            logger.Write(LogLevel.Warning, "LITESTREAM_S3_DEBUG: unknown word", ("word", unknown));
        }

        return wanted.Any(word => TraceWords.Contains(word, StringComparer.OrdinalIgnoreCase));
    }
}
