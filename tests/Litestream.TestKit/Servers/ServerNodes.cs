using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Litestream.TestKit.Processes;

namespace Litestream.TestKit.Servers;

/// <summary>The processes of a cluster that a script of <c>eng/servers</c> started: each can be killed and started again by its number.</summary>
/// <param name="server">The script.</param>
/// <param name="name">Name of the files with their process ids, without number and <c>.pid</c>.</param>
public sealed partial class ServerNodes(StorageServer server, string name)
{
    /// <summary>kill -9.</summary>
    public void Kill(int node)
    {
        int process = int.Parse(File.ReadAllText(Path.Combine(server.Folder, $"{name}{node}.pid")), CultureInfo.InvariantCulture);
        if (Kill(process, ChildProcess.KillNow) != 0)
        {
            throw new InvalidOperationException($"{name}{node} does not run: {server.Output}");
        }
    }

    /// <summary>Starts a killed node again; returns when its process runs, which is before it takes part.</summary>
    public async Task RestartAsync(int node)
    {
        using Process restart = Process.Start(Path.Combine(server.Folder, "restart-node"), [$"{node}"])!;
        await restart.WaitForExitAsync();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
