using System.Globalization;
using Litestream.ContractHost;
using Litestream.Storage;
using Litestream.Storage.Transport;
using Litestream.TestKit.Replicas;

// The contract suite as a program of its own: one line per case, exit code 1 if one failed.
//   contract list              prints the names of the cases
//   contract < PLACES          reads one line per case: its name, then key=value pairs of a replica mapping, separated by tabs
// The places come on standard input: keys are no arguments (decision D37).
if (args is ["list"])
{
    foreach (ReplicaContractCase each in ReplicaClientContract.Cases)
    {
        Console.WriteLine(each.Name);
    }

    return 0;
}

using var transport = new StorageTransport(new TransportOptions { Retry = new RetryOptions(10, TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(200)) });
int failed = 0;
while (Console.ReadLine() is { Length: > 0 } line)
{
    string[] words = line.Split('\t');
    Dictionary<string, string> settings = words.Skip(1).Select(word => word.Split('=', 2)).ToDictionary(pair => pair[0], pair => pair[1]);
    ReplicaContractCase one = ReplicaClientContract.Cases.Single(each => each.Name == words[0]);
    long began = TimeProvider.System.GetTimestamp();
    string result = "ok";
    try
    {
        IReplicaClient client = BackendClients.Open(settings, transport);
        await using (client)
        {
            await one.Run(client);
        }
    }
#pragma warning disable CA1031 // Whatever a case throws is its result.
    catch (Exception e)
#pragma warning restore CA1031
    {
        failed++;
        result = "FAILED " + e.ToString().ReplaceLineEndings(" | ");
    }

    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{one.Name} {TimeProvider.System.GetElapsedTime(began).TotalMilliseconds:F0} ms {result}"));
}

return failed == 0 ? 0 : 1;
