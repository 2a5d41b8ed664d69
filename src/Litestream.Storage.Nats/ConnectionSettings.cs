using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using NATS.Client.Core;
using NATS.NKeys;

namespace Litestream.Storage.Nats;

/// <summary>Turns our options into those of the client library: authentication order, TLS, time limits (backends §2, §4.8).</summary>
internal static class ConnectionSettings
{
    private static readonly TimeSpan PingInterval = TimeSpan.FromMinutes(2);

    /// <summary>The library's own limit of a request; ours, which follow the handed-in clock, are shorter.</summary>
    private static readonly TimeSpan NoLimit = TimeSpan.FromMinutes(10);

    /// <summary>Checks the options and translates them.</summary>
    /// <exception cref="ReplicaException">Certificates or keys cannot be used.</exception>
    public static NatsOpts Create(NatsOptions options)
    {
        ServerList servers = ServerList.Parse(options.Url);
        return NatsOpts.Default with
        {
            Url = servers.Servers,
            Name = "litestream",
            AuthOpts = Authentication(options, servers),
            TlsOpts = Tls(options),
            ConnectTimeout = options.Timeout,
            ReconnectWaitMin = options.ReconnectWait,
            ReconnectWaitMax = options.ReconnectWait,
            ReconnectJitter = TimeSpan.FromMilliseconds(100),
            MaxReconnectRetry = options.MaxReconnects,
            PingInterval = PingInterval,
            MaxPingOut = 2,
            RequestTimeout = NoLimit,
            CommandTimeout = options.Timeout, // Of what the library sends on its own account: an unsubscription, its answer to a ping.
            UseThreadPoolCallback = false,
            SuppressSlowConsumerWarnings = true,
        };
    }

    private static NatsAuthOpts Authentication(NatsOptions options, ServerList servers)
    {
        if (options.Jwt.Length > 0 && options.Seed.Length > 0)
        {
            _ = PublicKeyOf(options.Seed);
            return NatsAuthOpts.Default with { Jwt = options.Jwt, Seed = options.Seed };
        }

        if (options.Creds.Length > 0)
        {
            return LocalFileSystem.Instance.Stat(options.Creds) is { Kind: FileKind.Regular }
                ? NatsAuthOpts.Default with { CredsFile = options.Creds }
                : throw new ReplicaException($"nats: there is no credentials file {options.Creds}; correct creds", isTransient: false);
        }

        if (options.NKey.Length > 0)
        {
            return options.Seed.Length > 0 && PublicKeyOf(options.Seed) == options.NKey
                ? NatsAuthOpts.Default with { NKey = options.NKey, Seed = options.Seed }
                : throw new ReplicaException("nats: nkey needs its private part: set seed to the seed of this very nkey", isTransient: false);
        }

        if (options.Username.Length > 0)
        {
            return NatsAuthOpts.Default with { Username = options.Username, Password = options.Password };
        }

        return (options.Token, servers.User, servers.Password) switch
        {
            ({ Length: > 0 } token, _, _) => NatsAuthOpts.Default with { Token = token },
            (_, { Length: > 0 } user, { } password) => NatsAuthOpts.Default with { Username = user, Password = password },
            (_, { Length: > 0 } token, null) => NatsAuthOpts.Default with { Token = token },
            _ => NatsAuthOpts.Default,
        };
    }

    private static string PublicKeyOf(string seed)
    {
        try
        {
            using KeyPair pair = KeyPair.FromSeed(seed);
            return pair.GetPublicKey();
        }
        catch (FormatException e)
        {
            throw new ReplicaException($"nats: seed: {e.Message}", isTransient: false, e);
        }
    }

    private static NatsTlsOpts Tls(NatsOptions options)
    {
        if ((options.ClientCert.Length > 0) != (options.ClientKey.Length > 0))
        {
            throw new ReplicaException("client-cert and client-key must both be specified for mutual TLS authentication", isTransient: false);
        }

        if (!options.Tls && options.RootCas.Count == 0 && options.ClientCert.Length == 0)
        {
            return NatsTlsOpts.Default; // TLS if the server asks for it.
        }

        X509Certificate2Collection? roots = options.RootCas.Count > 0 ? LoadRoots(options.RootCas) : null;
        X509Certificate2? client = options.ClientCert.Length > 0 ? LoadClient(options) : null;
        return NatsTlsOpts.Default with
        {
            Mode = TlsMode.Require,
            ConfigureClientAuthentication = authentication =>
            {
                if (roots is not null)
                {
                    authentication.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
                    authentication.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
                }

                if (client is not null)
                {
                    authentication.ClientCertificateContext = SslStreamCertificateContext.Create(client, additionalCertificates: null);
                }

                return ValueTask.CompletedTask;
            },
        };
    }

    private static X509Certificate2Collection LoadRoots(IReadOnlyList<string> files)
    {
        var roots = new X509Certificate2Collection();
        foreach (string file in files)
        {
            int before = roots.Count;
            try
            {
                roots.ImportFromPemFile(file);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
            {
                throw new ReplicaException($"nats: root-cas: cannot read certificates from {file}: {e.Message}", isTransient: false, e);
            }

            if (roots.Count == before)
            {
                throw new ReplicaException($"nats: root-cas: {file} holds no certificate", isTransient: false);
            }
        }

        return roots;
    }

    private static X509Certificate2 LoadClient(NatsOptions options)
    {
        try
        {
            return X509Certificate2.CreateFromPemFile(options.ClientCert, options.ClientKey);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new ReplicaException($"nats: cannot use client-cert {options.ClientCert} with client-key {options.ClientKey}: {e.Message}", isTransient: false, e);
        }
    }
}
