using System.Diagnostics;
using System.Net.Sockets;
using Litestream.Storage;
using Litestream.Storage.Sftp;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.Backends.Tests.Sftp;

/// <summary>Login with the keys of an agent: OpenSSH's own, and some that are none.</summary>
[Collection(nameof(SftpTests))]
public sealed class SftpAgentTests(SftpServer server)
{
    [Theory]
    [InlineData("client_key")]
    [InlineData("client_rsa")]
    public async Task A_key_of_the_agent_logs_in(string key)
    {
        await using Agent agent = await Agent.StartAsync();
        await agent.AddAsync(server.Key(key));
        await ConnectAsync(agent.Socket);
    }

    /// <summary>Keys that the server does not know come first, as in the agent of somebody with many machines.</summary>
    [Fact]
    public async Task The_right_one_of_several_keys_logs_in()
    {
        await using Agent agent = await Agent.StartAsync();
        await agent.AddAsync(server.Key("host_key"));
        await agent.AddAsync(server.Key("client_key"));
        await ConnectAsync(agent.Socket);
    }

    [Fact]
    public async Task An_agent_without_the_key_is_a_permanent_error()
    {
        await using Agent agent = await Agent.StartAsync();
        await RefusedAsync(agent.Socket, "it holds no key; ssh-add one");
        await agent.AddAsync(server.Key("host_key"));
        await RefusedAsync(agent.Socket, "refused to log in");
    }

    [Fact]
    public async Task An_agent_that_is_not_there_or_is_none_is_named()
    {
        using var folder = new TempDirectory();
        await RefusedAsync(folder["missing"], "SSH_AUTH_SOCK");
        foreach (byte[] answer in new byte[][] { [], [0, 0, 0, 1, 5], [0, 0, 0, 5, 12, 0, 0, 0, 9], [0xff, 0xff, 0xff, 0xff, 12], [0, 0, 0, 9, 12, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff] })
        {
            string path = folder["fake"];
            File.Delete(path);
            using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            listener.Bind(new UnixDomainSocketEndPoint(path));
            listener.Listen();
            Task answering = AnswerAsync(listener, answer);
            await RefusedAsync(path, path);
            await answering;
        }
    }

    /// <summary>A key file or a password that is configured is what counts: an agent is not even asked.</summary>
    [Fact]
    public async Task A_configured_key_comes_before_the_agent()
    {
        using var folder = new TempDirectory();
        await ConnectAsync(folder["missing"], server.Options());
    }

    private static async Task AnswerAsync(Socket listener, byte[] answer)
    {
        using Socket client = await listener.AcceptAsync();
        await client.ReceiveAsync(new byte[100]);
        await client.SendAsync(answer);
    }

    private Task ConnectAsync(string socket) => ConnectAsync(socket, server.Options() with { KeyPath = null });

    private static async Task ConnectAsync(string socket, SftpOptions options)
    {
        using var transport = new StorageTransport(SftpServer.Fast with { GetVariable = name => name == "SSH_AUTH_SOCK" ? socket : null });
        await using var client = new SftpReplicaClient(options, transport);
        await client.InitializeAsync(CancellationToken.None);
    }

    private async Task RefusedAsync(string socket, string message)
    {
        ReplicaException refused = await Assert.ThrowsAsync<ReplicaException>(() => ConnectAsync(socket));
        Assert.False(refused.IsTransient);
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
    }

    /// <summary><c>ssh-agent</c> in the foreground.</summary>
    private sealed class Agent : IAsyncDisposable
    {
        private readonly TempDirectory _folder = new();
        private Process _process = null!;

        public string Socket => _folder["agent"];

        public static async Task<Agent> StartAsync()
        {
            var agent = new Agent();
            agent._process = Process.Start(new ProcessStartInfo("ssh-agent", ["-D", "-a", agent.Socket]) { RedirectStandardOutput = true })!;
            await agent._process.StandardOutput.ReadLineAsync();
            return agent;
        }

        public async Task AddAsync(string key)
        {
            CliResult added = await Cli.RunProgramAsync("env", "SSH_AUTH_SOCK=" + Socket, "ssh-add", "-q", key);
            Assert.True(added.ExitCode == 0, added.StandardError);
        }

        public async ValueTask DisposeAsync()
        {
            _process.Kill();
            await _process.WaitForExitAsync();
            _process.Dispose();
            _folder.Dispose();
        }
    }
}
