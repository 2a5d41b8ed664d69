using Litestream.Configuration;
using Litestream.Configuration.Targets;
using Litestream.Storage;
using Litestream.Storage.Nats;
using Litestream.Storage.S3;
using Litestream.Storage.Transport;

namespace Litestream.Cli.Tests;

/// <summary>What a configured replica becomes at the storage client (cli-config-control §4, §15 A): one result, whichever way it was written.</summary>
public sealed class NetworkTargetTests
{
    private const string Arn = "s3://arn:aws:s3:us-east-1:1:accesspoint/ap";

    [Fact]
    public void Trap_A2_TLS_settings_reach_the_NATS_connection()
    {
        const string nats = "{url: \"nats://h:4222/b\", root-cas: [/ca1, /ca2], client-cert: /c, client-key: /k";
        NatsOptions options = new ReplicaClients(CliHost.ForProcess()).Options(Assert.IsType<NatsTarget>(Resolve(nats + ", tls: true}")));
        Assert.True(options.Tls);
        Assert.Equal(["/ca1", "/ca2"], options.RootCas);
        Assert.Equal(("/c", "/k"), (options.ClientCert, options.ClientKey));
        Assert.False(Assert.IsType<NatsTarget>(Resolve(nats + ", tls: false}", "tls: true")).Tls);
        Assert.Throws<ConfigurationException>(() => Resolve("{url: \"nats://h/b\", client-cert: /c}"));
        Assert.Throws<ConfigurationException>(() => Resolve("{url: \"nats://h/b\", client-key: /k}"));
    }

    [Fact]
    public void Trap_A4_the_storage_class_comes_from_either_spelling_and_the_file_wins()
    {
        Assert.Equal("GLACIER_IR", Settings("{url: \"s3://b/p?storageClass=GLACIER_IR\"}").StorageClass);
        Assert.Equal("GLACIER_IR", Settings("{url: \"s3://b/p?storage-class=GLACIER_IR\"}").StorageClass);
        Assert.Equal("STANDARD_IA", Settings("{url: \"s3://b/p?storage-class=GLACIER_IR\", storage-class: STANDARD_IA}").StorageClass);
    }

    [Theory]
    [InlineData("fly.storage.tigris.dev", false, false, 5)]
    [InlineData("t3.storage.dev", false, false, 5)]
    [InlineData("hel1.your-objectstorage.com", true, false, 5)]
    [InlineData("nyc3.digitaloceanspaces.com", true, false, 5)]
    [InlineData("s3.us-west-000.backblazeb2.com", true, true, 5)]
    [InlineData("s3.filebase.com", true, true, 5)]
    [InlineData("s3.fr-par.scw.cloud", true, false, 5)]
    [InlineData("acc.r2.cloudflarestorage.com", true, false, 2)]
    [InlineData("x.supabase.co/storage/v1/s3", true, true, 5)]
    [InlineData("minio.example:9000", true, true, 5)]
    [InlineData("storage.googleapis.com", true, false, 5)]
    public void Trap_A5_a_provider_is_the_same_from_the_file_and_from_the_URL(string endpoint, bool contentMd5, bool forcesPathStyle, int concurrency)
    {
        S3Settings file = Settings($"{{type: s3, bucket: b, path: p, endpoint: \"https://{endpoint}\"}}");
        S3Settings url = Settings($"{{url: \"s3://b/p?endpoint=https://{endpoint}\"}}");
        Assert.Equal(file with { Encryption = url.Encryption }, url);
        Assert.Equal((true, contentMd5, concurrency), (url.SignPayload, url.ContentMd5, url.Concurrency));
        Assert.Equal(forcesPathStyle, url.Provider.ForcesPathStyle);
        Assert.Equal(5, Settings($"{{url: \"s3://b/p?endpoint=https://{endpoint}&concurrency=5\"}}").Concurrency);
    }

    [Theory]
    [InlineData("storage.googleapis.com", true)]
    [InlineData("https://storage.googleapis.com:443", true)]
    [InlineData("storage.googleapis.com.", true)]
    [InlineData("us-central1-storage.googleapis.com", true)]
    [InlineData("storage.me-central2.rep.googleapis.com", true)]
    [InlineData("storage.mtls.googleapis.com", true)]
    [InlineData("storage-download.googleapis.com", true)]
    [InlineData("storage.googleapis.com.evil.com", false)]
    [InlineData("attacker@storage.googleapis.com", false)]
    [InlineData("bucket.storage.googleapis.com", false)]
    [InlineData("backup-storage.us-central1-storage.googleapis.com", false)]
    [InlineData("storageinsights.googleapis.com", false)]
    [InlineData("storage..googleapis.com", false)]
    public void Trap_A6_only_hosts_of_Google_are_taken_for_Google(string endpoint, bool google) =>
        Assert.Equal(google, S3Provider.Detect(endpoint).Name == "Google Cloud Storage");

