using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace Litestream.Architecture.Tests;

/// <summary>What a built assembly uses, read from its metadata: nothing a compiler emits can hide from it.</summary>
internal sealed class ProductAssembly
{
    private ProductAssembly(string name, IReadOnlyList<string> types, IReadOnlyList<string> members, IReadOnlyList<string> imports)
    {
        Name = name;
        UsedTypes = types;
        UsedMembers = members;
        NativeImports = imports;
    }

    /// <summary>The assemblies of src/, by file name without extension.</summary>
    public static readonly ImmutableArray<string> Names =
    [
        "Litestream.Ltx", "Litestream.Sqlite", "Litestream.Storage", "Litestream.Storage.S3", "Litestream.Storage.Azure", "Litestream.Storage.Gcs",
        "Litestream.Storage.Sftp", "Litestream.Storage.Nats", "Litestream.Storage.WebDav", "Litestream.Engine", "Litestream.Configuration", "litestream",
    ];

    public string Name { get; }

    /// <summary>Full names of types of other assemblies.</summary>
    public IReadOnlyList<string> UsedTypes { get; }

    /// <summary>Members of other assemblies, as <c>Namespace.Type.Member(ParameterTypes)</c>.</summary>
    public IReadOnlyList<string> UsedMembers { get; }

    /// <summary>Methods of this assembly that are native entry points.</summary>
    public IReadOnlyList<string> NativeImports { get; }

    public static ProductAssembly Load(string name)
    {
        using var file = new PEReader(File.OpenRead(Path.Combine(AppContext.BaseDirectory, name + ".dll")));
        MetadataReader reader = file.GetMetadataReader();

        var types = reader.TypeReferences.Select(handle => FullName(reader, handle)).Distinct().Order(StringComparer.Ordinal).ToList();
        var members = reader.MemberReferences.Select(handle => Describe(reader, reader.GetMemberReference(handle)))
            .Distinct().Order(StringComparer.Ordinal).ToList();
        var imports = reader.MethodDefinitions.Select(reader.GetMethodDefinition)
            .Where(method => method.Attributes.HasFlag(MethodAttributes.PinvokeImpl))
            .Select(method => reader.GetString(method.Name)).ToList();
        return new ProductAssembly(name, types, members, imports);
    }

    private static string Describe(MetadataReader reader, MemberReference member)
    {
        string parent = member.Parent.Kind switch
        {
            HandleKind.TypeReference => FullName(reader, (TypeReferenceHandle)member.Parent),
            HandleKind.TypeSpecification => reader.GetTypeSpecification((TypeSpecificationHandle)member.Parent)
                .DecodeSignature(SignatureNames.Instance, genericContext: null),
            _ => "",
        };
        string parameters = member.GetKind() == MemberReferenceKind.Method
            ? "(" + string.Join(",", member.DecodeMethodSignature(SignatureNames.Instance, genericContext: null).ParameterTypes) + ")"
            : "";
        return $"{parent}.{reader.GetString(member.Name)}{parameters}";
    }

    private static string FullName(MetadataReader reader, TypeReferenceHandle handle)
    {
        TypeReference type = reader.GetTypeReference(handle);
        string name = reader.GetString(type.Name);
        if (type.ResolutionScope.Kind == HandleKind.TypeReference)
        {
            return FullName(reader, (TypeReferenceHandle)type.ResolutionScope) + "+" + name;
        }

        string ns = reader.GetString(type.Namespace);
        return ns.Length == 0 ? name : ns + "." + name;
    }

    /// <summary>Turns signature types into names; generic arguments are dropped, only the outer type matters here.</summary>
    private sealed class SignatureNames : ISignatureTypeProvider<string, object?>
    {
        public static readonly SignatureNames Instance = new();

        public string GetArrayType(string elementType, ArrayShape shape) => elementType + "[,]";

        public string GetByReferenceType(string elementType) => elementType + "&";

        public string GetFunctionPointerType(MethodSignature<string> signature) => "fnptr";

        public string GetGenericInstantiation(string genericType, ImmutableArray<string> typeArguments) => genericType;

        public string GetGenericMethodParameter(object? genericContext, int index) => "!!" + index;

        public string GetGenericTypeParameter(object? genericContext, int index) => "!" + index;

        public string GetModifiedType(string modifier, string unmodifiedType, bool isRequired) => unmodifiedType;

        public string GetPinnedType(string elementType) => elementType;

        public string GetPointerType(string elementType) => elementType + "*";

        public string GetPrimitiveType(PrimitiveTypeCode typeCode) => typeCode.ToString();

        public string GetSZArrayType(string elementType) => elementType + "[]";

        public string GetTypeFromDefinition(MetadataReader reader, TypeDefinitionHandle handle, byte rawTypeKind) =>
            reader.GetString(reader.GetTypeDefinition(handle).Name);

        public string GetTypeFromReference(MetadataReader reader, TypeReferenceHandle handle, byte rawTypeKind) => FullName(reader, handle);

        public string GetTypeFromSpecification(MetadataReader reader, object? genericContext, TypeSpecificationHandle handle, byte rawTypeKind) =>
            reader.GetTypeSpecification(handle).DecodeSignature(this, genericContext);
    }
}
