using System.Diagnostics;
using System.Text;
using Litestream.TestKit;
using NATS.NKeys;
using Org.BouncyCastle.Math.EC.Rfc8032;
using Xunit;

namespace Litestream.Backends.Tests.Nats;

/// <summary>Keys of NATS against values that other programs made.</summary>
public sealed class NKeyTests
{
    // Seed bytes of RFC 8032, 7.1, test 1; text form and check sums computed apart from this code (Python: base64, binascii.crc_hqx).
    private const string Seed = "SUAJ2YNRTXX72WTAXKCEV5ES5QWMIRCJYVUXWMTJDFYDXLADDSXH6YALCA";
    private const string PublicKey = "UDLVVGABQKYQVN6VJP7NHSLEA45A5YLS6PNKMIZFV4BBU2HXA5IRUVAL";

    private const string EmptySignature =
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

    [Fact]
    public void The_public_key_follows_from_the_seed() => Assert.Equal(PublicKey, TestKeys.PublicKey(Seed));

    [Fact]
    public void The_signature_is_that_of_the_standard()
    {
        byte[] signature = new byte[64];
        KeyPair pair = KeyPair.FromSeed(Seed);
        pair.Sign(ReadOnlyMemory<byte>.Empty, signature);
        Assert.Equal(EmptySignature, Convert.ToHexStringLower(signature));
        Assert.Throws<ArgumentException>(() => pair.Sign(ReadOnlyMemory<byte>.Empty, new byte[63]));
        pair.Dispose();
        Assert.Throws<ObjectDisposedException>(() => pair.Sign(ReadOnlyMemory<byte>.Empty, signature));
    }

    [Fact]
    public void A_damaged_seed_is_refused_and_not_shown()
    {
        for (int at = 0; at < Seed.Length; at++)
        {
            char other = Seed[at] == 'A' ? 'B' : 'A';
            string damaged = Seed[..at] + other + Seed[(at + 1)..];
            FormatException refused = Assert.Throws<FormatException>(() => KeyPair.FromSeed(damaged));
            Assert.DoesNotContain(damaged, refused.Message, StringComparison.Ordinal);
        }

        foreach (string none in (string[])["", "SU", Seed[1..], Seed + "A", PublicKey, Seed.ToLowerInvariant(), "1" + Seed[1..]])
        {
            Assert.Throws<FormatException>(() => KeyPair.FromSeed(none));
        }
    }

    /// <summary>A seed made here and its counterpart: text forms of any key are read back, signatures verify.</summary>
    [Fact]
    public void Random_keys_sign_what_their_public_key_verifies()
    {
        var random = new Random(1);
        for (int i = 0; i < 20; i++)
        {
            byte[] raw = new byte[32];
            random.NextBytes(raw);
            using KeyPair pair = KeyPair.FromSeed(TestKeys.Seed(raw));
            byte[] data = new byte[i];
            random.NextBytes(data);
            byte[] signature = new byte[64];
            pair.Sign(data, signature);
            byte[] publicKey = TestKeys.Decode(pair.GetPublicKey())[1..33];
            Assert.True(Ed25519.Verify(signature, 0, publicKey, 0, data, 0, data.Length));
            Assert.StartsWith("U", pair.GetPublicKey(), StringComparison.Ordinal);
        }
    }

    /// <summary>The same key through OpenSSL, which shares no code with ours.</summary>
    [Fact]
    public async Task The_signature_is_that_of_OpenSSL()
    {
        using var folder = new TempDirectory();
        byte[] raw = [.. Enumerable.Range(1, 32).Select(n => (byte)n)];
        byte[] der = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20, .. raw]; // PKCS #8 of RFC 8410.
        await File.WriteAllTextAsync(
            folder["key.pem"], $"-----BEGIN PRIVATE KEY-----\n{Convert.ToBase64String(der)}\n-----END PRIVATE KEY-----\n", TestContext.Current.CancellationToken);
        byte[] data = Encoding.UTF8.GetBytes("nonce");
        await File.WriteAllBytesAsync(folder["data"], data, TestContext.Current.CancellationToken);
        using Process openssl = Process.Start(
            "openssl", ["pkeyutl", "-sign", "-rawin", "-inkey", folder["key.pem"], "-in", folder["data"], "-out", folder["signature"]])!;
        await openssl.WaitForExitAsync(TestContext.Current.CancellationToken);
        byte[] signature = new byte[64];
        using KeyPair pair = KeyPair.FromSeed(TestKeys.Seed(raw));
        pair.Sign(data, signature);
        Assert.Equal(await File.ReadAllBytesAsync(folder["signature"], TestContext.Current.CancellationToken), signature);
    }
}
