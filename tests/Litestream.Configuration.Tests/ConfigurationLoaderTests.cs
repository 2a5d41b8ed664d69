namespace Litestream.Configuration.Tests;

public sealed class ConfigurationLoaderTests
{
    [Fact]
    public void Trap_B1_unknown_keys_are_reported_with_line_and_suggestion()
    {
        using TestHost host = new();
        LitestreamConfiguration configuration = host.Parse("adress: x\nl0_retention: 1m\ndbs:\n- path: /x\n  replica:\n    path: /r\n    retention: 72h\n");
        Assert.Collection(
            configuration.Warnings,
            w => Assert.Equal((1, "adress", null), (w.Line, w.Key, w.Hint is null ? null : "?")),
            w => Assert.Equal((2, "l0_retention", "did you mean \"l0-retention\"?"), (w.Line, w.Key, w.Hint)),
            w => Assert.Equal((7, "retention", "since v0.5 the key is snapshot.retention"), (w.Line, w.Key, w.Hint)));
    }

    [Fact]
    public void Trap_B1_duplicate_keys_are_reported_and_the_last_one_wins()
    {
        using TestHost host = new();
        LitestreamConfiguration configuration = host.Parse("l0-retention: 1m\nl0-retention: 2m\n");
        Assert.Equal(TimeSpan.FromMinutes(2), configuration.L0Retention);
        Assert.Equal(2, Assert.Single(configuration.Warnings).Line);
    }

    [Fact]
    public void A_top_level_key_that_only_holds_an_anchor_is_no_mistake()
    {
        using TestHost host = new();
        Assert.Empty(host.Parse("x: &a {type: file}\ndbs:\n- path: /x\n  replica: {<<: *a, path: /r}\n").Warnings);
    }

