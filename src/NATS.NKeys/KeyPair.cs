using System.Security.Cryptography;
using Org.BouncyCastle.Math.EC.Rfc8032;

namespace NATS.NKeys;

/// <summary>
/// An Ed25519 key in the text form of NATS: a seed <c>S…</c> of 58 characters, its public key <c>U…</c> of 56. Base32 (RFC 4648, no padding) of
/// prefix, key and CRC-16. Exactly the members that the NATS client library uses.
/// </summary>
public sealed class KeyPair : IDisposable
{
    private const int SeedCharacters = 58;
    private const int SeedPrefix = 18 << 3;

    private readonly byte[] _seed;
    private readonly byte[] _publicKey;
    private readonly byte _type;
    private bool _disposed;

    private KeyPair(byte[] seed, byte type)
    {
        _seed = seed;
        _type = type;
        _publicKey = new byte[Ed25519.PublicKeySize];
        Ed25519.GeneratePublicKey(seed, 0, _publicKey, 0);
    }

    /// <summary>Reads a seed.</summary>
    /// <param name="seed">58 characters: two prefix bytes, 32 bytes of seed, CRC-16 little-endian.</param>
    /// <exception cref="FormatException">It is none: length, alphabet, check sum or prefix are wrong. The message holds no part of it.</exception>
    public static KeyPair FromSeed(ReadOnlySpan<char> seed)
    {
        if (seed.Length != SeedCharacters)
        {
            throw new FormatException($"a NATS seed has {SeedCharacters} characters, this one has {seed.Length}");
        }

        byte[] bytes = NKeyText.Decode(seed);
        byte type = (byte)(((bytes[0] & 7) << 5) | (bytes[1] >> 3));
        return (bytes[0] & 0xf8) == SeedPrefix && bytes.Length == 2 + Ed25519.SecretKeySize
            ? new KeyPair(bytes[2..], type)
            : throw new FormatException("this NATS key is no seed: a seed begins with S");
    }

    /// <summary>The public key, 56 characters; its first letter tells the type (<c>U</c> = user).</summary>
    public string GetPublicKey() => NKeyText.Encode([_type, .. _publicKey]);

    /// <summary>Wipes the seed. The public key stays readable; signing is over.</summary>
    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_seed);
        _disposed = true;
    }

    /// <summary>Signs with Ed25519.</summary>
    /// <param name="data">What is signed.</param>
    /// <param name="signature">Receives 64 bytes.</param>
    /// <exception cref="ArgumentException">There is no room for the signature.</exception>
    public void Sign(ReadOnlyMemory<byte> data, Memory<byte> signature)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (signature.Length < Ed25519.SignatureSize)
        {
            throw new ArgumentException($"a signature has {Ed25519.SignatureSize} bytes", nameof(signature));
        }

        byte[] message = data.ToArray();
        byte[] signed = new byte[Ed25519.SignatureSize];
        Ed25519.Sign(_seed, 0, message, 0, message.Length, signed, 0);
        signed.CopyTo(signature);
    }
}
