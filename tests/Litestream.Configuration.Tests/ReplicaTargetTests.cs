using System.Text.Json;
using Litestream.Configuration.Targets;

namespace Litestream.Configuration.Tests;

public sealed class ReplicaTargetTests
{
    public static TheoryData<string, string> Recorded()
    {
        TheoryData<string, string> data = [];
        if (!Fixtures.Exist)
        {
            data.Add("all", "{}");
            return data;
        }

        foreach (JsonElement record in Fixtures.Records("targets"))
        {
            if (record.TryGetProperty("resolved", out JsonElement resolved) && !record.TryGetProperty("defect", out _))
            {
                data.Add(record.GetProperty("replica").GetString()!, resolved.GetRawText());
            }
        }

        return data;
    }

    /// <summary>Existing configurations must keep pointing at the same objects, else a restart begins a second backup.</summary>
    [Theory]
    [MemberData(nameof(Recorded))]
    public void Recorded_targets_resolve_to_the_same_place(string replica, string resolved)
    {
        Assert.SkipUnless(Fixtures.Exist, "there are no recordings of the released program beside this checkout (../shared/fixtures)");
        using TestHost host = new();
        ReplicaTarget target = host.Resolve(replica.Replace("{dir}", host.Root, StringComparison.Ordinal)).Target;
        Dictionary<string, string> actual = target switch
        {
            FileTarget t => new() { ["path"] = t.Path },
            S3Target t => new() { ["bucket"] = t.Bucket, ["path"] = t.Path, ["region"] = t.Region, ["endpoint"] = t.Endpoint },
            AbsTarget t => new() { ["bucket"] = t.Container, ["path"] = t.Path, ["endpoint"] = t.Endpoint },
            OssTarget t => new() { ["bucket"] = t.Bucket, ["path"] = t.Path, ["region"] = t.Region },
            _ => throw new InvalidOperationException(target.Type),
        };
        foreach (JsonProperty expected in JsonDocument.Parse(resolved).RootElement.EnumerateObject())
        {
            string value = expected.Value.GetString()!.Replace("{dir}", host.Root, StringComparison.Ordinal).Replace("{home}", "/root", StringComparison.Ordinal);
            Assert.Equal(value, expected.Name == "type" ? target.Type : actual[expected.Name]);
        }
    }

