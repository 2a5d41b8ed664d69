using System.Text;
using Litestream.Diagnostics;
using Litestream.Storage.Transport;
using Microsoft.Extensions.Logging;

namespace Litestream.Storage.Sftp;

/// <summary>
/// Whether a server is the one that is meant (decision D36): the configured key wins; else the known_hosts files; else the first key
/// seen is pinned in the state directory. What was known once is never replaced silently.
/// </summary>
internal sealed class HostKeyVerifier(SftpOptions options, SftpEndpoint endpoint, TransportOptions transport)
{
    /// <summary>Largest known_hosts file that is read.</summary>
    internal const int MaxKnownHostsSize = 16 << 20;

    private const string PinFile = "sftp-known-hosts";

    private readonly Lock _gate = new();
    private HostKey? _firstSeen;

    /// <summary>What is known before connecting. Read anew for each connection: users add keys while the process runs.</summary>
    /// <exception cref="ReplicaException">The configured key is no key, or a file cannot be read.</exception>
    internal Expectation Load()
    {
        if (!string.IsNullOrWhiteSpace(options.HostKey))
        {
            HostKey key = HostKey.Parse(options.HostKey) ?? throw new ReplicaException(
                "sftp: host-key is no public key; give one line as ssh-keyscan prints it behind the host name: type and base64",
                isTransient: false);
            return new Expectation([key], new KnownHosts(), "host-key");
        }

        var known = new KnownHosts();
        foreach (string path in KnownHostsPaths())
        {
            known.Add(Read(path), endpoint.KnownAs);
        }

        if (known.Keys.Count > 0)
        {
            return new Expectation(known.Keys, known, "known_hosts");
        }

        if (PinPath is { } pinPath)
        {
            var pins = new KnownHosts();
            pins.Add(Read(pinPath), endpoint.KnownAs);
            if (pins.Keys.Count > 0)
            {
                return new Expectation(pins.Keys, known, pinPath);
            }
        }

        lock (_gate)
        {
            return _firstSeen is { } seen ? new Expectation([seen], known, "the first connection") : new Expectation([], known, "");
        }
    }

    /// <summary>Judges the key that the server presents; pins it if it is the first one.</summary>
    /// <returns>Null if it is accepted, else why not.</returns>
    internal string? Judge(Expectation expected, HostKey presented)
    {
        if (expected.Known.IsRevoked(presented))
        {
            return $"ssh: host key of {endpoint.KnownAs} is marked as revoked in known_hosts: whoever answers there holds a stolen key";
        }

        if (expected.Keys.Count > 0)
        {
            return expected.Keys.Any(key => key.Blob == presented.Blob) ? null : Mismatch(expected);
        }

        if (options.StrictHostKey)
        {
            return $"sftp: the host key of {endpoint.KnownAs} is not known and strict-host-key is set; add it to known_hosts or set host-key to: {presented.Type} {presented.Blob}";
        }

        lock (_gate)
        {
            if (_firstSeen is null)
            {
                _firstSeen = presented;
                transport.Logger.Write(
                    LogLevel.Warning, "sftp host key not verified",
                    ("host", endpoint.KnownAs), ("key", $"{presented.Type} {presented.Blob}"), ("pinned", PinPath ?? "for this process"));
                Pin(presented);
            }

            // Two first connections at once must not pin two keys; without a state directory the process remembers.
            return _firstSeen.Blob == presented.Blob ? null : Mismatch(expected with { Keys = [_firstSeen], Source = "the first connection" });
        }
    }

    /// <summary>What to say when the server has no key of an expected type, or another key.</summary>
    internal string Mismatch(Expectation expected) =>
        $"ssh: host key mismatch: {endpoint.KnownAs} does not have the key of {expected.Source}. If the server was set up anew, put its new key there; "
        + "if not, someone else answers in its place. Nothing was sent";

    private string? PinPath => string.IsNullOrEmpty(options.StateDirectory) ? null : Path.Combine(options.StateDirectory, PinFile);

    private IEnumerable<string> KnownHostsPaths()
    {
        if (options.KnownHostsPath is { } only)
        {
            return only.Length == 0 ? [] : [only];
        }

        const string system = "/etc/ssh/ssh_known_hosts";
        string? home = transport.GetVariable("HOME");
        return string.IsNullOrEmpty(home) || !Path.IsPathRooted(home) ? [system] : [Path.Combine(home, ".ssh", "known_hosts"), system];
    }

    private string Read(string path)
    {
        try
        {
            return options.Files.Stat(path) is { Kind: FileKind.Regular } ? Encoding.UTF8.GetString(LocalText.Read(options.Files, path, MaxKnownHostsSize)) : "";
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new ReplicaException($"sftp: cannot read known hosts {path}: {failure.Message}", isTransient: false, failure);
        }
    }

    private void Pin(HostKey key)
    {
        if (PinPath is not { } path)
        {
            return;
        }

        string temp = path + ".tmp";
        try
        {
            options.Files.CreateDirectory(options.StateDirectory!);
            byte[] content = Encoding.UTF8.GetBytes($"{Read(path)}{endpoint.KnownAs} {key.Type} {key.Blob}\n");
            using (IFile file = options.Files.Create(temp))
            {
                file.Write(content, 0);
                file.Sync();
            }

            options.Files.Rename(temp, path);
            options.Files.SyncDirectory(options.StateDirectory!);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // An unpinned server is what upstream always has; refusing to back up would be worse.
            transport.Logger.Write(LogLevel.Warning, "sftp host key not pinned", ("host", endpoint.KnownAs), ("path", path), ("error", failure.Message));
        }
    }

    /// <summary>What is known of a server.</summary>
    /// <param name="Keys">Keys it may have; empty = unknown.</param>
    /// <param name="Known">Revoked keys.</param>
    /// <param name="Source">Where they come from, for messages.</param>
    internal sealed record Expectation(IReadOnlyList<HostKey> Keys, KnownHosts Known, string Source);
}
