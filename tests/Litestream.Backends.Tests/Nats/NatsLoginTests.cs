using Litestream.Storage;
using Litestream.Storage.Nats;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Nats;

/// <summary>Ways to get in (backends §4.8 Auth), each on a server that demands it, and each refused with the wrong secret.</summary>
public sealed class NatsLoginTests
{
    [Fact]
    public async Task User_and_password()
    {
        await using StorageServer server = await StartAsync(("NATS_AUTH", "user"));
        await AcceptAsync(new NatsOptions { Url = Url(server), Username = "u", Password = "p", Token = "ignored: user and password go first" });
        await AcceptAsync(new NatsOptions { Url = $"nats://u:p@127.0.0.1:{server.Port}" });
        await RefuseAsync(new NatsOptions { Url = Url(server), Username = "u", Password = "wrong-secret" });
        await RefuseAsync(new NatsOptions { Url = Url(server) });
    }

    [Fact]
    public async Task Token()
    {
        await using StorageServer server = await StartAsync(("NATS_AUTH", "token"));
        await AcceptAsync(new NatsOptions { Url = Url(server), Token = "t" });
        await AcceptAsync(new NatsOptions { Url = $"nats://t@127.0.0.1:{server.Port}" });
        await RefuseAsync(new NatsOptions { Url = Url(server), Token = "wrong-secret" });
    }

    [Fact]
    public async Task NKey()
    {
        string seed = TestKeys.Seed([.. Enumerable.Range(7, 32).Select(n => (byte)n)]);
        string other = TestKeys.Seed([.. Enumerable.Range(8, 32).Select(n => (byte)n)]);
        string user = TestKeys.PublicKey(seed);
        await using StorageServer server = await StartAsync(("NATS_AUTH", "nkey"), ("NATS_NKEY", user));
        await AcceptAsync(new NatsOptions { Url = Url(server), NKey = user, Seed = seed });
        await RefuseAsync(new NatsOptions { Url = Url(server), NKey = TestKeys.PublicKey(other), Seed = other });
        await RefuseAsync(new NatsOptions { Url = Url(server), NKey = user, Seed = other }, "nkey needs its private part");
        await RefuseAsync(new NatsOptions { Url = Url(server), NKey = user }, "nkey needs its private part");
        await RefuseAsync(new NatsOptions { Url = Url(server), NKey = user, Seed = seed[..20] + (seed[20] == 'A' ? 'B' : 'A') + seed[21..] }, "check sum");
    }

    [Fact]
    public async Task Tls()
    {
        await using StorageServer server = await StartAsync(("NATS_TLS", "1"));
        await AcceptAsync(new NatsOptions { Url = Url(server), Tls = true, RootCas = [Path.Combine(server.Folder, "ca.crt")] });
        await AcceptAsync(new NatsOptions { Url = Url(server), RootCas = [Path.Combine(server.Folder, "ca.crt")] });
        await RefuseAsync(new NatsOptions { Url = Url(server), Tls = true }, "root-cas"); // The system does not know this authority.
        await RefuseAsync(new NatsOptions { Url = Url(server), RootCas = [Path.Combine(server.Folder, "none.crt")] }, "none.crt");
        await RefuseAsync(new NatsOptions { Url = Url(server), RootCas = [Path.Combine(server.Folder, "nats.conf")] }, "holds no certificate");
    }

    [Fact]
    public async Task Mutual_tls()
    {
        await using StorageServer server = await StartAsync(("NATS_TLS", "mutual"));
        var options = new NatsOptions
        {
            Url = Url(server),
            RootCas = [Path.Combine(server.Folder, "ca.crt")],
            ClientCert = Path.Combine(server.Folder, "client.crt"),
            ClientKey = Path.Combine(server.Folder, "client.key"),
        };
        await AcceptAsync(options);
        await RefuseAsync(options with { ClientKey = "" }, "client-cert and client-key must both be specified");
        await RefuseAsync(options with { ClientCert = options.RootCas[0] }, "client-cert");
    }

