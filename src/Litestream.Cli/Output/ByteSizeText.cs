using System.Globalization;

namespace Litestream.Cli.Output;

/// <summary>Sizes for people: powers of 1000, one decimal below 10 (§2.4).</summary>
internal static class ByteSizeText
{
    private static readonly string[] Units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

    public static string Format(long bytes)
    {
        int unit = 0;
        double value = bytes;
        while (value >= 1000 && unit < Units.Length - 1)
        {
            value /= 1000;
            unit++;
        }

        double rounded = Math.Floor((value * 10) + 0.5) / 10;
        string format = unit > 0 && rounded < 10 ? "0.0" : "0";
        return string.Create(CultureInfo.InvariantCulture, $"{rounded.ToString(format, CultureInfo.InvariantCulture)} {Units[unit]}");
    }
}
