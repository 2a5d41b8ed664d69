using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Litestream.Storage.Sftp;

/// <summary>
/// The keys of a running <c>ssh-agent</c>, over its socket. The private halves never leave the agent: it lists public keys and signs.
/// One connection per question, for agents are restarted and a daemon is not.
/// </summary>
/// <param name="path">The socket, as <c>SSH_AUTH_SOCK</c> names it.</param>
/// <param name="patience">Longest wait for a byte; an agent may ask its user before it signs.</param>
internal sealed class SshAgent(string path, TimeSpan patience)
{
    private const int MaxAnswer = 256 << 10;

    private const byte ListRequest = 11;
    private const byte ListAnswer = 12;
    private const byte SignRequest = 13;
    private const byte SignAnswer = 14;

    /// <summary>Public keys, as blobs that begin with the name of their type.</summary>
    /// <exception cref="IOException">The agent does not answer, or not as an agent does.</exception>
    internal IReadOnlyList<byte[]> ListKeys()
    {
        ReadOnlySpan<byte> answer = Ask(ListRequest, [], ListAnswer);
        uint count = TakeNumber(ref answer);
        var keys = new List<byte[]>();
        while (keys.Count < count)
        {
            keys.Add(TakeText(ref answer).ToArray());
            TakeText(ref answer); // The comment.
        }

        return keys;
    }

    /// <summary>Signs.</summary>
    /// <param name="key">A key of <see cref="ListKeys"/>.</param>
    /// <param name="data">What is to be signed.</param>
    /// <param name="flags">0, or the hash that an RSA signature is to use: 2 = SHA-256, 4 = SHA-512.</param>
    /// <returns>The signature with the name of its algorithm, as the protocol carries it.</returns>
    /// <exception cref="IOException">The agent does not answer, or refuses: the key is gone, or its user said no.</exception>
    internal byte[] Sign(byte[] key, byte[] data, uint flags)
    {
        byte[] body = new byte[key.Length + data.Length + (3 * sizeof(uint))];
        Span<byte> rest = Put(Put(body, key), data);
        BinaryPrimitives.WriteUInt32BigEndian(rest, flags);
        ReadOnlySpan<byte> answer = Ask(SignRequest, body, SignAnswer);
        return TakeText(ref answer).ToArray();
    }

    /// <summary>Name of a key's type.</summary>
    internal static string TypeOf(ReadOnlySpan<byte> key) => Encoding.ASCII.GetString(TakeText(ref key));

    private byte[] Ask(byte request, ReadOnlySpan<byte> body, byte expected)
    {
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            {
                ReceiveTimeout = (int)patience.TotalMilliseconds,
                SendTimeout = (int)patience.TotalMilliseconds,
            };
            socket.Connect(new UnixDomainSocketEndPoint(path));
            using var stream = new NetworkStream(socket);
            byte[] message = new byte[sizeof(uint) + 1 + body.Length];
            BinaryPrimitives.WriteUInt32BigEndian(message, (uint)(1 + body.Length));
            message[sizeof(uint)] = request;
            body.CopyTo(message.AsSpan(sizeof(uint) + 1));
            stream.Write(message);

            Span<byte> head = stackalloc byte[sizeof(uint) + 1];
            stream.ReadExactly(head);
            uint length = BinaryPrimitives.ReadUInt32BigEndian(head);
            if (head[^1] != expected || length is 0 or > MaxAnswer)
            {
                throw new IOException($"it refused (answer {head[^1]})");
            }

            byte[] answer = new byte[length - 1];
            stream.ReadExactly(answer);
            return answer;
        }
        catch (Exception failure) when (failure is SocketException or ArgumentException)
        {
            throw new IOException(failure.Message, failure);
        }
    }

    private static Span<byte> Put(Span<byte> target, ReadOnlySpan<byte> text)
    {
        BinaryPrimitives.WriteUInt32BigEndian(target, (uint)text.Length);
        text.CopyTo(target[sizeof(uint)..]);
        return target[(sizeof(uint) + text.Length)..];
    }

    private static uint TakeNumber(ref ReadOnlySpan<byte> source)
    {
        if (!BinaryPrimitives.TryReadUInt32BigEndian(source, out uint number))
        {
            throw new IOException("its answer is cut short");
        }

        source = source[sizeof(uint)..];
        return number;
    }

    private static ReadOnlySpan<byte> TakeText(ref ReadOnlySpan<byte> source)
    {
        uint length = TakeNumber(ref source);
        if (length > source.Length)
        {
            throw new IOException("its answer is cut short");
        }

        ReadOnlySpan<byte> text = source[..(int)length];
        source = source[(int)length..];
        return text;
    }
}
