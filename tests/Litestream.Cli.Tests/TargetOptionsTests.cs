using System.Reflection;
using Litestream.Configuration.Targets;
using Xunit;

namespace Litestream.Cli.Tests;

/// <summary>
/// What is configured and what a client takes are two records, copied by hand (docs/design/rooms.md): a setting that the copy forgets
/// would be accepted, checked, and without effect.
/// </summary>
public sealed class TargetOptionsTests
{
    private static readonly ReplicaTarget[] Targets =
    [
        new S3Target("b", "p"), new OssTarget("b", "p"), new GcsTarget("b", "p"), new AbsTarget("c", "p"), new SftpTarget("h", "u", "p"), new WebDavTarget("http://h", "p"),
        new NatsTarget("nats://h", "b"),
    ];

    public static TheoryData<string, string> Settings => [.. Targets.SelectMany(target => SettingsOf(target).Select(setting => (target.Type, setting.Name)))];

    [Theory]
    [MemberData(nameof(Settings))]
    public void Every_setting_of_a_target_reaches_its_client(string type, string setting)
    {
        ReplicaTarget target = Targets.Single(one => one.Type == type);
        object options = OptionsOf(target);
        Assert.Equal(options, OptionsOf(target));
        PropertyInfo property = SettingsOf(target).Single(one => one.Name == setting);
        Assert.All(Others(property.PropertyType, property.GetValue(target)), value => Assert.NotEqual(options, OptionsOf(With(target, property, value))));
    }

    [Fact]
    public void Every_kind_of_target_is_asked() =>
        Assert.Equal(ReplicaTarget.KnownTypes.Except(["file"]), Targets.Select(target => target.Type).Order(StringComparer.Ordinal));

    private static object OptionsOf(ReplicaTarget target)
    {
        var clients = new ReplicaClients(CliHost.ForProcess());
        return target switch
        {
            S3Target s3 => ReplicaClients.Options(s3),
            OssTarget oss => ReplicaClients.Options(oss),
            GcsTarget gcs => ReplicaClients.Options(gcs),
            AbsTarget abs => ReplicaClients.Options(abs),
            SftpTarget sftp => clients.Options(sftp),
            WebDavTarget dav => ReplicaClients.Options(dav),
            _ => clients.Options((NatsTarget)target),
        };
    }

    private static IEnumerable<PropertyInfo> SettingsOf(object record) =>
        record.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(property => property.CanWrite && property.Name != nameof(ReplicaTarget.Type));

    /// <summary>Other values of a setting: one, or one for each member of a group.</summary>
    private static IEnumerable<object> Others(Type type, object? value) => (Nullable.GetUnderlyingType(type) ?? type, value) switch
    {
        ({ } t, _) when t == typeof(string) => [value + "x"],
        ({ } t, _) when t == typeof(bool) => [value is not true],
        ({ } t, _) when t == typeof(int) => [7],
        ({ } t, _) when t == typeof(long) => [7L << 20],
        ({ } t, _) when t == typeof(TimeSpan) => [TimeSpan.FromSeconds(77)],
        ({ } t, _) when t == typeof(IReadOnlyList<string>) => [(string[])["x"]],
        (_, CustomerEncryption group) => SettingsOf(group).Select(member => With(group, member, "x")),
        _ => throw new NotSupportedException($"{type}: say what another value of it is"),
    };

    private static T With<T>(T record, PropertyInfo property, object value)
        where T : notnull
    {
        object copy = record.GetType().GetMethod("<Clone>$")!.Invoke(record, null)!;
        property.SetValue(copy, value);
        return (T)copy;
    }
}
