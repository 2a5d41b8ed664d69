using System.Security.Cryptography;
using System.Text;
using Litestream.Storage;
using Litestream.Storage.Sftp;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Sftp;

/// <summary>Who is believed to be the server (decision D36, trap T29).</summary>
[Collection(nameof(SftpTests))]
public sealed class SftpHostKeyTests(SftpServer server)
{
    private const string OtherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f other";

    private string Name => $"[127.0.0.1]:{server.Port}";

    private string Known => string.Join(' ', server.HostKey.Split(' ').Take(2)).Trim();

    [Fact]
    public async Task Backend_T29_The_configured_key_lets_its_server_in_and_no_other()
    {
        await ConnectAsync(server.Options());
        ReplicaException refused = await RefusedAsync(server.Options() with { HostKey = OtherKey });
        Assert.Contains("ssh: host key mismatch", refused.Message, StringComparison.Ordinal);
        ReplicaException garbage = await RefusedAsync(server.Options() with { HostKey = "ssh-ed25519 hello" });
        Assert.Contains("host-key is no public key", garbage.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backend_T29_Of_several_host_keys_the_type_of_the_configured_one_is_negotiated()
    {
        using var scripts = new TempDirectory();
        string script = scripts["many.sh"];
        await File.WriteAllTextAsync(script, ManyKeys, TestContext.Current.CancellationToken);
        await using StorageServer many = await StorageServer.StartScriptAsync(script);
        foreach (string type in new[] { "ed25519", "ecdsa", "rsa" })
        {
            SftpOptions options = server.Options() with
            {
                Host = $"127.0.0.1:{many.Port}",
                HostKey = await File.ReadAllTextAsync(Path.Combine(many.Folder, $"host_{type}.pub"), TestContext.Current.CancellationToken),
                KeyPath = Path.Combine(many.Folder, "client_key"),
                Path = many.Folder,
            };
            await ConnectAsync(options);
            await RefusedAsync(options with { HostKey = OtherKey });

            // The same through known_hosts.
            string hosts = scripts["known_hosts"];
            await File.WriteAllTextAsync(hosts, $"[127.0.0.1]:{many.Port} {options.HostKey}", TestContext.Current.CancellationToken);
            await ConnectAsync(options with { HostKey = null, KnownHostsPath = hosts, StrictHostKey = true });
        }

        // A type that this server does not have at all.
        ReplicaException refused = await RefusedAsync(server.Options() with
        {
            HostKey = await File.ReadAllTextAsync(Path.Combine(many.Folder, "host_rsa.pub"), TestContext.Current.CancellationToken),
        });
        Assert.Contains("ssh: host key mismatch", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_key_seen_is_pinned_with_a_warning_and_a_later_other_one_is_refused()
    {
        using var state = new TempDirectory();
        SftpOptions options = server.Options() with { HostKey = null, StateDirectory = state["new/state"] };
        var log = new RecordingLog();
        await ConnectAsync(options, log);
        Assert.Contains(log.Lines, line => line.StartsWith("Warning: sftp host key not verified", StringComparison.Ordinal));
        string pins = Path.Combine(state["new/state"], "sftp-known-hosts");
        Assert.Equal($"{Name} {Known}\n", await File.ReadAllTextAsync(pins, TestContext.Current.CancellationToken));

        var quiet = new RecordingLog();
        await ConnectAsync(options, quiet);
        Assert.Empty(quiet.Lines);

        await File.WriteAllTextAsync(pins, $"{Name} {OtherKey}\n", TestContext.Current.CancellationToken);
        Assert.Contains("ssh: host key mismatch", (await RefusedAsync(options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_state_directory_an_unknown_server_is_let_in_with_a_warning()
    {
        var log = new RecordingLog();
        await ConnectAsync(server.Options() with { HostKey = null }, log);
        Assert.Single(log.Lines, line => line.Contains("sftp host key not verified", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Strict_refuses_an_unknown_server_and_says_which_key_it_has()
    {
        ReplicaException refused = await RefusedAsync(server.Options() with { HostKey = null, StrictHostKey = true });
        Assert.Contains(Known, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Known_hosts_are_read_plain_hashed_with_wildcards_and_revoked()
    {
        using var folder = new TempDirectory();
        string path = folder["known_hosts"];
        SftpOptions options = server.Options() with { HostKey = null, KnownHostsPath = path, StrictHostKey = true };
        foreach (string names in new[] { Name, $"elsewhere,{Name}", Hashed(Name), "[127.*]:*" })
        {
            await File.WriteAllTextAsync(path, $"# comment\n\nelsewhere {OtherKey}\n{names} {Known} me@here\n", TestContext.Current.CancellationToken);
            await ConnectAsync(options);
        }

        foreach (string names in new[] { "127.0.0.1", Hashed("127.0.0.1"), $"[127.*]:*,!{Name}" })
        {
            await File.WriteAllTextAsync(path, $"{names} {Known}\n", TestContext.Current.CancellationToken);
            await RefusedAsync(options);
        }

        await File.WriteAllTextAsync(path, $"{Name} {OtherKey}\n", TestContext.Current.CancellationToken);
        Assert.Contains("ssh: host key mismatch", (await RefusedAsync(options with { StrictHostKey = false })).Message, StringComparison.Ordinal);
        await File.WriteAllTextAsync(path, $"{Name} {Known}\n@revoked * {Known}\n", TestContext.Current.CancellationToken);
        Assert.Contains("revoked", (await RefusedAsync(options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Host_and_port_are_told_apart()
    {
        Assert.Equal("h", Parsed("h").KnownAs);
        Assert.Equal("[h]:2222", Parsed("h:2222").KnownAs);
        Assert.Equal("h", Parsed("h:22").KnownAs);
        Assert.Equal("[::1]:23", Parsed("[::1]:23").KnownAs);
        Assert.Equal("fe80::1", Parsed("fe80::1").KnownAs);
        foreach (string wrong in new[] { "", ":22", "h:0", "h:65536", "h:x", "h:-1" })
        {
            Assert.False(Assert.Throws<ReplicaException>(() => Parsed(wrong)).IsTransient);
        }
    }

    private static SftpEndpoint Parsed(string text) => SftpEndpoint.Parse(text);

    private static string Hashed(string name)
    {
        byte[] salt = RandomNumberGenerator.GetBytes(20);
#pragma warning disable CA5350 // The format of the file.
        return $"|1|{Convert.ToBase64String(salt)}|{Convert.ToBase64String(HMACSHA1.HashData(salt, Encoding.UTF8.GetBytes(name)))}";
#pragma warning restore CA5350
    }

    private static async Task ConnectAsync(SftpOptions options, RecordingLog? log = null)
    {
        using var transport = new StorageTransport(SftpServer.Fast with { Logger = log ?? new RecordingLog() });
        await using var client = new SftpReplicaClient(options, transport);
        await client.InitializeAsync(CancellationToken.None);
    }

    private static async Task<ReplicaException> RefusedAsync(SftpOptions options)
    {
        ReplicaException refused = await Assert.ThrowsAsync<ReplicaException>(() => ConnectAsync(options));
        Assert.False(refused.IsTransient);
        return refused;
    }

    private const string ManyKeys = """
        set -eu
        D=$1
        for t in ed25519 ecdsa rsa; do ssh-keygen -q -t $t -N '' -f "$D/host_$t"; done
        ssh-keygen -q -t ed25519 -N '' -f "$D/client_key"
        cp "$D/client_key.pub" "$D/authorized_keys"; chmod 755 "$D"
        mkdir -p /run/sshd 2>/dev/null || true
        cat >"$D/sshd_config" <<X
        ListenAddress 127.0.0.1
        Port $2
        HostKey $D/host_rsa
        HostKey $D/host_ecdsa
        HostKey $D/host_ed25519
        PidFile $D/sshd.pid
        AuthorizedKeysFile $D/authorized_keys
        PasswordAuthentication no
        KbdInteractiveAuthentication no
        PermitRootLogin prohibit-password
        UsePAM no
        StrictModes no
        Subsystem sftp internal-sftp
        X
        exec /usr/sbin/sshd -D -e -f "$D/sshd_config" -E "$D/sshd.log"
        """;
}