    [Theory]
    [InlineData("abcdef.r2.cloudflarestorage.com", "https://")]
    [InlineData("localhost:9000", "http://")]
    [InlineData("10.0.0.1:9000", "http://")]
    [InlineData("minio.local:9000", "http://")]
    [InlineData("https://localhost:9000", "")]
    [InlineData("http://example.com", "")]
    public void Trap_A8_an_endpoint_without_scheme_gets_the_one_that_fits(string endpoint, string scheme) =>
        Assert.Equal(scheme + endpoint, Assert.IsType<S3Target>(Resolve($"{{url: \"s3://b/p?endpoint={endpoint}\"}}")).Endpoint);

    [Fact]
    public void Trap_A9_AWS_defaults_and_access_points()
    {
        S3Target aws = Assert.IsType<S3Target>(Resolve("{url: \"s3://b/p\"}"));
        Assert.Equal("", aws.Endpoint);
        S3Settings settings = S3Settings.Resolve(ReplicaClients.Options(aws), "eu-west-1", LocalFileSystem.Instance, null);
        Assert.Equal((true, true, "b.s3.eu-west-1.amazonaws.com", ""), (settings.SignPayload, settings.ContentMd5, settings.Host, settings.BucketPath));
        S3Target point = Assert.IsType<S3Target>(Resolve($"{{url: \"{Arn}/backups/x?sign-payload=false\"}}"));
        Assert.Equal((Arn["s3://".Length..], "backups/x", "us-east-1", false), (point.Bucket, point.Path, point.Region, point.SignPayload));
        Assert.Contains("invalid s3 access point arn", Assert.Throws<ConfigurationException>(() => Resolve("{url: \"s3://arn:aws:s3:us-east-1:1:accesspoint/\"}")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Trap_B25_one_URL_is_one_place_on_the_server()
    {
        Assert.Equal("/data/x", Assert.IsType<SftpTarget>(Resolve("{url: \"sftp://u@h/data/x\"}")).Path);
        Assert.Equal("/data/x", Assert.IsType<SftpTarget>(Resolve("{type: sftp, host: h, user: u, path: /data/x}")).Path);
        WebDavTarget url = Assert.IsType<WebDavTarget>(Resolve("{url: \"webdavs://h:1/dav\"}"));
        Assert.Equal(("https://h:1", "/dav"), (url.Url, url.Path));
    }

    [Fact]
    public void The_endpoint_variable_counts_where_nothing_else_names_an_endpoint()
    {
        S3Target target = Assert.IsType<S3Target>(Resolve("{url: \"s3://b/p\"}", "", ("LITESTREAM_S3_ENDPOINT", "localhost:9000")));
        Assert.Equal(("http://localhost:9000", true), (target.Endpoint, target.ForcePathStyle));
        target = Assert.IsType<S3Target>(Resolve("{url: \"s3://b/p?endpoint=h.example\"}", "", ("LITESTREAM_S3_ENDPOINT", "localhost:9000")));
        Assert.Equal("https://h.example", target.Endpoint);
    }

    [Fact]
    public void A_target_shown_as_text_holds_no_secret()
    {
        ReplicaTarget target = Resolve("{type: s3, bucket: b, path: p, access-key-id: AKIA, secret-access-key: s3cret, sse-customer-key: k3y}");
        Assert.Equal("s3:///b/p", target.ToString());
        Assert.DoesNotContain("s3cret", ReplicaClients.Options((S3Target)target).ToString(), StringComparison.Ordinal);
    }

    // On the disk that has room for copies of the database, not in a /tmp that may be memory.
    [Fact]
    public void Large_parts_wait_in_the_state_directory_of_the_database()
    {
        var clients = new ReplicaClients(CliHost.ForProcess());
        UploadSpool spool = clients.Spool(new DatabaseOptions { Path = "/data/app.db" });
        Assert.Equal(("/data/.app.db-litestream", UploadPartSize.MaxBytesInFlight), (spool.Directory, spool.MemoryLimit));
        Assert.Equal("/state", clients.Spool(new DatabaseOptions { Path = "/data/app.db", MetaPath = "/state" }).Directory);
        Assert.Same(UploadSpool.Temporary, clients.Spool(null));
    }

    private static S3Settings Settings(string replica) =>
        S3Settings.Resolve(ReplicaClients.Options(Assert.IsType<S3Target>(Resolve(replica))), "us-east-1", LocalFileSystem.Instance, null);

    private static ReplicaTarget Resolve(string replica, string top = "", params (string Name, string Value)[] variables)
    {
        ConfigurationHost host = new(
            LocalFileSystem.Instance, name => variables.FirstOrDefault(v => v.Name == name).Value, "/", "root", Environment.ProcessId);
        LitestreamConfiguration configuration = new ConfigurationLoader(host).Parse($"{top}\ndbs:\n  - path: /none/db\n    replica: {replica}\n");
        return Assert.Single(new DatabaseResolver(configuration, host).ResolveAll()).Target;
    }
}
