using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Litestream.TestKit.Servers;

/// <summary>
/// A real storage server on the loopback interface, started by a script <c>NAME.sh DATADIR PORT</c>. It ends with this object, and also
/// when the process of the tests is killed: the wrapper notices that its standard input has closed.
/// </summary>
public sealed class StorageServer : IAsyncDisposable
{
    private const string Wrapper = """( bash "$0" "$@" </dev/null; echo "server script ended with $?" ) & cat >/dev/null; trap '' TERM; kill -TERM 0; sleep 0.5; kill -KILL 0""";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly TempDirectory _folder;
    private readonly bool _ownsFolder;
    private readonly Process _process;
    private readonly StringBuilder _output = new();

    private StorageServer(string script, TempDirectory folder, bool ownsFolder, int port, IReadOnlyDictionary<string, string>? environment)
    {
        _folder = folder;
        _ownsFolder = ownsFolder;
        Port = port;
        var start = new ProcessStartInfo("setsid", ["bash", "-c", Wrapper, script, Folder, $"{port}"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start)!;
        _process.OutputDataReceived += Remember;
        _process.ErrorDataReceived += Remember;
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    /// <summary>First port of the server, on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>Directory of its data, keys and certificates.</summary>
    public string Folder => _folder.Root;

    /// <summary>
    /// Starts a server of <c>../shared/servers</c>; where the scripts are missing, the test that asks is skipped with that reason. Returns when
    /// its port accepts a connection.
    /// </summary>
    /// <param name="name">Name of the script without <c>.sh</c>.</param>
    /// <param name="ports">Consecutive ports it uses.</param>
    /// <param name="environment">Options of the script.</param>
    /// <param name="folder">Data of an earlier run to go on with, not removed at the end; null for a fresh one.</param>
    /// <param name="port">Port of an earlier run; 0 for a free one.</param>
    public static async Task<StorageServer> StartAsync(
        string name, int ports = 1, IReadOnlyDictionary<string, string>? environment = null, TempDirectory? folder = null, int port = 0)
    {
        string script = Path.GetFullPath(Path.Combine(Fixtures.Root, "..", "servers", name + ".sh"));
        return await StartScriptAsync(script, ports, environment, folder, port);
    }

    /// <summary>Starts a server of any script that takes a data directory and a port.</summary>
    public static async Task<StorageServer> StartScriptAsync(
        string script, int ports = 1, IReadOnlyDictionary<string, string>? environment = null, TempDirectory? folder = null, int port = 0)
    {
        var server = new StorageServer(script, folder ?? new TempDirectory(), folder is null, port == 0 ? FreePorts.Take(ports) : port, environment);
        try
        {
            await server.WaitUntilAsync(() => server.AcceptsAsync(server.Port), "its port accepts a connection");
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits for something that the server does after its start, such as creating its bucket.</summary>
    public async Task WaitUntilAsync(Func<Task<bool>> condition, string what)
    {
        ArgumentNullException.ThrowIfNull(condition);
        long began = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (_process.HasExited || Stopwatch.GetElapsedTime(began) > Patience || Output.Contains("server script ended with", StringComparison.Ordinal))
            {
                throw new InvalidOperationException($"the server on port {Port} did not become ready: {what}{Environment.NewLine}{Output}");
            }

            await Task.Delay(50);
        }
    }

    /// <summary>What the script has printed.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    /// <summary>Whether a port of the loopback interface accepts connections.</summary>
    public async Task<bool> AcceptsAsync(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended already.
        }

        await _process.WaitForExitAsync();
        _process.Dispose();
        if (_ownsFolder)
        {
            _folder.Dispose();
        }
    }

    private void Remember(object sender, DataReceivedEventArgs line)
    {
        lock (_output)
        {
            _output.AppendLine(line.Data);
        }
    }
}
