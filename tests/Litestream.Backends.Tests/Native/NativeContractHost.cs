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
        CliResult result = await Cli.RunProgramAsync(
            "dotnet", "publish", project, "-c", "Release", "-r", "linux-x64", "-p:CppCompilerAndLinker=gcc", "-o", Folder, "-v", "m", "-nologo", "-nodeReuse:false");
        Log = result.StandardOutput + result.StandardError;
        Assert.True(result.ExitCode == 0, Log);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
