using Litestream.Storage;
using Litestream.Storage.S3;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>Every row of the provider table (backends §4.2).</summary>
public sealed class S3ProviderTests
{
    [Theory]
    [InlineData("", "AWS")]
    [InlineData("https://fly.storage.tigris.dev", "Tigris")]
    [InlineData("t3.storage.dev", "Tigris")]
    [InlineData("HTTPS://T3.Storage.Dev/path", "Tigris")]
    [InlineData("https://x.tigris.dev", "S3-compatible")]
    [InlineData("https://t3.storage.dev.evil.com", "S3-compatible")]
    [InlineData("https://t3.storage.dev:443", "S3-compatible")]
    [InlineData("https://abc.r2.cloudflarestorage.com", "Cloudflare R2")]
    [InlineData("abc.eu.R2.cloudflarestorage.com", "Cloudflare R2")]
    [InlineData("https://r2.cloudflarestorage.com", "S3-compatible")]
    [InlineData("https://abc.r2.cloudflarestorage.com.evil.com", "S3-compatible")]
    [InlineData("https://s3.us-west-002.backblazeb2.com", "Backblaze B2")]
    [InlineData("https://x.backblazeb2.com:443", "S3-compatible")]
    [InlineData("https://notbackblazeb2.com", "S3-compatible")]
    [InlineData("https://nyc3.digitaloceanspaces.com", "DigitalOcean")]
    [InlineData("s3.fr-par.scw.cloud", "Scaleway")]
    [InlineData("s3.filebase.com", "Filebase")]
    [InlineData("x.s3.filebase.com", "S3-compatible")]
    [InlineData("https://fsn1.your-objectstorage.com", "Hetzner")]
    [InlineData("https://project.supabase.co/storage/v1/s3", "Supabase")]
    [InlineData("http://localhost:9000", "MinIO-like")]
    [InlineData("10.0.0.1:7480", "MinIO-like")]
    [InlineData("https://s3.us-east-1.amazonaws.com:443", "S3-compatible")]
    [InlineData("https://user:password@localhost:9000", "S3-compatible")]
    [InlineData("https://s3.wasabisys.com", "S3-compatible")]
    [InlineData("https://ns.compat.objectstorage.eu-frankfurt-1.oraclecloud.com", "S3-compatible")]
    public void Backend_T24_Providers_are_told_by_their_host(string endpoint, string name) => Assert.Equal(name, S3Provider.Detect(endpoint).Name);

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
    public void Backend_T24_Google_is_told_by_its_labels(string endpoint, bool isGoogle) =>
        Assert.Equal(isGoogle, S3Provider.Detect(endpoint).Name == "Google Cloud Storage");

    // Endpoint, ContentMd5, path style, concurrency.
    [Theory]
    [InlineData("", true, false, 5)]
    [InlineData("https://fly.storage.tigris.dev", false, true, 5)]
    [InlineData("https://a.r2.cloudflarestorage.com", true, true, 2)]
    [InlineData("https://s3.r.backblazeb2.com", true, true, 5)]
    [InlineData("https://nyc3.digitaloceanspaces.com", true, true, 5)]
    [InlineData("https://s3.fr-par.scw.cloud", true, true, 5)]
    [InlineData("https://s3.filebase.com", true, true, 5)]
    [InlineData("https://fsn1.your-objectstorage.com", true, true, 5)]
    [InlineData("https://p.supabase.co/storage/v1/s3", true, true, 5)]
    [InlineData("http://127.0.0.1:9000", true, true, 5)]
    [InlineData("https://storage.googleapis.com", true, true, 5)]
    [InlineData("https://s3.wasabisys.com", true, true, 5)]
    public void Backend_T24_Defaults_follow_the_provider_and_settings_win(string endpoint, bool md5, bool pathStyle, int concurrency)
    {
        S3Settings found = Resolve(new S3Options { Bucket = "b", Endpoint = endpoint, Region = "r" });
        Assert.Equal((md5, pathStyle, concurrency, true), (found.ContentMd5, found.BucketPath.EndsWith("/b", StringComparison.Ordinal), found.Concurrency, found.SignPayload));

        S3Settings chosen = Resolve(new S3Options
        {
            Bucket = "b", Endpoint = endpoint, Region = "r", ForcePathStyle = !pathStyle, RequireContentMd5 = !md5, SignPayload = false, Concurrency = 7,
        });
        Assert.Equal((!md5, !pathStyle, 7, false), (chosen.ContentMd5, chosen.BucketPath.EndsWith("/b", StringComparison.Ordinal), chosen.Concurrency, chosen.SignPayload));
    }

