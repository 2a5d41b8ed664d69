namespace Litestream.Storage.Sftp;

/// <summary>Settings of an SFTP replica (backends §3.3, §4.6, decision D36).</summary>
public sealed record SftpOptions
{
    /// <summary>Server as <c>host</c> or <c>host:port</c>; an IPv6 address with a port needs brackets. Required. Default port 22.</summary>
    public string Host { get; init; } = "";

    /// <summary>Login name. Required.</summary>
    public string User { get; init; } = "";

    /// <summary>Password, offered first; null or empty = none.</summary>
    public string? Password { get; init; }

    /// <summary>
    /// Path of the replica as the server sees it (layout B). With a leading slash absolute, else relative to the login directory;
    /// <c>~</c> is not expanded.
    /// </summary>
    public string Path { get; init; } = "";

    /// <summary>
    /// Local path of a private key (OpenSSH, PEM), offered after the password; null or empty = none. Without a password too, the
    /// keys of the agent that the variable <c>SSH_AUTH_SOCK</c> names are offered.
    /// </summary>
    public string? KeyPath { get; init; }

    /// <summary>Passphrase of that key; null or empty = it has none.</summary>
    public string? KeyPassphrase { get; init; }

    /// <summary>The server's key as a line of an <c>authorized_keys</c> file: <c>ssh-ed25519 AAAA… comment</c>. Wins over everything else.</summary>
    public string? HostKey { get; init; }

    /// <summary>True refuses a server whose key is neither configured nor in a known_hosts file; false pins the first key seen.</summary>
    public bool StrictHostKey { get; init; }

    /// <summary>False keeps one WRITE request outstanding at a time, for servers that mishandle several. Default true.</summary>
    public bool ConcurrentWrites { get; init; } = true;

    /// <summary>Absolute local directory that remembers keys seen first (file <c>sftp-known-hosts</c>); null = nothing is remembered.</summary>
    public string? StateDirectory { get; init; }

    /// <summary>The only known_hosts file to read; null = <c>~/.ssh/known_hosts</c> and <c>/etc/ssh/ssh_known_hosts</c>.</summary>
    public string? KnownHostsPath { get; init; }

    /// <summary>Local files: key, known hosts, state.</summary>
    public IFileSystem Files { get; init; } = LocalFileSystem.Instance;

    /// <summary>Where the replica is, without secrets.</summary>
    public override string ToString() => $"sftp://{User}@{Host}/{Path.TrimStart('/')}";
}
