using System.Net;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Litestream.Storage;
using Litestream.Storage.Gcs;
using Litestream.Storage.Gcs.Credentials;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Gcs;

/// <summary>All kinds of credentials, and what happens when they are refused. No message may hold a secret.</summary>
public sealed class GcsCredentialTests(GcsServer server) : IClassFixture<GcsServer>, IDisposable
{
    private readonly TempDirectory _temp = new();

    public void Dispose() => _temp.Dispose();

    [Fact]
    public async Task A_user_login_gets_tokens_for_its_refresh_token() =>
        await RoundTripAsync(("GOOGLE_APPLICATION_CREDENTIALS", UserFile("user.json")));

    [Theory]
    [InlineData("CLOUDSDK_CONFIG", "application_default_credentials.json")]
    [InlineData("HOME", ".config/gcloud/application_default_credentials.json")]
    public async Task What_gcloud_left_behind_is_found(string variable, string file)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_temp[file])!);
        UserFile(file);
        await RoundTripAsync((variable, _temp.Root));
    }

    [Fact]
    public async Task The_metadata_server_is_asked_where_no_file_is()
    {
        await using var between = new Interposer(server.Url);
        await RoundTripAsync(("HOME", _temp.Root), ("GCE_METADATA_HOST", between.Url[7..]));
        Exchange asked = Assert.Single(between.Requests);
        Assert.StartsWith("/computeMetadata/v1/instance/service-accounts/default/token", asked.Target, StringComparison.Ordinal);
        Assert.Equal("Google", asked.Headers["Metadata-Flavor"]);
    }

    [Theory]
    [InlineData("file", "text")]
    [InlineData("file", "json")]
    [InlineData("url", "json")]
    public async Task An_external_identity_is_exchanged(string kind, string format)
    {
        await using Interposer stub = TokenStub();
        await File.WriteAllTextAsync(_temp["subject"], format == "text" ? "subject-token\n" : """{"id_token":"subject-token"}""");
        var source = new JsonObject { [kind] = kind == "file" ? _temp["subject"] : stub.Url + "/subject" };
        if (kind == "url")
        {
            source["headers"] = new JsonObject { ["X-Provider"] = "yes" };
        }

        source["format"] = new JsonObject { ["type"] = format, ["subject_token_field_name"] = "id_token" };
        var file = new JsonObject
        {
            ["type"] = "external_account",
            ["audience"] = "//iam.googleapis.com/projects/1/pool",
            ["subject_token_type"] = "urn:ietf:params:oauth:token-type:jwt",
            ["token_url"] = stub.Url + "/sts",
            ["credential_source"] = source,
        };
        await RoundTripAsync(("GOOGLE_APPLICATION_CREDENTIALS", Save("external.json", file)));

        // And on behalf of a service account.
        file["service_account_impersonation_url"] = stub.Url + "/v1/projects/-/serviceAccounts/a@b:generateAccessToken";
        await RoundTripAsync(("GOOGLE_APPLICATION_CREDENTIALS", Save("external2.json", file)));
        Assert.Contains(stub.Requests, one => one.Target.EndsWith(":generateAccessToken", StringComparison.Ordinal));
        Assert.Empty(stub.Failures);
    }

    [Fact]
    public async Task A_service_account_is_acted_for()
    {
        await using Interposer stub = TokenStub();
        JsonNode acting = JsonNode.Parse(await File.ReadAllTextAsync(server.ServiceAccountFile))!;
        string file = Save("impersonated.json", new JsonObject
        {
            ["type"] = "impersonated_service_account",
            ["service_account_impersonation_url"] = stub.Url + "/v1/projects/-/serviceAccounts/a@b:generateAccessToken",
            ["source_credentials"] = acting,
            ["delegates"] = new JsonArray(),
        });
        await RoundTripAsync(("GOOGLE_APPLICATION_CREDENTIALS", file));
        Assert.Empty(stub.Failures);
    }

    [Fact]
    public async Task A_wrong_key_is_refused_for_good_with_advice()
    {
        using RSA other = RSA.Create(2048);
        string key = other.ExportPkcs8PrivateKeyPem();
        ReplicaException failure = await RefusedAsync(Changed("private_key", key));
        Assert.Contains("test@demo-test.iam.gserviceaccount.com", failure.Message, StringComparison.Ordinal);
        Assert.Contains("check that the key k1 still exists", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(key.Split('\n')[3], failure.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("assertion=", failure.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("private_key", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----", "private_key is not an RSA key")]
    [InlineData("private_key", null, "has no private_key")]
    [InlineData("client_email", "", "has no client_email")]
    [InlineData("type", "gdch_service_account", "not supported here")]
    [InlineData("token_uri", "ftp://x", "token_uri is no http address")]
    public async Task A_broken_key_file_is_named(string field, string? value, string expected)
    {
        ReplicaException failure = await RefusedAsync(Changed(field, value));
        Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
        Assert.Contains("changed.json", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("c2VjcmV0", failure.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("PRIVATE KEY", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_missing_or_no_JSON_is_named()
    {
        Assert.Contains("GOOGLE_APPLICATION_CREDENTIALS: cannot read", (await RefusedAsync(_temp["nothing.json"])).Message, StringComparison.Ordinal);
        await File.WriteAllTextAsync(_temp["text.json"], "my secret password");
        ReplicaException failure = await RefusedAsync(_temp["text.json"]);
        Assert.Contains("is not a credential file in JSON", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_revoked_login_is_refused_for_good_with_advice()
    {
        string file = Save("revoked.json", new JsonObject
        {
            ["type"] = "authorized_user", ["client_id"] = "cid", ["client_secret"] = "csec", ["refresh_token"] = "revoked-token", ["token_uri"] = server.Url + "/token",
        });
        ReplicaException failure = await RefusedAsync(file);
        Assert.Contains("gcloud auth application-default login", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("revoked-token", failure.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("csec", failure.ToString(), StringComparison.Ordinal);
    }

    // The clock of the client stands still, so it does not know that its token has ended: the store says so, once.
    [Fact]
    public async Task An_expired_token_is_replaced_once()
    {
        await using StorageServer brief = await StorageServer.StartAsync("gcs", environment: new Dictionary<string, string> { ["GCS_TOKEN_TTL"] = "3" });
        string url = $"http://127.0.0.1:{brief.Port}";
        await using var between = new Interposer(url);
        var clock = new StandingClock();
        using StorageTransport transport = GcsServer.CreateTransport(clock, 4, ("GOOGLE_APPLICATION_CREDENTIALS", Path.Combine(brief.Folder, "sa.json")));
        var client = new GcsReplicaClient(new GcsOptions { Bucket = "test", Endpoint = between.Url }, transport);
        await GcsServer.Write(client, 0, 1, 1);
        string token = between.Requests[^1].Headers["Authorization"];
        using var http = new HttpClient();
        await brief.WaitUntilAsync(
            async () =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, url + "/storage/v1/b/test/o");
                request.Headers.TryAddWithoutValidation("Authorization", token);
                using HttpResponseMessage answer = await http.SendAsync(request);
                return answer.StatusCode == HttpStatusCode.Unauthorized;
            },
            "the token has ended");
        int before = between.Requests.Count;
        await GcsServer.Write(client, 0, 2, 2);
        Assert.Equal([401, 200], between.Requests.Skip(before).Select(one => one.Status));
        Assert.NotEqual(token, between.Requests[^1].Headers["Authorization"]);
    }

    [Fact]
    public async Task Credentials_that_the_store_never_accepts_fail_for_good_after_one_more_token()
    {
        await using var stub = new Interposer("", async exchange =>
        {
            await exchange.RespondAsync(401, """{"error":{"code":401,"message":"Invalid Credentials"}}""");
            return true;
        });
        await using GcsReplicaClient client = server.Client("x", stub.Url);
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(() => GcsServer.List(client, 0));
        Assert.False(failure.IsTransient);
        Assert.Contains("Invalid Credentials", failure.Message, StringComparison.Ordinal);
        Assert.Contains("check the key", failure.Message, StringComparison.Ordinal);
        Assert.Equal(2, stub.Requests.Count);
        Assert.DoesNotContain("ya29", failure.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("forbidden", false)]
    [InlineData("rateLimitExceeded", true)]
    public async Task Forbidden_is_permanent_unless_it_means_too_fast(string reason, bool transient)
    {
        await using var stub = new Interposer("", async exchange =>
        {
            await exchange.RespondAsync(403, $$$"""{"error":{"code":403,"message":"no","errors":[{"reason":"{{{reason}}}"}]}}""");
            return true;
        });
        await using GcsReplicaClient client = server.Client("x", stub.Url);
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(() => GcsServer.Write(client, 0, 1, 1));
        Assert.Equal(transient, failure.IsTransient);
        Assert.Equal(transient ? 4 : 1, stub.Requests.Count);
        Assert.Equal(!transient, failure.Message.Contains("Storage Object Admin", StringComparison.Ordinal));
    }

    [Fact]
    public async Task All_replicas_of_a_process_share_one_token()
    {
        await using var between = new Interposer(server.Url);
        using StorageTransport transport = GcsServer.CreateTransport(("HOME", _temp.Root), ("GCE_METADATA_HOST", between.Url[7..]));
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async n =>
        {
            var client = new GcsReplicaClient(new GcsOptions { Bucket = "test", Path = GcsServer.NewPath(), Endpoint = server.Url }, transport);
            await GcsServer.Write(client, 0, 1, 1);
        }));
        Assert.Single(between.Requests);
    }

    [Fact]
    public async Task A_token_is_replaced_five_minutes_before_its_end()
    {
        var clock = new StandingClock();
        var source = new CountingSource(clock);
        var cache = new TokenCache(source, clock);
        AccessToken first = await cache.GetAsync(CancellationToken.None);
        clock.Now += TimeSpan.FromMinutes(54.9);
        Assert.Same(first, await cache.GetAsync(CancellationToken.None));
        clock.Now += TimeSpan.FromMinutes(0.2);
        AccessToken second = await cache.GetAsync(CancellationToken.None);
        Assert.NotSame(first, second);

        // Out of reach: the old one serves to its end, then the failure shows.
        source.Failure = new ReplicaException("out of reach");
        clock.Now += TimeSpan.FromMinutes(58);
        Assert.Same(second, await cache.GetAsync(CancellationToken.None));
        clock.Now += TimeSpan.FromMinutes(3);
        await Assert.ThrowsAsync<ReplicaException>(async () => await cache.GetAsync(CancellationToken.None));
        Assert.DoesNotContain("secret", second.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_bucket_nothing_starts()
    {
        var client = new GcsReplicaClient(new GcsOptions { Bucket = "" }, server.Transport);
        ReplicaException failure = await Assert.ThrowsAsync<ReplicaException>(async () => await client.InitializeAsync(CancellationToken.None));
        Assert.Equal("bucket required for gs replica", failure.Message);
        Assert.False(failure.IsTransient);
    }

    [Theory]
    [InlineData("http://{0}")]
    [InlineData("{0}")]
    [InlineData("http://{0}/")]
    public async Task An_emulator_is_used_without_a_token(string form)
    {
        await using var between = new Interposer(server.EmulatorUrl);
        using StorageTransport transport = GcsServer.CreateTransport(
            ("STORAGE_EMULATOR_HOST", string.Format(System.Globalization.CultureInfo.InvariantCulture, form, between.Url[7..])), ("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere"));
        var client = new GcsReplicaClient(new GcsOptions { Bucket = "test", Path = GcsServer.NewPath() }, transport);
        await GcsServer.Write(client, 0, 1, 1);
        Assert.DoesNotContain("Authorization", Assert.Single(between.Requests).Headers.Keys);
    }

    private async Task RoundTripAsync(params (string Name, string Value)[] environment)
    {
        using StorageTransport transport = GcsServer.CreateTransport(environment);
        var client = new GcsReplicaClient(new GcsOptions { Bucket = "test", Path = GcsServer.NewPath(), Endpoint = server.Url }, transport);
        await client.InitializeAsync(CancellationToken.None);
        await GcsServer.Write(client, 0, 1, 1);
        Assert.Equal(300, (await GcsServer.Read(client, 0, 1, 1)).Length);
    }

    private async Task<ReplicaException> RefusedAsync(string file)
    {
        using StorageTransport transport = GcsServer.CreateTransport(("GOOGLE_APPLICATION_CREDENTIALS", file));
        var client = new GcsReplicaClient(new GcsOptions { Bucket = "test", Endpoint = server.Url }, transport);
        ReplicaException failure = await Assert.ThrowsAnyAsync<ReplicaException>(async () => await client.InitializeAsync(CancellationToken.None));
        Assert.False(failure.IsTransient);
        return failure;
    }

    private string UserFile(string name) => Save(name, new JsonObject
    {
        ["type"] = "authorized_user", ["client_id"] = "cid", ["client_secret"] = "csec", ["refresh_token"] = "rtok", ["token_uri"] = server.Url + "/token",
    });

    private string Changed(string field, string? value)
    {
        JsonNode file = JsonNode.Parse(File.ReadAllText(server.ServiceAccountFile))!;
        file[field] = value;
        return Save("changed.json", file);
    }

    private string Save(string name, JsonNode content)
    {
        File.WriteAllText(_temp[name], content.ToJsonString());
        return _temp[name];
    }

    /// <summary>Stands in for the services that the strict server does not have; the tokens it gives are real ones of that server.</summary>
    private Interposer TokenStub() => new(server.Url, async exchange =>
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Get, server.Url + "/computeMetadata/v1/instance/service-accounts/default/token");
        request.Headers.Add("Metadata-Flavor", "Google");
        using HttpResponseMessage answer = await http.SendAsync(request);
        JsonNode token = JsonNode.Parse(await answer.Content.ReadAsStringAsync())!;
        if (exchange.Target == "/subject")
        {
            Assert.Equal("yes", exchange.Headers["X-Provider"]);
            await exchange.RespondAsync(200, """{"id_token":"subject-token"}""");
        }
        else if (exchange.Target == "/sts")
        {
            Dictionary<string, string> form = exchange.Text.Split('&').Select(field => field.Split('=')).ToDictionary(field => field[0], field => Uri.UnescapeDataString(field[1]));
            Assert.Equal("urn:ietf:params:oauth:grant-type:token-exchange", form["grant_type"]);
            Assert.Equal("subject-token", form["subject_token"]);
            Assert.Equal("urn:ietf:params:oauth:token-type:jwt", form["subject_token_type"]);
            Assert.Equal("//iam.googleapis.com/projects/1/pool", form["audience"]);
            await exchange.RespondAsync(200, token.ToJsonString());
        }
        else
        {
            Assert.EndsWith(":generateAccessToken", exchange.Target, StringComparison.Ordinal);
            Assert.StartsWith("Bearer ya29.", exchange.Headers["Authorization"], StringComparison.Ordinal);
            Assert.Contains("devstorage.full_control", exchange.Text, StringComparison.Ordinal);
            await exchange.RespondAsync(200, new JsonObject { ["accessToken"] = (string)token["access_token"]!, ["expireTime"] = "2099-01-01T00:00:00Z" }.ToJsonString());
        }

        return true;
    });

    private sealed class StandingClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = System.GetUtcNow();

        public override DateTimeOffset GetUtcNow() => Now;
    }

    private sealed class CountingSource(TimeProvider time) : ITokenSource
    {
        public ReplicaException? Failure { get; set; }

        public string Description => "test";

        public ValueTask<AccessToken> FetchAsync(CancellationToken cancellationToken) =>
            Failure is { } failure ? throw failure : ValueTask.FromResult(new AccessToken("secret", time.GetUtcNow().AddHours(1)));
    }
}