    /// <summary>A server without TLS must not be talked to in the clear when TLS is required.</summary>
    [Fact]
    public async Task Required_tls_is_not_given_up()
    {
        await using StorageServer server = await StartAsync();
        using var transport = new StorageTransport(new TransportOptions { Retry = new RetryOptions(1, TimeSpan.Zero, TimeSpan.Zero) });
        await using var client = new NatsReplicaClient(new NatsOptions { Url = Url(server), Bucket = "b", Tls = true }, transport);
        ReplicaException refused = await Assert.ThrowsAsync<ReplicaException>(async () => await client.InitializeAsync(TestContext.Current.CancellationToken));
        Assert.Contains("TLS", refused.Message, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>A credentials file: JWT and seed. The server of the tests knows no operators; what is sent is read from the options.</summary>
    [Fact]
    public async Task Credentials_file_must_exist()
    {
        using var folder = new TempDirectory();
        await RefuseAsync(new NatsOptions { Creds = folder["user.creds"] }, "user.creds");
        Assert.Equal(folder.Root, ConnectionSettings.Create(new NatsOptions { Jwt = "a", Creds = MakeFile(folder) }).AuthOpts.CredsFile?[..folder.Root.Length]);
    }

    [Fact]
    public void The_first_complete_way_in_is_taken()
    {
        string seed = TestKeys.Seed(new byte[32]);
        var all = new NatsOptions { Jwt = "jwt", Seed = seed, Username = "u", Password = "p", Token = "t", NKey = TestKeys.PublicKey(seed) };
        Assert.Equal("jwt", ConnectionSettings.Create(all).AuthOpts.Jwt);
        Assert.Equal(all.NKey, ConnectionSettings.Create(all with { Jwt = "" }).AuthOpts.NKey);
        Assert.Equal("u", ConnectionSettings.Create(all with { Jwt = "", NKey = "" }).AuthOpts.Username);
        Assert.Equal("t", ConnectionSettings.Create(all with { Jwt = "", NKey = "", Username = "" }).AuthOpts.Token);
    }

    [Fact]
    public void Options_do_not_show_secrets()
    {
        var options = new NatsOptions { Url = "nats://user:secret1@h/b", Bucket = "b", Seed = "secret2", Password = "secret3", Token = "secret4", Jwt = "secret5" };
        Assert.Equal("nats://h:4222/b", options.ToString());
    }

    private static string MakeFile(TempDirectory folder)
    {
        File.WriteAllText(folder["user.creds"], "");
        return folder["user.creds"];
    }

    private static string Url(StorageServer server) => $"nats://127.0.0.1:{server.Port}";

    private static Task<StorageServer> StartAsync(params (string Name, string Value)[] environment) =>
        StorageServer.StartAsync("nats", environment: environment.ToDictionary(pair => pair.Name, pair => pair.Value));

    private static async Task AcceptAsync(NatsOptions options)
    {
        using var transport = new StorageTransport();
        await using TestBucket bucket = await TestBucket.CreateAsync(options with { Bucket = "b-" + ObjectNames.NewNuid() }, transport);
        await bucket.WriteAsync(0, 1, 1);
        Assert.Equal(300, (await bucket.ReadAsync(0, 1, 1)).Length);
    }

    /// <summary>Refused at once and for good, and without the secret in the message.</summary>
    private static async Task RefuseAsync(NatsOptions options, string message = "refuses the credentials")
    {
        using var transport = new StorageTransport();
        await using var client = new NatsReplicaClient(options with { Bucket = "b" }, transport);
        ReplicaException refused = await Assert.ThrowsAsync<ReplicaException>(async () => await client.InitializeAsync(TestContext.Current.CancellationToken));
        Assert.False(refused.IsTransient, refused.Message);
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wrong-secret", refused.ToString(), StringComparison.Ordinal);
    }
}
