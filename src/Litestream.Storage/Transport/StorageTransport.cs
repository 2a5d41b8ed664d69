using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Litestream.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Litestream.Storage.Transport;

/// <summary>
/// Connections, pacing and time limits that all network backends of a process share. One per process: ten thousand databases on one
/// bucket use one pool of connections.
/// </summary>
public sealed class StorageTransport : IDisposable
{
    private static readonly TimeSpan PooledIdle = TimeSpan.FromSeconds(90);

    private readonly Lock gate = new();
    private readonly Dictionary<HttpTrust, HttpMessageInvoker> invokers = [];

    /// <summary>Creates the transport; nothing is connected.</summary>
    public StorageTransport(TransportOptions? options = null)
    {
        Options = options ?? new TransportOptions();
        Pacer = new RequestPacer(Options.MaxRequestsPerSecond, Options.Time);
    }

    /// <summary>Value of the <c>User-Agent</c> header.</summary>
    public static string UserAgent { get; } = "litestream-dotnet/" + (typeof(StorageTransport).Assembly.GetName().Version?.ToString(3) ?? "0");

    /// <summary>Limits, clock and log.</summary>
    public TransportOptions Options { get; }

    /// <summary>Pacer of all requests.</summary>
    public RequestPacer Pacer { get; }

    /// <summary>A retry policy with the values of a backend.</summary>
    public RetryPolicy CreateRetryPolicy(RetryOptions retry) => new(retry, Pacer, Options);

    /// <summary>An HTTP client of a backend; it uses the shared connections.</summary>
    /// <param name="retry">Values of the backend.</param>
    /// <param name="trust">Which servers are believed.</param>
    /// <exception cref="ReplicaException">The certificate bundle cannot be used.</exception>
    public HttpTransport CreateHttp(RetryOptions retry, HttpTrust? trust = null) => new(this, GetInvoker(trust ?? HttpTrust.System), CreateRetryPolicy(retry));

    /// <summary>The shared connections, without retries: for libraries that bring their own requests.</summary>
    /// <param name="trust">Which servers are believed.</param>
    /// <exception cref="ReplicaException">The certificate bundle cannot be used.</exception>
    public HttpMessageInvoker GetInvoker(HttpTrust trust)
    {
        ArgumentNullException.ThrowIfNull(trust);
        lock (gate)
        {
            if (!invokers.TryGetValue(trust, out HttpMessageInvoker? invoker))
            {
                invokers[trust] = invoker = new HttpMessageInvoker(CreateHandler(trust));
            }

            return invoker;
        }
    }

    /// <summary>
    /// Body of an answer that a library received: bounded, and a transient error when no byte comes for the idle time-out.
    /// </summary>
    /// <param name="body">The bytes; disposed with the stream.</param>
    /// <param name="owner">The answer; disposed with the stream.</param>
    /// <param name="limit">Bytes after which the stream ends, or -1 = with the body.</param>
    /// <param name="openToken">Cancels later reads.</param>
    public Stream WatchBody(Stream body, IDisposable owner, long limit, CancellationToken openToken) =>
        new ResponseStream(body, owner, new BodyRange(0, limit), Options.IdleTimeout, Options.Time, openToken);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (gate)
        {
            foreach (HttpMessageInvoker invoker in invokers.Values)
            {
                invoker.Dispose();
            }

            invokers.Clear();
        }
    }

    private SocketsHttpHandler CreateHandler(HttpTrust trust)
    {
        var handler = new SocketsHttpHandler
        {
            ConnectTimeout = Options.ConnectTimeout,
            PooledConnectionIdleTimeout = PooledIdle,
            MaxConnectionsPerServer = Options.MaxConnections,
            AllowAutoRedirect = false,
            UseCookies = false,
            ActivityHeadersPropagator = null,
        };
        if (trust.SkipVerify)
        {
            Options.Logger.Write(LogLevel.Warning, "TLS certificates are not verified: whoever is between here and the store can read and change the backups");
#pragma warning disable CA5359 // It is what the user asked for with skip-verify.
            handler.SslOptions.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
        }
        else if (trust.BundlePath.Length > 0)
        {
            X509Certificate2Collection roots = LoadBundle(trust);
            handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
                errors == System.Net.Security.SslPolicyErrors.None
                || (errors == System.Net.Security.SslPolicyErrors.RemoteCertificateChainErrors && IsTrusted(certificate, chain, roots));
        }

        return handler;
    }

    private static bool IsTrusted(X509Certificate? certificate, X509Chain? presented, X509Certificate2Collection roots)
    {
        if (certificate is not X509Certificate2 leaf)
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        foreach (X509ChainElement element in presented?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
        {
            chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        }

        return chain.Build(leaf);
    }

    private static X509Certificate2Collection LoadBundle(HttpTrust trust)
    {
        var roots = new X509Certificate2Collection();
        try
        {
            roots.ImportFromPemFile(trust.BundlePath);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new ReplicaException($"{trust.BundleVariable}: cannot read certificates from {trust.BundlePath}: {e.Message}", isTransient: false, e);
        }

        return roots.Count > 0
            ? roots
            : throw new ReplicaException($"{trust.BundleVariable}: {trust.BundlePath} holds no certificate", isTransient: false);
    }
}
