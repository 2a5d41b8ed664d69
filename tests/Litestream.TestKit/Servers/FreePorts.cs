using System.Net;
using System.Net.Sockets;

namespace Litestream.TestKit.Servers;

/// <summary>Ports of the loopback interface that nobody uses.</summary>
public static class FreePorts
{
    private const int First = 20_000;
    private const int Last = 31_000; // Below the range from which the kernel gives ports to clients.

    private static readonly Lock Gate = new();

    // Processes that run side by side begin at different places.
    private static int next = First + (Environment.ProcessId * 97 % (Last - First));

    /// <summary>The first of a number of consecutive free ports; never given out twice by this process until all have been.</summary>
    public static int Take(int count)
    {
        lock (Gate)
        {
            for (int tries = 0; tries < Last - First; tries++)
            {
                if (next + count > Last)
                {
                    next = First;
                }

                int candidate = next;
                next += count;
                if (Enumerable.Range(candidate, count).All(IsFree))
                {
                    return candidate;
                }
            }

            throw new InvalidOperationException($"no {count} consecutive free ports from {First} to {Last}");
        }
    }

    private static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