    [Theory]
    [InlineData("30", "30s")]
    [InlineData("1.5", "1.5s")]
    [InlineData("1_000", "1_000s")]
    public void Trap_B18_a_duration_without_unit_is_refused_with_a_hint(string value, string hint)
    {
        using TestHost host = new();
        string message = host.ParseError($"l0-retention: {value}\n").Message;
        Assert.Contains("line 1", message, StringComparison.Ordinal);
        Assert.Contains($"write {hint}", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("dbs: [null]", "dbs[0]")]
    [InlineData("levels: [{interval: 1m}, null]", "levels[1]")]
    [InlineData("dbs:\n- path: /x\n  replicas: [~]", "replicas[0]")]
    public void Trap_B19_a_null_item_is_an_error_with_its_index(string text, string item)
    {
        using TestHost host = new();
        Assert.Contains(item + " is empty", host.ParseError(text).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Type_errors_are_reported_together_in_the_order_of_the_file()
    {
        using TestHost host = new();
        Assert.Equal(
            "yaml: unmarshal errors:\n  line 2: cannot unmarshal !!str `yes` into bool\n  line 4: cannot unmarshal !!int `1` into bool\n"
            + "  line 5: cannot unmarshal !!str `maybe` into bool",
            host.ParseError("logging:\n  stderr: \"yes\"\nsocket:\n  enabled: 1\nverify-compaction: maybe\n").Message);
    }

    [Theory]
    [InlineData("p$$q", "p$q", 0)]
    [InlineData("pa$$$$word", "pa$$word", 0)]
    [InlineData("x$FOO-$FOO", "xbar-bar", 0)]
    [InlineData("${FOO}x", "barx", 0)]
    [InlineData("$ x$", "$ x$", 0)]
    [InlineData("${PID}", "4711", 0)]
    [InlineData("x${EMPTY}y", "xy", 0)]
    [InlineData("x${NOPE}y", "xy", 1)]
    [InlineData("p@$!x", "p@x", 1)]
    [InlineData("a$1b", "ab", 1)]
    [InlineData("x${FOO:-d}y", "xy", 1)]
    [InlineData("x${FOO", "xFOO", 1)]
    [InlineData("x${}y", "xy", 1)]
    public void Trap_B17_environment_expansion(string written, string expanded, int warnings)
    {
        using TestHost host = new(("FOO", "bar"), ("EMPTY", ""));
        LitestreamConfiguration configuration = host.Parse($"exec: '{written}'\n");
        Assert.Equal(expanded, configuration.Exec);
        Assert.Equal(warnings, configuration.Warnings.Count);
    }

    [Fact]
    public void Trap27_without_expansion_the_text_stays()
    {
        using TestHost host = new(("FOO", "bar"));
        Assert.Equal("$FOO $$", new ConfigurationLoader(host.Host).Parse("exec: $FOO $$", expandEnvironment: false).Exec);
    }

    [Theory]
    [InlineData("yes", true)]
    [InlineData("ON", true)]
    [InlineData("Y", true)]
    [InlineData("Off", false)]
    [InlineData("n", false)]
    public void Booleans_are_those_of_YAML_1_1(string text, bool value)
    {
        using TestHost host = new();
        Assert.Equal(value, host.Parse($"verify-compaction: {text}").VerifyCompaction);
    }

    [Theory]
    [InlineData("0600", 384)]
    [InlineData("0o600", 384)]
    [InlineData("600", 600)]
    [InlineData("0x10", 16)]
    [InlineData("1_0", 10)]
    [InlineData("4.5", 4)]
    public void Integers_are_those_of_YAML_1_1(string text, long value)
    {
        using TestHost host = new();
        Assert.Equal(value, host.Parse($"socket: {{permissions: {text}}}").Socket.Permissions);
    }

    [Fact]
    public void Mappings_merge_into_defaults_and_null_zeroes_them()
    {
        using TestHost host = new();
        SocketSettings socket = host.Parse("socket: {enabled: true}").Socket;
        Assert.Equal((true, SocketSettings.DefaultPath, 384L), (socket.Enabled, socket.Path, socket.Permissions));
        Assert.Equal("", host.Parse("socket:\n").Socket.Path);
        Assert.Empty(host.Parse("levels:\n").Levels);
        Assert.Equal(TimeSpan.FromMinutes(5), host.Parse("l0-retention:\n").L0Retention);
        Assert.Equal(TimeSpan.FromHours(24), host.Parse("snapshot:\n").SnapshotInterval);
    }

    // Decision D11: what upstream calls a conflict is two databases with settings of their own.
    [Fact]
    public void Store_R11_snapshot_settings_of_one_database_are_its_own() => SnapshotSettingsOfOneDatabase();

    [Fact]
    public void Trap11_snapshot_settings_of_one_database_are_its_own_and_the_rest_is_global() => SnapshotSettingsOfOneDatabase();

    private static void SnapshotSettingsOfOneDatabase()
    {
        using TestHost host = new();
        IEnumerable<(double, double)> Hours(string top) => host.Resolver(
                top + "dbs:\n- {path: /a, snapshot: {interval: 2h}, replica: {path: /r1}}\n- {path: /b, snapshot: {interval: 3h, retention: 9h}, replica: {path: /r2}}\n"
                + "- {path: /c, snapshot: {}, replica: {path: /r3}}\n- {path: /d, snapshot: , replica: {path: /r4}}\n")
            .ResolveAll().Select(d => (d.Options.SnapshotInterval.TotalHours, d.Options.SnapshotRetention.TotalHours));
        Assert.Equal([(2, 24), (3, 9), (24, 24), (24, 24)], Hours(""));
        Assert.Equal([(2, 48), (3, 9), (12, 48), (12, 48)], Hours("snapshot: {interval: 12h, retention: 48h}\n"));
        Assert.Equal(
            "dbs[/a].snapshot.interval: snapshot interval must be greater than 0 (got 0s)",
            host.ParseError("dbs:\n- {path: /a, snapshot: {interval: 0s}, replica: {path: /r}}\n").Message);
    }

    [Fact]
    public void Trap1_l0_retention_may_be_zero_but_not_negative()
    {
        using TestHost host = new();
        Assert.Equal(TimeSpan.Zero, host.Parse("l0-retention: 0").L0Retention);
        Assert.Equal("l0-retention: l0 retention must not be negative (got -1s)", host.ParseError("l0-retention: -1s").Message);
    }

    [Fact]
    public void The_first_failure_in_the_documented_order_wins()
    {
        using TestHost host = new();
        const string all = "dbs:\n- path: /x\n  replica: {path: /r, sync-interval: 0s}\nlevels: [{interval: 0s}]\nheartbeat-interval: 1s\n"
            + "shutdown-sync-interval: 0s\nl0-retention: -1s\nsnapshot: {interval: 0s}\n";
        Assert.StartsWith("snapshot.interval:", host.ParseError(all).Message, StringComparison.Ordinal);
        Assert.StartsWith("shutdown-sync-interval:", host.ParseError(all.Replace("l0-retention: -1s\nsnapshot: {interval: 0s}\n", "", StringComparison.Ordinal)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("logging: {type: bogus}", "text, json, pretty")]
    [InlineData("logging: {level: loud}", "trace, debug, info, warn, warning, error")]
    public void Trap_B38_unknown_logging_words_are_errors_that_name_the_allowed_ones(string text, string allowed)
    {
        using TestHost host = new();
        Assert.Contains(allowed, host.ParseError(text).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Keys_of_features_that_are_not_there_are_reported()
    {
        using TestHost host = new();
        LitestreamConfiguration configuration = host.Parse(
            "addr: :9090\nsocket: {enabled: true}\ndbs:\n- dir: /x\n  pattern: '*'\n  watch: true\n  replica: {path: /r}\nheartbeat-url: http://x\n");
        Assert.Equal([1, 2, 8], configuration.Unavailable.Select(w => w.Line));
        Assert.All(configuration.Unavailable, w => Assert.StartsWith("not yet supported in this version: ", w.Message, StringComparison.Ordinal));
        Assert.Empty(host.Parse("l0-retention: 1m\nshutdown-sync-timeout: 1s\n").Unavailable);
    }

    [Fact]
    public void Deep_nesting_and_many_aliases_end_with_an_error_or_quickly()
    {
        using TestHost host = new();
        Assert.Contains("nested deeper", host.ParseError("x: " + new string('[', 5000)).Message, StringComparison.Ordinal);
        string bomb = "a0: &a0 [x]\n" + string.Concat(Enumerable.Range(1, 60).Select(i => $"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n"));
        Assert.Empty(host.Parse(bomb).Databases);
    }

    [Fact]
    public void Backend_T27_the_key_is_refused_wherever_it_stands()
    {
        using TestHost host = new();
        host.ParseError("age: {identities: [a]}");
        host.ParseError("dbs: [{path: /x, replica: {url: \"s3://b/p\", age: {recipients: [a]}}}]");
    }

    [Fact]
    public void Trap29_age_keys_refuse_to_start_because_the_backup_would_be_plain_text()
    {
        using TestHost host = new();
        Assert.Contains("age encryption", host.ParseError("age: {recipients: [a]}").Message, StringComparison.Ordinal);
        Assert.Contains("age encryption", host.ParseError("dbs: [{path: /x, replica: {path: /r, age: {identities: [a]}}}]").Message, StringComparison.Ordinal);
        host.Parse("age: {}");
    }
}
