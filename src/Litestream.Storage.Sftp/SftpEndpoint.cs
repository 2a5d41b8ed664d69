using System.Globalization;

namespace Litestream.Storage.Sftp;

/// <summary>Address of a server.</summary>
/// <param name="Host">Name or address, without brackets.</param>
/// <param name="Port">1 to 65535.</param>
internal readonly record struct SftpEndpoint(string Host, int Port)
{
    private const int DefaultPort = 22;

    /// <summary>The name under which known_hosts files keep the server: with brackets and port unless the port is 22.</summary>
    internal string KnownAs => Port == DefaultPort ? Host : string.Create(CultureInfo.InvariantCulture, $"[{Host}]:{Port}");

    /// <summary>Reads <c>host</c>, <c>host:port</c>, <c>[v6]</c>, <c>[v6]:port</c> or a bare IPv6 address.</summary>
    /// <exception cref="ReplicaException">It is empty or its port is none.</exception>
    internal static SftpEndpoint Parse(string text)
    {
        int close = text.StartsWith('[') ? text.IndexOf(']', StringComparison.Ordinal) : -1;
        int colon = text.LastIndexOf(':');
        bool bareAddress = close < 0 && colon >= 0 && text.IndexOf(':', StringComparison.Ordinal) != colon;
        string host = close > 0 ? text[1..close] : colon < 0 || bareAddress ? text : text[..colon];
        string port = bareAddress || colon <= close ? "" : text[(colon + 1)..];
        if (host.Length == 0)
        {
            throw new ReplicaException("host required for sftp replica", isTransient: false);
        }

        if (port.Length == 0)
        {
            return new SftpEndpoint(host, DefaultPort);
        }

        return int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number is > 0 and <= ushort.MaxValue
            ? new SftpEndpoint(host, number)
            : throw new ReplicaException($"sftp: {port} is no port; write host:port with a port of 1 to 65535", isTransient: false);
    }
}
