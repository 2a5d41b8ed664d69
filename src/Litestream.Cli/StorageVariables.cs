namespace Litestream.Cli;

/// <summary>
/// The environment as storage clients see it: <c>LITESTREAM_ACCESS_KEY_ID</c> and <c>LITESTREAM_SECRET_ACCESS_KEY</c> stand in for the
/// <c>AWS_…</c> variables where those are not set at all (cli-config-control §11). Nothing is copied into the environment, so no child
/// process gets a secret that it did not have (decision D37).
/// </summary>
internal static class StorageVariables
{
    public static string? Get(Func<string, string?> environment, string name) => environment(name) ?? name switch
    {
        "AWS_ACCESS_KEY_ID" => environment("LITESTREAM_ACCESS_KEY_ID"),
        "AWS_SECRET_ACCESS_KEY" => environment("LITESTREAM_SECRET_ACCESS_KEY"),
        _ => null,
    };
}