    [Theory]
    [InlineData("b", "eu-central-1", "https://b.s3.eu-central-1.amazonaws.com", "")]
    [InlineData("my.bucket", "eu-central-1", "https://s3.eu-central-1.amazonaws.com", "/my.bucket")]
    [InlineData("b", "cn-north-1", "https://b.s3.cn-north-1.amazonaws.com.cn", "")]
    public void Hosts_of_Aws(string bucket, string region, string origin, string path)
    {
        S3Settings settings = Resolve(new S3Options { Bucket = bucket, Region = region });
        Assert.Equal((origin, path), (settings.Origin, settings.BucketPath));
    }

    [Fact]
    public void The_path_of_an_endpoint_stays()
    {
        S3Settings settings = Resolve(new S3Options { Bucket = "b", Endpoint = "https://p.supabase.co/storage/v1/s3/" });
        Assert.Equal("/storage/v1/s3/b/k%20y", settings.PathOf("k y"));
        Assert.Equal("/storage/v1/s3/b", settings.PathOf(null));
        Assert.Equal("https://p.supabase.co", settings.Origin);
    }

    [Theory]
    [InlineData("arn:aws:s3:us-west-2:123456789012:accesspoint/ap", "https://ap-123456789012.s3-accesspoint.us-west-2.amazonaws.com", "us-west-2")]
    [InlineData("ARN:aws-cn:s3:cn-north-1:123456789012:accesspoint:ap", "https://ap-123456789012.s3-accesspoint.cn-north-1.amazonaws.com.cn", "cn-north-1")]
    public void Backend_T25_An_access_point_brings_its_host_and_region(string arn, string origin, string region)
    {
        S3Settings settings = Resolve(new S3Options { Bucket = arn, Region = "eu-west-1" });
        Assert.Equal((origin, region, "/db/0000/x"), (settings.Origin, settings.Region, settings.PathOf("db/0000/x")));
    }

    [Theory]
    [InlineData("", null, "bucket required for s3 replica")]
    [InlineData("arn:aws:s3:us-west-2:123456789012:accesspoint/ap", true, "path style")]
    [InlineData("arn:aws:s3:us-west-2:123456789012:bucket/ap", null, "access point")]
    [InlineData("arn:aws:s3::123456789012:accesspoint/mrap", null, "access point")]
    [InlineData("x--usw2-az1--x-s3", null, "S3 Express")]
    public void Backend_T25_Buckets_that_cannot_be_used_are_refused(string bucket, bool? pathStyle, string message)
    {
        ReplicaException refused = Assert.Throws<ReplicaException>(() => Resolve(new S3Options { Bucket = bucket, ForcePathStyle = pathStyle }));
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        Assert.False(refused.IsTransient);
    }

    [Theory]
    [InlineData("ftp://host")]
    [InlineData("https://")]
    [InlineData("https://user:password@host")]
    public void Endpoints_that_cannot_be_used_are_refused_without_repeating_them(string endpoint)
    {
        ReplicaException refused = Assert.Throws<ReplicaException>(() => Resolve(new S3Options { Bucket = "b", Endpoint = endpoint }));
        Assert.DoesNotContain("password@", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(5_000_000L, false)]
    [InlineData(1L << 20, false)]
    [InlineData((5L << 20) - 1, false)]
    [InlineData(5L << 20, true)]
    [InlineData(1L << 31, true)]
    [InlineData(5L << 30, true)]
    [InlineData((5L << 30) + 1, false)]
    public async Task Backend_T28_Parts_below_five_mebibytes_or_above_five_gibibytes_are_refused_at_the_start(long size, bool accepted)
    {
        using var transport = FakeS3.CreateTransport();
        await using var client = new S3ReplicaClient(new S3Options { Bucket = "b", Endpoint = "http://127.0.0.1:1", PartSize = size }, transport);
        Exception? refused = await Record.ExceptionAsync(async () => await client.InitializeAsync(CancellationToken.None));
        Assert.Equal(accepted, refused is null);
        Assert.False(refused is ReplicaException { IsTransient: true });
    }

    private static S3Settings Resolve(S3Options options) => S3Settings.Resolve(options, region: null, LocalFileSystem.Instance, home: null);
}
