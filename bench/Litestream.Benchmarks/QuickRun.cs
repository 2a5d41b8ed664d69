using System.Diagnostics;
using System.Globalization;

namespace Litestream.Benchmarks;

/// <summary>Every kernel for about a second, one line of figures each.</summary>
internal static class QuickRun
{
    private static readonly TimeSpan Budget = TimeSpan.FromMilliseconds(800);

    internal static int Execute(ReadOnlySpan<string> only, TextWriter output)
    {
        using var ltx = new LtxKernels();
        ltx.Setup();
        (string Name, Action Run, long Bytes)[] kernels =
        [
            ("crc64", () => ltx.CrcOfPages(), LtxKernels.Bytes),
            ("crc64-scalar", () => ltx.CrcScalar(), LtxKernels.Bytes),
            ("lz4-encode", () => ltx.Lz4Encode(), LtxKernels.Bytes),
            ("lz4-decode", () => ltx.Lz4Decode(), LtxKernels.Bytes),
            ("ltx-encode", () => ltx.Encode(), LtxKernels.Bytes),
            ("ltx-read", () => ltx.Read(), LtxKernels.Bytes),
            ("ltx-read-parts", () => ltx.ReadParts(), LtxKernels.Bytes),
            ("ltx-merge", () => ltx.Merge(), LtxKernels.MergedBytes),
        ];
        foreach ((string name, Action run, long bytes) in kernels)
        {
            if (only.IsEmpty || only.Contains(name))
            {
                Measure(name, run, bytes, output);
            }
        }

        return 0;
    }

    private static void Measure(string name, Action run, long bytes, TextWriter output)
    {
        // Warm up past the first compilation tiers; the best of many short runs is the least disturbed one.
        var total = Stopwatch.StartNew();
        while (total.Elapsed < Budget)
        {
            run();
        }

        TimeSpan best = TimeSpan.MaxValue;
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        int runs = 0;
        for (total.Restart(); total.Elapsed < Budget; runs++)
        {
            var one = Stopwatch.StartNew();
            run();
            best = one.Elapsed < best ? one.Elapsed : best;
        }

        allocated = (GC.GetAllocatedBytesForCurrentThread() - allocated) / runs;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-16} {bytes / best.TotalSeconds / 1e9,8:F2} GB/s of page data, {allocated} bytes allocated per {bytes / 1048576.0:F1} MiB"));
    }
}
