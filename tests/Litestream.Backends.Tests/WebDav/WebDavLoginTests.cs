using System.Net.Http.Headers;
using System.Text;
using Litestream.Backends.Tests.Gcs;
using Litestream.Storage;
using Litestream.Storage.WebDav;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.WebDav;

/// <summary>Login, addresses, and refusals. The password never gets into a message.</summary>
public sealed class WebDavLoginTests(WebDavServer server) : IClassFixture<WebDavServer>
{
    private const string Secret = "hunter2-is-wrong";

    [Theory]
    [InlineData(WebDavAccess.Basic)]
    [InlineData(WebDavAccess.Digest)]
    public async Task A_login_is_asked_for_once(WebDavAccess access)
    {
        await using var between = new Interposer($"http://127.0.0.1:{(await server.GetAsync(access)).Port}");
        await using WebDavReplicaClient client = await server.ClientAsync(access, WebDavServer.NewPath(), between.Url);
        await client.InitializeAsync(CancellationToken.None);
        Assert.DoesNotContain("Authorization", between.Requests[0].Headers.Keys);
        await GcsServer.Write(client, 0, 1, 1);
        await GcsServer.Read(client, 0, 1, 1);
        Assert.Equal([401], between.Requests.Select(one => one.Status).Where(status => status == 401));
        Assert.All(between.Requests.Skip(1), one => Assert.StartsWith(access.ToString(), one.Headers["Authorization"], StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(WebDavAccess.Basic)]
    [InlineData(WebDavAccess.Digest)]
    [InlineData(WebDavAccess.Tls)]
    public async Task A_wrong_password_is_refused_for_good(WebDavAccess access)
    {
        await using WebDavReplicaClient client = await server.ClientAsync(access, WebDavServer.NewPath(), password: Secret);
        foreach (Func<Task> use in new Func<Task>[]
        {
            () => client.InitializeAsync(CancellationToken.None).AsTask(), () => GcsServer.List(client, 0), () => GcsServer.Write(client, 0, 1, 1), () => GcsServer.Read(client, 0, 1, 1),
        })
        {
            ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(use);
            Assert.IsNotType<LtxFileNotFoundException>(failure);
            Assert.False(failure.IsTransient);
            Assert.Contains("user u or the password is wrong", failure.Message, StringComparison.Ordinal);
            Assert.DoesNotContain(Secret, failure.ToString(), StringComparison.Ordinal);
            Assert.DoesNotContain(Convert.ToBase64String(Encoding.UTF8.GetBytes("u:" + Secret)), failure.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_server_that_wants_a_login_is_named()
    {
        StorageServer apache = await server.GetAsync(WebDavAccess.Basic);
        await using WebDavReplicaClient client = server.Client($"http://127.0.0.1:{apache.Port}");
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await client.InitializeAsync(CancellationToken.None));
        Assert.Contains("set webdav-username and webdav-password", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_that_is_not_known_is_refused_for_good()
    {
        StorageServer apache = await server.GetAsync(WebDavAccess.Tls);
        await using WebDavReplicaClient client = server.Client($"https://127.0.0.1:{apache.Port}");
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await client.InitializeAsync(CancellationToken.None));
        Assert.False(failure.IsTransient);
        Assert.Contains("certificate", failure.Message, StringComparison.Ordinal);
    }

    // A nonce that has ended is replaced, and the body of the refused upload is sent again.
    [Fact]
    public async Task An_old_nonce_is_replaced()
    {
        int refused = 0;
        await using var between = new Interposer($"http://127.0.0.1:{(await server.GetAsync(WebDavAccess.Digest)).Port}", async exchange =>
        {
            if (exchange.Method == "PUT" && ++refused == 1)
            {
                // What the server answers to a stranger, with a nonce of its own.
                await exchange.ForwardAsync(headers: new Dictionary<string, string> { ["Authorization"] = "Basic eDp5" });
                return true;
            }

            return false;
        });
        await using WebDavReplicaClient client = await server.ClientAsync(WebDavAccess.Digest, WebDavServer.NewPath(), between.Url);
        byte[] content = LtxSample.Create(1, 1, 3000);
        await GcsServer.Write(client, 0, 1, 1, content);
        Assert.Equal([401, 201], between.Requests.Where(one => one.Method == "PUT").Select(one => one.Status));
        Assert.Equal(content, await GcsServer.Read(client, 0, 1, 1));
    }

    // Examples of RFC 2617 §3.5 and RFC 7616 §3.9.1.
    [Theory]
    [InlineData(
        "realm=\"testrealm@host.com\", qop=\"auth,auth-int\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        "Circle Of Life", "0a4f113b", "6629fae49393a05397450978507c4ef1")]
    [InlineData(
        "realm=\"http-auth@example.org\",qop=\"auth, auth-int\",algorithm=MD5,nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"",
        "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "8ca523f5e9506fed4657c9700eebdbec")]
    [InlineData(
        "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\"",
        "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1")]
    public void Digest_answers_are_those_of_the_standard(string challenge, string password, string clientNonce, string expected)
    {
        DigestChallenge digest = DigestChallenge.Parse(challenge)!;
        string answer = digest.Answer("Mufasa", password, "GET", "/dir/index.html", clientNonce);
        Assert.Contains($"response=\"{expected}\"", answer, StringComparison.Ordinal);
        Assert.Contains("qop=auth, nc=00000001,", answer, StringComparison.Ordinal);
        Assert.Contains("nc=00000002,", digest.Answer("Mufasa", password, "GET", "/dir/index.html"), StringComparison.Ordinal);
        Assert.DoesNotContain(password, answer, StringComparison.Ordinal);
    }

    // By hand: H(H(H(u:r:p):n:c):n:00000001:c:auth:H(GET:/)) with MD5.
    [Fact]
    public void Digest_sessions_bind_the_secret_to_the_nonces()
    {
#pragma warning disable CA5351 // The protocol says MD5.
        string H(string text) => Convert.ToHexStringLower(System.Security.Cryptography.MD5.HashData(Encoding.UTF8.GetBytes(text)));
#pragma warning restore CA5351
        string expected = H($"{H($"{H("u:r:p")}:n:c")}:n:00000001:c:auth:{H("GET:/")}");
        DigestChallenge digest = DigestChallenge.Parse("realm=\"r\", nonce=\"n\", algorithm=MD5-sess, qop=auth, stale=TRUE")!;
        Assert.True(digest.IsStale);
        Assert.Contains($"response=\"{expected}\"", digest.Answer("u", "p", "GET", "/", "c"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("realm=\"r\", nonce=\"n\", algorithm=SHA-512-256")]
    [InlineData("realm=\"r\", nonce=\"n\", qop=\"auth-int\"")]
    [InlineData("realm=\"r\"")]
    [InlineData("")]
    public void A_digest_that_is_not_known_is_not_answered(string challenge) => Assert.Null(DigestChallenge.Parse(challenge));

    [Theory]
    [InlineData(false, "Digest")]
    [InlineData(true, "Basic")]
    public void Without_encryption_the_password_does_not_travel_where_it_need_not(bool isEncrypted, string expected)
    {
        var login = new WebDavLogin("u", "p", isEncrypted);
        Assert.True(login.Learn(
            login.Current, [new AuthenticationHeaderValue("Basic", "realm=\"r\""), new AuthenticationHeaderValue("Digest", "realm=\"r\", nonce=\"n\", qop=\"auth\"")], proven: false));
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://h/x");
        login.Apply(request, login.Current);
        Assert.Equal(expected, request.Headers.Authorization!.Scheme);
    }

    [Theory]
    [InlineData("", "webdav-url required for webdav replica")]
    [InlineData("host/path", "no valid address")]
    [InlineData("ftp://host/", "neither http nor https")]
    [InlineData("http://u:hunter2-is-wrong@host/", "must not hold a user name")]
    [InlineData("http://host/?x=hunter2-is-wrong", "must not hold a query")]
    public async Task An_address_that_cannot_be_used_is_refused_at_start(string url, string expected)
    {
        await using WebDavReplicaClient client = server.Client(url);
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(async () => await client.InitializeAsync(CancellationToken.None));
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.False(failure.IsTransient);
        Assert.DoesNotContain(Secret, failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Options_show_no_password() =>
        Assert.DoesNotContain(Secret, new WebDavOptions { Url = $"http://u:{Secret}@h", Password = Secret }.ToString(), StringComparison.Ordinal);

    [Theory]
    [InlineData(301, false, "redirects")]
    [InlineData(403, false, "give user")]
    [InlineData(405, false, "does the server speak WebDAV")]
    [InlineData(507, true, "507")]
    [InlineData(423, true, "423")]
    [InlineData(503, true, "503")]
    public async Task A_refusal_says_whether_to_try_again(int status, bool transient, string expected)
    {
        await using var stub = new Interposer("", async exchange =>
        {
            await exchange.RespondAsync(status, "", ("Location", "https://elsewhere/"));
            return true;
        });
        await using WebDavReplicaClient client = server.Client(stub.Url);
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(() => GcsServer.List(client, 0));
        Assert.Equal(transient, failure.IsTransient);
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.Equal(transient ? 4 : 1, stub.Requests.Count);
    }

    [Theory]
    [InlineData("", "wd/", "wd/ltx/0")]
    [InlineData("", "/lead", "lead/ltx/0")]
    [InlineData("", "./dot", "dot/ltx/0")]
    [InlineData("", "a//b", "a/b/ltx/0")]
    [InlineData("", "../up/../x", "x/ltx/0")]
    [InlineData("", "a b/ü+%&=?#", "a b/ü+%&=?#/ltx/0")]
    [InlineData("", "%20", "%20/ltx/0")]
    [InlineData("/base%20path/", "in", "base path/in/ltx/0")]
    public async Task Paths_are_those_of_upstream(string basePath, string path, string expected)
    {
        StorageServer apache = await server.GetAsync(WebDavAccess.Open);
        string folder = Path.Combine(apache.Folder, "data");
        if (basePath.Length > 0)
        {
            await using WebDavReplicaClient missing = server.Client($"http://127.0.0.1:{apache.Port}/nothing{basePath}", path);
            ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(async () => await missing.InitializeAsync(CancellationToken.None));
            Assert.False(failure.IsTransient);
            failure = await Assert.ThrowsAsync<ReplicaException>(() => GcsServer.Write(missing, 0, 1, 1));
            Assert.False(failure.IsTransient);
            Assert.Contains("create that collection", failure.Message, StringComparison.Ordinal);
            Assert.False(Directory.Exists(Path.Combine(folder, "nothing")));
            using var http = new HttpClient();
            using var request = new HttpRequestMessage(new HttpMethod("MKCOL"), $"http://127.0.0.1:{apache.Port}{basePath}");
            (await http.SendAsync(request)).EnsureSuccessStatusCode();
        }

        await using WebDavReplicaClient client = server.Client($"webdav://127.0.0.1:{apache.Port}{basePath}", path);
        await client.InitializeAsync(CancellationToken.None);
        await GcsServer.Write(client, 0, 1, 1);
        Assert.True(File.Exists(Path.Combine(folder, expected, LtxSample.Name(1, 1))));
        Assert.Single(await GcsServer.List(client, 0));
        Assert.Equal(300, (await GcsServer.Read(client, 0, 1, 1)).Length);
        await client.DeleteAllAsync(CancellationToken.None);
        Assert.Empty(await GcsServer.List(client, 0));
    }
}
