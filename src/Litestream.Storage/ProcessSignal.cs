using System.Runtime.InteropServices;
using Litestream.Storage.Files;

namespace Litestream.Storage;

/// <summary>Sends signals to processes that this one has started; the runtime can only kill them.</summary>
public static class ProcessSignal
{
    /// <summary>Sends a signal. A process that has ended meanwhile is no error.</summary>
    /// <param name="processId">Process id of a child that has not been waited for.</param>
    /// <param name="signal">Number of the signal on this platform.</param>
    /// <exception cref="IOException">The signal may not be sent.</exception>
    public static void Send(int processId, int signal)
    {
        const int noSuchProcess = 3;
        if (LibC.Kill(processId, signal) != 0 && Marshal.GetLastPInvokeError() is var code and not noSuchProcess)
        {
            throw SystemCallError.Create(code, "kill", $"process {processId}");
        }
    }
}
