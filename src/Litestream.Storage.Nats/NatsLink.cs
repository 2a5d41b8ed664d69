using Litestream.Diagnostics;
using Litestream.Storage.Transport;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;

namespace Litestream.Storage.Nats;

/// <summary>
/// One connection to a NATS server or cluster: opened at the first use, reopened after it was given up, silent but for the protocol's ping
/// while nobody asks anything. Time limits follow the handed-in clock.
/// </summary>
internal sealed class NatsLink : IAsyncDisposable
{
    /// <summary>Longest wait for an answer to a request (backends §2: API calls 5 s).</summary>
    private static readonly TimeSpan MaxAnswer = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan PingLimit = TimeSpan.FromSeconds(2);

    private readonly NatsOptions _options;
    private readonly TransportOptions _transport;
    private readonly SemaphoreSlim _gate = new(1, 1);
    private NatsConnection? _connection;
    private int _probing;

    public NatsLink(NatsOptions options, TransportOptions transport)
    {
        _options = options;
        _transport = transport;
        AnswerTimeout = transport.IdleTimeout < MaxAnswer ? transport.IdleTimeout : MaxAnswer;
        Display = ServerList.Display(options.Url);
    }

    /// <summary>Server addresses for messages.</summary>
    public string Display { get; }

    /// <summary>Clock of all time limits.</summary>
    public TimeProvider Time => _transport.Time;

    /// <summary>Longest time without the answer that is waited for.</summary>
    public TimeSpan AnswerTimeout { get; }

    /// <summary>The open connection.</summary>
    /// <exception cref="ReplicaException">It cannot be opened; permanent if the server refuses us.</exception>
    public async ValueTask<NatsConnection> OpenAsync(CancellationToken cancellationToken)
    {
        if (_connection is { ConnectionState: not (NatsConnectionState.Closed or NatsConnectionState.Failed) } open)
        {
            return open;
        }

        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_connection is { ConnectionState: not (NatsConnectionState.Closed or NatsConnectionState.Failed) } other)
            {
                return other;
            }

            if (_connection is { } dead)
            {
                _connection = null;
                await ReleaseAsync(dead).ConfigureAwait(false);
            }

            return _connection = await ConnectAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Sends a request and waits for its one answer.</summary>
    /// <exception cref="ReplicaException">No answer came, or nobody listens there.</exception>
    public async ValueTask<NatsMsg<T>> RequestAsync<T>(
        string subject, ReadOnlyMemory<byte> payload, NatsHeaders? headers, CancellationToken cancellationToken)
    {
        NatsConnection connection = await OpenAsync(cancellationToken).ConfigureAwait(false);
        return await GuardAsync(
            subject,
            token => connection.RequestAsync<ReadOnlyMemory<byte>, T>(
                subject, payload, headers, requestSerializer: NatsRawSerializer<ReadOnlyMemory<byte>>.Default,
                replySerializer: NatsRawSerializer<T>.Default, requestOpts: null, replyOpts: null, token),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Sends a message; what is answered goes to an inbox.</summary>
    /// <exception cref="ReplicaException">It cannot be sent.</exception>
    public async ValueTask PublishAsync(
        NatsConnection connection, string subject, ReadOnlyMemory<byte> payload, string inbox, CancellationToken cancellationToken) =>
        await GuardAsync(
            subject,
            async token =>
            {
                await connection.PublishAsync(
                    subject, payload, replyTo: inbox, serializer: NatsRawSerializer<ReadOnlyMemory<byte>>.Default, cancellationToken: token).ConfigureAwait(false);
                return true;
            },
            cancellationToken).ConfigureAwait(false);

    /// <summary>Runs one step on the connection within <see cref="AnswerTimeout"/> and turns the library's failures into ours.</summary>
    /// <param name="what">Subject, for messages.</param>
    /// <param name="step">The step.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async ValueTask<T> GuardAsync<T>(string what, Func<CancellationToken, ValueTask<T>> step, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(AnswerTimeout, _transport.Time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        try
        {
            // The library has waits that no token ends, behind a pipe that nobody empties while it connects again.
            ValueTask<T> running = step(both.Token);
            return running.IsCompleted ? await running.ConfigureAwait(false) : await running.AsTask().WaitAsync(both.Token).ConfigureAwait(false);
        }
        catch (NatsNoRespondersException e)
        {
            throw new ReplicaException(
                $"nats: nobody answers on {what}: JetStream is off for this account, or its cluster has no leader at the moment", isTransient: true, e);
        }
        catch (Exception e) when (e is OperationCanceledException or NatsNoReplyException or NatsTimeoutException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            await ProbeAsync(cancellationToken).ConfigureAwait(false);
            throw new ReplicaException($"nats: no answer on {what} from {Display} within {AnswerTimeout.TotalSeconds:0.###} s", isTransient: true, e);
        }
        catch (Exception e) when (e is NatsException or ObjectDisposedException or InvalidOperationException or System.Threading.Channels.ChannelClosedException)
        {
            throw new ReplicaException($"nats: {what}: {e.Message}", isTransient: e is not NatsPayloadTooLargeException, e);
        }
    }

    /// <summary>Gives a subscription or a connection back, within <see cref="AnswerTimeout"/>. That it fails is not worth failing for.</summary>
    public async ValueTask ReleaseAsync(IAsyncDisposable used)
    {
        try
        {
            await used.DisposeAsync().AsTask().WaitAsync(AnswerTimeout, _transport.Time).ConfigureAwait(false);
        }
        catch (Exception e) when (e is NatsException or ObjectDisposedException or InvalidOperationException or OperationCanceledException or TimeoutException or IOException)
        {
            // The server forgets a subscription with its connection, and a connection with its socket.
            _transport.Logger.Write(LogLevel.Debug, "nats resource not given back", ("server", Display), ("error", e.Message));
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _connection, null) is { } connection)
        {
            await ReleaseAsync(connection).ConfigureAwait(false);
        }

        _gate.Dispose();
    }

