namespace Litestream.Configuration.Yaml;

/// <summary>The keys of one kind of mapping and how each is read: the schema, in one place, without reflection.</summary>
internal sealed class FieldTable<T> : Dictionary<string, Action<T, YamlNode, YamlDecoder>>;
