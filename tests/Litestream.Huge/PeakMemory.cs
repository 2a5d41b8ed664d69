using System.Globalization;

namespace Litestream.Huge;

/// <summary>The most memory that this process ever had resident.</summary>
internal static class PeakMemory
{
    internal static long Kibibytes()
    {
        string line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
