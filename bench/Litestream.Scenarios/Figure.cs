using System.Globalization;

namespace Litestream.Scenarios;

/// <summary>One number of a run. <paramref name="Format"/> is a .NET numeric format, the unit follows it.</summary>
internal sealed record Figure(string Name, double Value, string Format, string Unit)
{
    public override string ToString() => $"{Name}={Value.ToString(Format, CultureInfo.InvariantCulture)}{Unit}";

    public static Figure Count(string name, double value) => new(name, value, "0", "");

    public static Figure Seconds(string name, double value) => new(name, value, "0.00", "s");

    public static Figure Milliseconds(string name, double value) => new(name, value, "0.0", "ms");

    public static Figure Mebibytes(string name, double bytes) => new(name, bytes / (1 << 20), "0.0", "MiB");

    public static Figure Percent(string name, double value) => new(name, value, "0.000", "%");

    public static Figure Ratio(string name, double value) => new(name, value, "0.00", "x");
}
