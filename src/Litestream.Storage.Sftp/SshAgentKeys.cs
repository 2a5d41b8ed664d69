using Renci.SshNet;
using Renci.SshNet.Security;

namespace Litestream.Storage.Sftp;

/// <summary>The keys of an agent in the order in which they are offered to the server.</summary>
internal sealed class SshAgentKeys : IPrivateKeySource
{
    private const string RsaType = "ssh-rsa";

    /// <summary>Asks the agent for its keys.</summary>
    /// <exception cref="IOException">It does not answer.</exception>
    internal SshAgentKeys(SshAgent agent) => HostKeyAlgorithms = [.. agent.ListKeys().SelectMany(key => Algorithms(agent, key))];

    /// <inheritdoc/>
    public IReadOnlyCollection<HostAlgorithm> HostKeyAlgorithms { get; }

    /// <summary>Servers of today refuse RSA signatures over SHA-1, so these are not offered.</summary>
    private static Algorithm[] Algorithms(SshAgent agent, byte[] key) => SshAgent.TypeOf(key) is var type && type == RsaType
        ? [new Algorithm("rsa-sha2-512", agent, key, 4), new Algorithm("rsa-sha2-256", agent, key, 2)]
        : [new Algorithm(type, agent, key, 0)];

    private sealed class Algorithm(string name, SshAgent agent, byte[] key, uint flags) : HostAlgorithm(name)
    {
        public override byte[] Data => key;

        public override byte[] Sign(byte[] data) => agent.Sign(key, data, flags);

        public override bool VerifySignature(byte[] data, byte[] signature) => throw new NotSupportedException("keys of an agent only log in");
    }
}
