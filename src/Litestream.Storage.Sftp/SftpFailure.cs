using System.Net.Sockets;
using Renci.SshNet.Common;
using Renci.SshNet.Messages.Transport;
using Renci.SshNet.Sftp;

namespace Litestream.Storage.Sftp;

/// <summary>What the library's exceptions mean (backends §1.4): the connection is gone, the server said no, or it will say yes later.</summary>
internal static class SftpFailure
{
    /// <summary>Whether an exception comes from the library or the network, and not from the caller's stream or a defect of ours.</summary>
    internal static bool IsOfServer(Exception failure) =>
        failure is SshException or SocketException or ProxyException or ObjectDisposedException or InvalidOperationException
        && failure is not ReplicaException;

    /// <summary>Whether there is no such file or directory.</summary>
    internal static bool IsMissing(Exception failure) => failure is SftpPathNotFoundException or SftpException { StatusCode: StatusCode.NoSuchFile };

    /// <summary>Whether the server answered; otherwise the connection is of no further use.</summary>
    internal static bool IsAnswer(Exception failure) =>
        failure is SftpException { StatusCode: not (StatusCode.NoConnection or StatusCode.ConnectionLost or StatusCode.BadMessage) } or NotSupportedException;

    /// <summary>The exception to report.</summary>
    /// <param name="what">Operation and path.</param>
    /// <param name="failure">What the library threw.</param>
    internal static ReplicaException Describe(string what, Exception failure) => failure switch
    {
        ReplicaException known => known,
        SftpPermissionDeniedException or SftpException { StatusCode: StatusCode.PermissionDenied } => new ReplicaException(
            $"{what}: permission denied; give the login user read and write access to the replica's path", isTransient: false, failure),
        _ when IsMissing(failure) => new ReplicaException($"{what}: no such file or directory", isTransient: false, failure),
        SftpException { StatusCode: StatusCode.OperationUnsupported } or NotSupportedException => new ReplicaException(
            $"{what}: the server does not support it", isTransient: false, failure),
        SftpException answer => new ReplicaException(
            $"{what}: the server answered {answer.StatusCode}: {answer.Message}; check its free space and its log", isTransient: true, failure),
        _ => new ReplicaException($"{what}: connection lost: {failure.Message}", isTransient: true, failure),
    };

    /// <summary>The exception for a connection that did not come about.</summary>
    /// <param name="endpoint">The server.</param>
    /// <param name="user">Login name.</param>
    /// <param name="failure">What the library threw.</param>
    internal static ReplicaException DescribeConnect(SftpEndpoint endpoint, string user, Exception failure) => failure switch
    {
        ReplicaException known => known,
        SshAuthenticationException => new ReplicaException(
            $"sftp: {endpoint.KnownAs} refused to log in user {user}: {failure.Message} Check user, password and key-path, and that the server has the public key",
            isTransient: false, failure),
        SshConnectionException { DisconnectReason: DisconnectReason.KeyExchangeFailed or DisconnectReason.ProtocolVersionNotSupported } => new ReplicaException(
            $"sftp: no common protocol with {endpoint.KnownAs}: {failure.Message}", isTransient: false, failure),
        SshException when failure.Message.StartsWith("Subsystem", StringComparison.Ordinal) => new ReplicaException(
            $"sftp: {endpoint.KnownAs} does not offer SFTP to user {user}; enable the sftp subsystem there", isTransient: false, failure),
        _ => new ReplicaException($"sftp: cannot connect to {endpoint.KnownAs}: {failure.Message}", isTransient: true, failure),
    };
}
