using System.Diagnostics;
using Litestream.TestKit.Processes;
using Xunit;

namespace Litestream.Backends.Tests.Native;

/// <summary>The contract suite compiled ahead of time, published once for all stores.</summary>
public sealed class NativeContractHost : IAsyncLifetime
{
    private static readonly string Folder = Path.Combine(Checkout.Root, "artifacts", "contract");

    /// <summary>Path of the executable.</summary>
    public static string Executable => Path.Combine(Folder, "contract");

    /// <summary>What the publication printed.</summary>
    public string Log { get; private set; } = "";

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        string project = Path.Combine(Checkout.Root, "tests", "Litestream.ContractHost", "Litestream.ContractHost.csproj");
        using Process publish = Process.Start(new ProcessStartInfo(
            "dotnet", ["publish", project, "-c", "Release", "-r", "linux-x64", "-p:CppCompilerAndLinker=gcc", "-o", Folder, "-v", "m", "-nologo", "-nodeReuse:false"])
        {
            RedirectStandardOutput = true,
        })!;
        Log = await publish.StandardOutput.ReadToEndAsync();
        await publish.WaitForExitAsync();
        Assert.True(publish.ExitCode == 0, Log);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
