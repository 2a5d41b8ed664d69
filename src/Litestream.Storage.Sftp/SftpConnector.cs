using Litestream.Storage.Transport;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace Litestream.Storage.Sftp;

/// <summary>Makes connections: keys, login, the server's identity, time limits.</summary>
internal sealed class SftpConnector
{
    private const int MaxKeyFileSize = 1 << 20;

    private const string FastCipher = "aes128-gcm@openssh.com";

    private const string AgentVariable = "SSH_AUTH_SOCK";

    private static readonly TimeSpan KeepAlive = TimeSpan.FromSeconds(30);

    private readonly SftpOptions _options;
    private readonly TransportOptions _transport;
    private readonly HostKeyVerifier _verifier;

    internal SftpConnector(SftpOptions options, TransportOptions transport)
    {
        _options = options;
        _transport = transport;
        Endpoint = SftpEndpoint.Parse(options.Host);
        _verifier = new HostKeyVerifier(options, Endpoint, transport);
    }

    internal SftpEndpoint Endpoint { get; }

    /// <summary>Connects and logs in.</summary>
    /// <exception cref="ReplicaException">It failed; permanent if somebody must change something.</exception>
    internal async Task<SftpClient> ConnectAsync(CancellationToken cancellationToken)
    {
        HostKeyVerifier.Expectation expected = _verifier.Load();

        // Reads files and may ask an agent.
        ConnectionInfo info = await Task.Run(CreateInfo, cancellationToken).ConfigureAwait(false);
        if (expected.Keys.Count > 0)
        {
            // Negotiate a key of a type that is known: of several keys the server would present another one (trap T29).
            HashSet<string> wanted = [.. expected.Keys.SelectMany(key => key.Algorithms)];
            foreach (string other in info.HostKeyAlgorithms.Keys.Where(name => !wanted.Contains(name)).ToList())
            {
                info.HostKeyAlgorithms.Remove(other);
            }
        }
        else
        {
            // Certificates are not verified, so they prove no more than the key in them.
            foreach (string certificate in info.HostKeyAlgorithms.Keys.Where(name => name.Contains("-cert-", StringComparison.Ordinal)).ToList())
            {
                info.HostKeyAlgorithms.Remove(certificate);
            }
        }

        string? refusal = null;
        bool asked = false;
        Task? connecting = null;
        var client = new SftpClient(info);
        client.HostKeyReceived += (_, presented) =>
        {
            asked = true;
            refusal = _verifier.Judge(expected, HostKey.FromBlob(presented.HostKey));
            presented.CanTrust = refusal is null;
        };
        client.KeepAliveInterval = KeepAlive;
        try
        {
            // The blocking call gives the socket five times the buffers of the asynchronous one; they bound the speed over a long way.
            connecting = Task.Run(client.Connect, cancellationToken);
            await connecting.WaitAsync(_transport.ConnectTimeout, _transport.Time, cancellationToken).ConfigureAwait(false);
            return client;
        }
        catch (Exception failure)
        {
            _ = connecting?.ContinueWith(static late => _ = late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            Discard(client);
            cancellationToken.ThrowIfCancellationRequested();
            if (refusal is null && !asked && expected.Keys.Count > 0 && failure is SshConnectionException && failure.Message.Contains("host key", StringComparison.OrdinalIgnoreCase))
            {
                refusal = _verifier.Mismatch(expected);
            }

            throw refusal is not null
                ? new ReplicaException(refusal, isTransient: false, failure)
                : SftpFailure.DescribeConnect(Endpoint, _options.User, failure);
        }
    }

    /// <summary>Ends a connection; not on the caller's thread, since it may wait for a dead server.</summary>
    internal static void Discard(SftpClient client) =>
        _ = Task.Run(() =>
        {
            try
            {
                client.Dispose();
            }
            catch (Exception failure) when (SftpFailure.IsOfServer(failure) || failure is IOException)
            {
                // Nothing is left to be done with it.
            }
        });

    private ConnectionInfo CreateInfo()
    {
        if (string.IsNullOrEmpty(_options.User))
        {
            throw new ReplicaException("user required for sftp replica", isTransient: false);
        }

        var methods = new List<AuthenticationMethod>();
        if (!string.IsNullOrEmpty(_options.Password))
        {
            methods.Add(new PasswordAuthenticationMethod(_options.User, _options.Password));
        }

        if (!string.IsNullOrEmpty(_options.KeyPath))
        {
            methods.Add(new PrivateKeyAuthenticationMethod(_options.User, ReadKey(_options.KeyPath)));
        }

        if (methods.Count == 0)
        {
            methods.Add(_transport.GetVariable(AgentVariable) is { Length: > 0 } agent
                ? new PrivateKeyAuthenticationMethod(_options.User, AskAgent(agent))
                : new NoneAuthenticationMethod(_options.User));
        }

        var info = new ConnectionInfo(Endpoint.Host, Endpoint.Port, _options.User, [.. methods]) { Timeout = _transport.ConnectTimeout };

        // The library prefers a mode that takes two passes over the data and cannot use the processor's support as well.
        if (info.Encryptions.ContainsKey(FastCipher))
        {
            info.Encryptions.SetPosition(FastCipher, 0);
        }

        return info;
    }

    private SshAgentKeys AskAgent(string path)
    {
        try
        {
            var keys = new SshAgentKeys(new SshAgent(path, _transport.ConnectTimeout));
            return keys.HostKeyAlgorithms.Count > 0 ? keys : throw new IOException("it holds no key; ssh-add one");
        }
        catch (IOException failure)
        {
            throw new ReplicaException(
                $"sftp: neither a password nor a key-path is set, and the agent at {path} ({AgentVariable}) is of no help: {failure.Message}", isTransient: false, failure);
        }
    }

    private PrivateKeyFile ReadKey(string path)
    {
        byte[] content;
        try
        {
            content = LocalText.Read(_options.Files, path, MaxKeyFileSize);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new ReplicaException($"sftp: cannot read sftp key path {path}: {failure.Message}", isTransient: false, failure);
        }

        try
        {
            using var stream = new MemoryStream(content);
            return new PrivateKeyFile(stream, string.IsNullOrEmpty(_options.KeyPassphrase) ? null : _options.KeyPassphrase);
        }
        catch (SshPassPhraseNullOrEmptyException failure)
        {
            throw new ReplicaException($"sftp: cannot parse sftp key path {path}: it is encrypted; set its passphrase", isTransient: false, failure);
        }
        catch (Exception failure) when (failure is not OutOfMemoryException)
        {
            // The parser throws whatever its parts throw; its messages hold no part of the key, but are not needed either.
            throw new ReplicaException(
                $"sftp: cannot parse sftp key path {path}: no private key in OpenSSH or PEM form, or a wrong passphrase ({failure.GetType().Name})",
                isTransient: false);
        }
    }
}
