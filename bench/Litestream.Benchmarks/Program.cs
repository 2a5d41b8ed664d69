using BenchmarkDotNet.Running;
using Litestream.Benchmarks;

// "quick" prints one line a kernel within seconds; anything else goes to BenchmarkDotNet.
if (args is ["quick", ..])
{
    return QuickRun.Execute(args.AsSpan(1), Console.Out);
}

BenchmarkSwitcher.FromAssembly(typeof(QuickRun).Assembly).Run(args);
return 0;
