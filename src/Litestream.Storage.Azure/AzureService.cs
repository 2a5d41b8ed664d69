using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using Azure;
using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Identity;
using Azure.Storage;
using Azure.Storage.Blobs;
using Litestream.Storage.Transport;
using RetryOptions = Litestream.Storage.Transport.RetryOptions;
using RetryPolicy = Litestream.Storage.Transport.RetryPolicy;

namespace Litestream.Storage.Azure;

/// <summary>
/// Signed requests to one account. Signing, tokens and headers are the library's; the retries are ours (decision D30), and so are the URLs
/// and the reading of answers: its download stream retries behind our back, and its URL builder takes the account of an emulator behind
/// a host name for the container.
/// </summary>
internal sealed class AzureService
{
    /// <summary>Oldest version that has large blocks: older installations on own premises understand it too.</summary>
    private const string ServiceVersion = "2019-12-12";

    private static readonly RetryOptions Retries = new(10, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30));
    private static readonly ConditionalWeakTable<StorageTransport, Dictionary<AzureAccess, AzureService>> Services = [];

    private readonly HttpPipeline pipeline;
    private readonly RetryPolicy retry;

    private AzureService(AzureAccess access, StorageTransport transport)
    {
        (Access, Transport) = (access, transport);
        pipeline = CreatePipeline(access, transport);
        retry = transport.CreateRetryPolicy(Retries);
    }

    public AzureAccess Access { get; }

    public StorageTransport Transport { get; }

    /// <summary>The service for these settings; one per account and process.</summary>
    /// <exception cref="ReplicaException">Permanent: the settings cannot work.</exception>
    public static AzureService Get(AzureOptions options, StorageTransport transport)
    {
        AzureAccess access = AzureAccess.Of(options, transport.Options);
        Dictionary<AzureAccess, AzureService> services = Services.GetValue(transport, static _ => []);
        lock (services)
        {
            if (!services.TryGetValue(access, out AzureService? service))
            {
                access.WarnOfUnused(options, transport.Options);
                services[access] = service = new AzureService(access, transport);
            }

            return service;
        }
    }

    /// <summary>Sends a request and reads its answer, again from the start after a transient failure.</summary>
    /// <param name="request">The request.</param>
    /// <param name="read">Returns the result, or throws a <see cref="ReplicaException"/>. A stream that it returns owns the message.</param>
    /// <param name="cancellationToken">Ends attempts and waits.</param>
    /// <exception cref="ReplicaException">It failed.</exception>
    public ValueTask<T> SendAsync<T>(AzureRequest request, Func<HttpMessage, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken) =>
        retry.ExecuteAsync(request.What, token => AttemptAsync(request, read, token), cancellationToken);

    private async ValueTask<T> AttemptAsync<T>(
        AzureRequest request, Func<HttpMessage, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken)
    {
        HttpMessage message = pipeline.CreateMessage();
        bool handedOver = false;
        try
        {
            message.BufferResponse = false;
            message.Request.Method = request.Method;
            message.Request.Uri.Reset(new Uri(request.Url));
            message.Request.Headers.Add("x-ms-version", ServiceVersion);
            foreach ((string name, string value) in request.Headers)
            {
                message.Request.Headers.Add(name, value);
            }

            if (request.Body is { } body)
            {
                message.Request.Content = new AzureContent(body);
            }

            await pipeline.SendAsync(message, cancellationToken).ConfigureAwait(false);
            long bytes = request.Operation == "GET" ? message.Response.Headers.ContentLengthLong ?? 0 : request.Body?.Length ?? 0;
            ReplicaMetrics.Count(AzureReplicaClient.TypeName, request.Operation, message.Response.IsError ? 0 : bytes);
            T result = await read(message, cancellationToken).ConfigureAwait(false);
            handedOver = result is Stream stream && stream != Stream.Null;
            return result;
        }
        catch (RequestFailedException e) when (e.InnerException is { } cause and (HttpRequestException or IOException))
        {
            // The library hides what broke; the retry policy knows these by their own types.
            ExceptionDispatchInfo.Throw(cause);
            throw;
        }
        catch (RequestFailedException e)
        {
            throw new ReplicaException($"{request.What}: {e.Message}", HttpTransport.IsTransient((System.Net.HttpStatusCode)e.Status) || e.Status == 0, e);
        }
        catch (AuthenticationFailedException e)
        {
            throw AzureErrors.SignIn(request.What, e);
        }
        finally
        {
            if (!handedOver)
            {
                message.Dispose();
            }
        }
    }

    private static HttpPipeline CreatePipeline(AzureAccess access, StorageTransport transport)
    {
        var client = new HttpClient(new SharedConnections(transport)) { Timeout = Timeout.InfiniteTimeSpan };
        var connections = new HttpClientTransport(client);
        var options = new BlobClientOptions { Transport = connections };
        options.Retry.MaxRetries = 0;
        options.Retry.NetworkTimeout = Timeout.InfiniteTimeSpan;
        options.Diagnostics.ApplicationId = "litestream";
        options.Diagnostics.IsLoggingEnabled = false;
        options.Diagnostics.IsDistributedTracingEnabled = false;
        var endpoint = new Uri(access.Endpoint);
        try
        {
            return Pipelines.Of(access.Authentication switch
            {
                AzureAuthentication.SharedAccessSignature => new BlobServiceClient(endpoint, new AzureSasCredential(access.Secret), options),
                AzureAuthentication.SharedKey => new BlobServiceClient(endpoint, new StorageSharedKeyCredential(access.AccountName, access.Secret), options),
                _ => new BlobServiceClient(endpoint, new DefaultAzureCredential(new DefaultAzureCredentialOptions { Transport = connections }), options),
            });
        }
        catch (FormatException e)
        {
            throw new ReplicaException(
                $"abs replica: the account key is not base64; copy it whole to account-key or {AzureOptions.AccountKeyVariable}", isTransient: false, e);
        }
    }

    /// <summary>The library opens its pipeline to derived clients only.</summary>
    private sealed class Pipelines : BlobServiceClient
    {
        internal static HttpPipeline Of(BlobServiceClient client) => GetHttpPipeline(client);
    }
}
