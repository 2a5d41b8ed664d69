using System.Globalization;
using Litestream.TestKit;
using Litestream.TestKit.Processes;

namespace Litestream.Tests.Levels;

/// <summary>
/// Memory does not grow with the database (decision D21): the product's snapshot, merge and restore of generated databases, each in a
/// process of its own. 20 GiB by command, see docs/testing.md.
/// </summary>
public sealed class HugeDatabaseTests
{
    private const long Limit = 128 * 1024;
    private const long Growth = 8 * 1024;

    [Theory]
    [InlineData("snapshot")]
    [InlineData("merge")]
    [InlineData("restore")]
    public async Task HalfAGibibyteAndTwo_StayBelow128MiB_AndDoNotGrow(string mode)
    {
        long small = await PeakAsync(mode, 512L << 20);
        long large = await PeakAsync(mode, 2L << 30);
        Assert.InRange(large, 1, Limit);
        Assert.True(large - small <= Growth, $"{mode}: {small} KiB at 0.5 GiB, {large} KiB at 2 GiB");
    }

    private static async Task<long> PeakAsync(string mode, long size)
    {
        using var folder = new TempDirectory();
        if (mode != "snapshot")
        {
            await RunAsync("generate", folder.Root, size);
        }

        string figures = await RunAsync(mode, folder.Root, size);
        return long.Parse(figures.Split("peak_kib=")[1], CultureInfo.InvariantCulture);
    }

    private static async Task<string> RunAsync(string mode, string folder, long size)
    {
        await using var process = new ChildProcess(
            Checkout.Huge, [mode, "--folder", folder, "--size", size.ToString(CultureInfo.InvariantCulture)]);
        Assert.True(await process.WaitForExitAsync() == 0, process.Output);
        return await process.WaitForLineAsync(line => line.Contains("peak_kib=", StringComparison.Ordinal));
    }
}
