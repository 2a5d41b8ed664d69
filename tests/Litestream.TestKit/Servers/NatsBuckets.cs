using System.Net;
using System.Net.Sockets;

namespace Litestream.TestKit.Servers;

/// <summary>Creates object-store buckets on a nats-server: the client under test never does (backends §4.8).</summary>
public static class NatsBuckets
{
    /// <summary>Creates a bucket in the server's own protocol, without the library under test.</summary>
    /// <param name="port">Port of the server on 127.0.0.1.</param>
    /// <param name="bucket">Name.</param>
    /// <param name="account">User and password; null = none.</param>
    public static async Task CreateAsync(int port, string bucket, (string User, string Password)? account = null)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port);
        await using NetworkStream stream = client.GetStream();
        using var reader = new StreamReader(stream);
        await using var writer = new StreamWriter(stream) { NewLine = "\r\n" };
        await reader.ReadLineAsync(); // INFO
        string login = account is { } given ? $", \"user\":\"{given.User}\", \"pass\":\"{given.Password}\"" : "";
        string request = $$"""
            {"name":"OBJ_{{bucket}}","subjects":["$O.{{bucket}}.C.>","$O.{{bucket}}.M.>"],"discard":"new","storage":"file","num_replicas":1,"allow_rollup_hdrs":true,"allow_direct":true}
            """;
        await writer.WriteLineAsync($"CONNECT {{\"verbose\":false{login}}}");
        await writer.WriteLineAsync("SUB answers 1");
        await writer.WriteLineAsync($"PUB $JS.API.STREAM.CREATE.OBJ_{bucket} answers {request.Length}");
        await writer.WriteLineAsync(request);
        await writer.FlushAsync();
        while (await reader.ReadLineAsync() is { } line)
        {
            if (line.StartsWith("-ERR", StringComparison.Ordinal))
            {
                throw new InvalidOperationException($"nats-server: {line}");
            }

            if (line.StartsWith("MSG ", StringComparison.Ordinal))
            {
                string answer = await reader.ReadLineAsync() ?? "";
                if (answer.Contains("\"error\"", StringComparison.Ordinal))
                {
                    throw new InvalidOperationException($"nats-server: {answer}");
                }

                return;
            }
        }

        throw new InvalidOperationException("nats-server closed the connection");
    }
}
