using System.Reflection;

namespace Litestream.Cli;

/// <summary>Which build this is. The values are put into the assembly when it is built.</summary>
internal static class BuildInfo
{
    private const int ShortRevision = 12;

    /// <summary>Version without revision, e.g. <c>0.5.17</c> (§2.8).</summary>
    public static string Version { get; } = Informational.Split('+')[0];

    /// <summary>Revision of the sources, or empty.</summary>
    public static string Revision => Informational.Contains('+', StringComparison.Ordinal) ? Informational[(Informational.IndexOf('+', StringComparison.Ordinal) + 1)..] : "";

    /// <summary>First digits of the revision.</summary>
    public static string ShortRevisionText => Revision.Length > ShortRevision ? Revision[..ShortRevision] : Revision;

    /// <summary>Time of the commit in RFC 3339 form, or empty.</summary>
    public static string CommitTime { get; } = typeof(BuildInfo).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
        .FirstOrDefault(a => a.Key == "CommitTime")?.Value ?? "";

    private static string Informational =>
        typeof(BuildInfo).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "(development build)";
}