    [Fact]
    public void Trap_B3_an_unknown_scheme_is_named_with_the_supported_ones()
    {
        using TestHost host = new();
        string message = host.ResolveError("{url: \"gcs://b/p\"}").Message;
        Assert.StartsWith("unknown replica type in config: \"gcs\"", message, StringComparison.Ordinal);
        Assert.Contains("abs, file, gs, nats, oss, s3, sftp, webdav", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Trap_B21_every_backend_setting_is_inherited()
    {
        using TestHost host = new();
        Assert.Equal("http://h", Assert.IsType<WebDavTarget>(host.Resolve("{type: webdav, path: x}", "webdav-url: http://h").Target).Url);
        S3Target s3 = Assert.IsType<S3Target>(host.Resolve("{url: s3://b/p}", "part-size: 10MB\nconcurrency: 3").Target);
        Assert.Equal((10_000_000L, 3), (s3.PartSize, s3.Concurrency));
        Assert.Equal("k", Assert.IsType<SftpTarget>(host.Resolve("{url: sftp://u@h/x}", "host-key: k").Target).HostKey);
    }

    [Fact]
    public void Trap_B22_inherited_bucket_and_host_give_way_to_the_URL()
    {
        using TestHost host = new();
        Assert.Equal("b", Assert.IsType<S3Target>(host.Resolve("{url: s3://b/p}", "bucket: g").Target).Bucket);
        Assert.Equal("h2", Assert.IsType<SftpTarget>(host.Resolve("{url: sftp://u@h2/x}", "host: h:22").Target).Host);
        Assert.Equal("cannot specify url & bucket for s3 replica", host.ResolveError("{url: s3://b/p, bucket: x}").Message);
    }

    [Theory]
    [InlineData("s3://bucket")]
    [InlineData("gs://bucket")]
    [InlineData("abs://bucket")]
    [InlineData("oss://bucket")]
    public void Trap_B23_a_URL_without_path_has_an_empty_prefix(string url)
    {
        using TestHost host = new();
        ReplicaTarget target = host.Resolve($"{{url: \"{url}\"}}").Target;
        Assert.EndsWith("/bucket/", target.Destination, StringComparison.Ordinal);
    }

    [Fact]
    public void Trap_B24_file_URLs_are_decoded_unless_only_the_encoded_directory_exists()
    {
        using TestHost host = new();
        string replica = $"{{url: \"file://{host.Root}/a%20b\"}}";
        Assert.Equal(host.Root + "/a b", Assert.IsType<FileTarget>(host.Resolve(replica).Target).Path);
        Directory.CreateDirectory(host.Root + "/a%20b");
        Assert.Equal(host.Root + "/a%20b", Assert.IsType<FileTarget>(host.Resolve(replica).Target).Path);
        Assert.Equal(host.Root + "/a%20b", Assert.IsType<FileTarget>(host.Resolve($"{{url: \"file://{host.Root}/a b\"}}").Target).Path);
        Directory.CreateDirectory(host.Root + "/a b");
        Assert.Equal(host.Root + "/a b", Assert.IsType<FileTarget>(host.Resolve(replica).Target).Path);
    }

    [Fact]
    public void Trap_B26_a_NATS_URL_without_path_leaves_the_bucket_to_its_key()
    {
        using TestHost host = new();
        Assert.Equal("x", Assert.IsType<NatsTarget>(host.Resolve("{url: \"nats://h:4222\", bucket: x}").Target).Bucket);
        Assert.Equal("bkt", Assert.IsType<NatsTarget>(host.Resolve("{url: \"nats://h:4222/bkt\", bucket: x}").Target).Bucket);
    }

    [Fact]
    public void Trap_B27_the_account_of_a_NATS_URL_is_used()
    {
        using TestHost host = new();
        NatsTarget nats = Assert.IsType<NatsTarget>(host.Resolve("{url: \"nats://u:p%40ss@h:4222/b\"}").Target);
        Assert.Equal(("nats://h:4222", "u", "p@ss"), (nats.Url, nats.Username, nats.Password));
    }

    [Fact]
    public void Trap_B28_an_address_in_place_of_the_bucket_is_refused_with_the_right_form()
    {
        using TestHost host = new();
        Assert.Contains("?endpoint=127.0.0.1:9000", host.ResolveError("{url: \"s3://127.0.0.1:9000/b/p\"}").Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("forcePathStyle")]
    [InlineData("force-path-style")]
    public void Trap_B29_both_spellings_count_and_the_file_wins(string name)
    {
        using TestHost host = new();
        Assert.True(Assert.IsType<S3Target>(host.Resolve($"{{url: \"s3://b/p?{name}=true\"}}").Target).ForcePathStyle);
        Assert.False(Assert.IsType<S3Target>(host.Resolve($"{{url: \"s3://b/p?{name}=true\", force-path-style: false}}").Target).ForcePathStyle);
        S3Target target = Assert.IsType<S3Target>(host.Resolve("{url: \"s3://b/p?skip-verify=1&sse-customer-key=k&sseKmsKeyId=m\"}").Target);
        Assert.Equal((true, "k", "m"), (target.SkipVerify, target.Encryption.Key, target.Encryption.KmsKeyId));
    }

    [Fact]
    public void Trap3_part_size_and_concurrency_of_the_query()
    {
        using TestHost host = new();
        S3Target target = Assert.IsType<S3Target>(host.Resolve("{url: \"s3://b/p?partSize=6000000&part-size=7000000&concurrency=4\"}").Target);
        Assert.Equal((6_000_000L, 4), (target.PartSize, target.Concurrency));
        Assert.Equal(5_000_000, Assert.IsType<S3Target>(host.Resolve("{url: \"s3://b/p?partSize=6\", part-size: 5MB}").Target).PartSize);
    }

    [Fact]
    public void Trap_B20_two_databases_never_share_a_destination_or_a_path()
    {
        using TestHost host = new();
        string db = host.Database("d/a.db");
        Assert.Contains("same replica destination", Error(host, "dbs: [{path: a, replica: {path: r}}, {path: b, replica: {path: ./x/../r}}]"), StringComparison.Ordinal);
        Assert.Contains($"duplicate path \"{db}\"", Error(host, "dbs: [{dir: d, pattern: '*.db', replica: {path: r}}, {path: d/a.db, replica: {path: r2}}]"), StringComparison.Ordinal);
        Assert.Contains($"duplicate path \"{db}\"", Error(host, "dbs: [{dir: d, pattern: '*.db', replica: {path: r}}, {dir: d, pattern: 'a*', replica: {path: r2}}]"), StringComparison.Ordinal);
    }

    [Fact]
    public void Trap_B48_two_databases_never_share_a_state_directory()
    {
        using TestHost host = new();
        Assert.Contains(
            "meta-path collision",
            Error(host, "dbs: [{path: a, meta-path: m, replica: {path: r}}, {path: b, meta-path: m, replica: {path: r2}}]"), StringComparison.Ordinal);
    }

    [Fact]
    public void Trap10_directory_entries_give_each_database_its_own_state_and_replica()
    {
        using TestHost host = new();
        host.Database("d/a.db");
        host.Database("d/sub/a.db");
        File.WriteAllText(host.Root + "/d/text.db", "no database");
        const string head = "dbs: [{dir: d, recursive: true, pattern: '*.db', replica: {path: r}";
        Assert.Equal(
            [$"{host.Root}/m/a.db-litestream", $"{host.Root}/m/sub/a.db-litestream"],
            host.Resolver(head + ", meta-dir: m}]").ResolveAll().Select(d => d.Options.StateDirectory));
        IReadOnlyList<ConfiguredDatabase> beside = host.Resolver(head + ", meta-path: m}]").ResolveAll();
        Assert.Equal([$"{host.Root}/m/.a.db-litestream", $"{host.Root}/m/sub/.a.db-litestream"], beside.Select(d => d.Options.StateDirectory));
        Assert.Equal(["file://" + host.Root + "/r/a.db", "file://" + host.Root + "/r/sub/a.db"], beside.Select(d => d.Target.Destination));
    }

    [Fact]
    public void Store_C24_a_database_found_later_gets_every_setting_that_one_found_at_the_start_gets()
    {
        using TestHost host = new();
        host.Database("d/a.db");
        DatabaseResolver resolver = host.Resolver(
            "l0-retention: 7m\nverify-compaction: true\nretention: {enabled: false}\nshutdown-sync-timeout: 3s\n"
            + "dbs: [{dir: d, watch: true, recursive: true, pattern: '*.db', busy-timeout: 2s, snapshot: {interval: 9h}, replica: {path: r, sync-interval: 4s}}]");
        ConfiguredDatabase start = Assert.Single(resolver.ResolveAll());
        WatchedEntry entry = Assert.Single(resolver.WatchedEntries());
        Assert.Equal(start.Options, entry.Resolve(start.Options.Path).Options);
        ConfiguredDatabase later = entry.Resolve(host.Root + "/d/sub/b.db");
        Assert.Equal(start.Options with { Path = later.Options.Path }, later.Options);
        Assert.Equal(TimeSpan.FromMinutes(7), later.Options.L0Retention);
        Assert.Equal(TimeSpan.FromHours(9), later.Options.SnapshotInterval);
        Assert.Equal("file://" + host.Root + "/r/sub/b.db", later.Target.Destination);
        Assert.True(entry.Matches("b.db"));
        Assert.False(entry.Matches("b.txt"));
        Assert.Equal([host.Root + "/r"], entry.OwnDirectories);
    }

    [Fact]
    public void Trap_B30_a_directory_that_is_a_symbolic_link_is_followed_but_links_below_it_are_not()
    {
        using TestHost host = new();
        host.Database("real/a.db");
        host.Database("other/b.db");
        Directory.CreateSymbolicLink(host.Root + "/d", host.Root + "/real");
        Directory.CreateSymbolicLink(host.Root + "/real/loop", host.Root + "/other");
        ConfiguredDatabase found = Assert.Single(host.Resolver("dbs: [{dir: d, recursive: true, pattern: '*.db', replica: {path: r}}]").ResolveAll());
        Assert.Equal(host.Root + "/d/a.db", found.Options.Path);
    }

    [Fact]
    public void Trap_B31_directory_entries_work_with_an_access_point()
    {
        using TestHost host = new();
        host.Database("d/a.db");
        S3Target target = Assert.IsType<S3Target>(Assert.Single(host.Resolver(
            "dbs: [{dir: d, pattern: '*.db', replica: {url: 's3://arn:aws:s3:us-east-1:1:accesspoint/ap/p'}}]").ResolveAll()).Target);
        Assert.Equal(("arn:aws:s3:us-east-1:1:accesspoint/ap", "p/a.db", "us-east-1"), (target.Bucket, target.Path, target.Region));
    }

    [Fact]
    public void Trap22_special_names_reach_the_replica_unchanged()
    {
        using TestHost host = new();
        host.Database("d/team a/db#1.sqlite");
        S3Target target = Assert.IsType<S3Target>(Assert.Single(host.Resolver(
            "dbs: [{dir: d, recursive: true, pattern: '*.sqlite', replica: {url: 's3://b/base?endpoint=x'}}]").ResolveAll()).Target);
        Assert.Equal(("base/team a/db#1.sqlite", "https://x"), (target.Path, target.Endpoint));
    }

    [Fact]
    public void Trap_B13_a_database_covered_by_a_directory_entry_is_found_with_its_replica()
    {
        using TestHost host = new();
        DatabaseResolver resolver = host.Resolver("dbs: [{dir: d, pattern: '*.db', replica: {path: r}}]");
        Assert.Equal($"file://{host.Root}/r/gone.db", resolver.Find(host.Root + "/d/gone.db")?.Target.Destination);
        Assert.Null(resolver.Find(host.Root + "/d/sub/x.db"));
        Assert.Null(resolver.Find(host.Root + "/d/x.sqlite"));
    }

    [Fact]
    public void D11_snapshot_settings_are_per_database()
    {
        using TestHost host = new();
        IReadOnlyList<ConfiguredDatabase> databases = host.Resolver(
            "snapshot: {interval: 1h}\ndbs: [{path: a, snapshot: {interval: 10m}, replica: {path: r}}, {path: b, replica: {path: s}}]").ResolveAll();
        Assert.Equal([TimeSpan.FromMinutes(10), TimeSpan.FromHours(1)], databases.Select(d => d.Options.SnapshotInterval));
    }

    private static string Error(TestHost host, string text) =>
        Assert.Throws<ConfigurationException>(() => host.Resolver(text).ResolveAll()).Message;
}