    /// <summary>
    /// A request without an answer may mean a server that hangs, or a connection whose inner loops do: the protocol's own ping would find that
    /// out after minutes. If there is no answer to a ping either, the connection is given up, and the next request makes another one, to
    /// another node if there is one.
    /// </summary>
    private async ValueTask ProbeAsync(CancellationToken cancellationToken)
    {
        if (_connection is not { ConnectionState: NatsConnectionState.Open } connection || Interlocked.Exchange(ref _probing, 1) != 0)
        {
            return;
        }

        try
        {
            using var limit = new CancellationTokenSource(PingLimit, _transport.Time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
            await connection.PingAsync(both.Token).AsTask().WaitAsync(both.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or NatsException or ObjectDisposedException)
        {
            if (!cancellationToken.IsCancellationRequested && Interlocked.CompareExchange(ref _connection, null, connection) == connection)
            {
                _transport.Logger.Write(LogLevel.Debug, "nats server does not answer a ping, connecting again", ("server", Display));
                await ReleaseAsync(connection).ConfigureAwait(false);
            }
        }
        finally
        {
            Volatile.Write(ref _probing, 0);
        }
    }

    private async ValueTask<NatsConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        var connection = new NatsConnection(ConnectionSettings.Create(_options));
        TimeSpan limit = _options.Timeout < _transport.ConnectTimeout ? _options.Timeout : _transport.ConnectTimeout;
        try
        {
            await connection.ConnectAsync().AsTask().WaitAsync(limit, _transport.Time, cancellationToken).ConfigureAwait(false);
            return connection;
        }
        catch (Exception e)
        {
            await ReleaseAsync(connection).ConfigureAwait(false);
            if (e is not (NatsException or TimeoutException or IOException or System.Net.Sockets.SocketException or System.Security.Authentication.AuthenticationException
                or System.Security.Cryptography.CryptographicException))
            {
                throw;
            }

            throw Refusal(e);
        }
    }

    private ReplicaException Refusal(Exception failure)
    {
        for (Exception? cause = failure; cause is not null; cause = cause.InnerException)
        {
            if (cause is NatsServerException { IsAuthError: true } or NatsServerException { Error: "authorization violation" })
            {
                return new ReplicaException($"nats: {Display} refuses the credentials: {cause.Message}; check user, token, nkey or creds", isTransient: false, failure);
            }

            if (cause is System.Security.Authentication.AuthenticationException)
            {
                return new ReplicaException($"nats: TLS with {Display} failed: {cause.Message}; check root-cas, client-cert and client-key", isTransient: false, failure);
            }
        }

        return new ReplicaException($"nats: cannot connect to {Display}: {failure.InnerException?.Message ?? failure.Message}", isTransient: true, failure);
    }
}
