using System.Reflection;
using Xunit;

namespace Litestream.Architecture.Tests;

/// <summary>
/// The public surface of the libraries as text. A member that became public by accident has to be kept for ever; here it is seen in
/// the diff. After a wanted change: <c>LITESTREAM_ACCEPT_API=1 eng/test.sh Architecture</c>, and commit the files.
/// </summary>
public sealed class PublicApiTests
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    public static TheoryData<string> Libraries => 
    [
        "Litestream.Ltx", "Litestream.Sqlite", "Litestream.Storage", "Litestream.Storage.S3", "Litestream.Storage.Azure", "Litestream.Storage.Gcs",
        "Litestream.Storage.Sftp", "Litestream.Storage.Nats", "Litestream.Storage.WebDav", "Litestream.Engine",
    ];

    [Theory]
    [MemberData(nameof(Libraries))]
    public void The_public_surface_is_the_accepted_one(string assembly)
    {
        string file = Path.Combine(Repository.Root, "tests", "Litestream.Architecture.Tests", "PublicApi", assembly + ".txt");
        string[] actual = [.. Describe(Assembly.Load(assembly))];
        if (Environment.GetEnvironmentVariable("LITESTREAM_ACCEPT_API") == "1")
        {
            File.WriteAllLines(file, actual);
        }

        string[] accepted = File.Exists(file) ? File.ReadAllLines(file) : [];
        Violations.None([.. actual.Except(accepted).Select(line => "new: " + line), .. accepted.Except(actual).Select(line => "gone: " + line)]);
    }

    private static IEnumerable<string> Describe(Assembly assembly) =>
        assembly.GetExportedTypes()
            .SelectMany(type => Members(type).Prepend($"{type.FullName}: {Kind(type)}"))
            .Order(StringComparer.Ordinal);

    private static string Kind(Type type) =>
        type.IsEnum ? "enum " + string.Join(", ", Enum.GetNames(type))
        : type.IsInterface ? "interface"
        : type.IsValueType ? "struct"
        : type is { IsAbstract: true, IsSealed: true } ? "static class"
        : (type.IsAbstract ? "abstract " : type.IsSealed ? "sealed " : "") + "class" + (type.BaseType == typeof(object) ? "" : " : " + type.BaseType!.Name);

    private static IEnumerable<string> Members(Type type) =>
        type.IsEnum ? [] : type.GetMembers(Declared).Where(IsVisible).Select(member => $"{type.FullName}.{member}");

    /// <summary>What others can call and what a person wrote: generated members of records and accessors of properties are left out.</summary>
    private static bool IsVisible(MemberInfo member) => !member.Name.Contains('<', StringComparison.Ordinal) && member switch
    {
        MethodInfo method => (method.IsPublic || method.IsFamily) && (!method.IsSpecialName || method.Name.StartsWith("op_", StringComparison.Ordinal)) && method.GetBaseDefinition() == method
            && !method.IsDefined(typeof(System.Runtime.CompilerServices.CompilerGeneratedAttribute), inherit: false),
        ConstructorInfo constructor => constructor.IsPublic || constructor.IsFamily,
        PropertyInfo property => property.GetAccessors().Length > 0,
        FieldInfo field => field.IsPublic,
        EventInfo => true,
        _ => false,
    };
}
