using System.Text.RegularExpressions;
using Litestream.TestKit.Processes;
using Litestream.TestKit.Replicas;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.Native;

/// <summary>
/// Every case of the contract suite on every store with natively compiled clients (decision D41): trimming may take away what a library
/// finds by reflection, and then only the published program fails.
/// </summary>
public sealed partial class NativeContractTests(NativeContractHost host) : IClassFixture<NativeContractHost>
{
    public static TheoryData<string> Stores => [.. TestStore.Names];

    [Fact]
    public void It_is_published_without_warnings() => Assert.DoesNotMatch(Warning(), host.Log);

    [Theory]
    [MemberData(nameof(Stores))]
    public async Task Every_case_passes_natively(string name)
    {
        await using TestStore store = await TestStore.StartAsync(name);
        await using var process = new ChildProcess(NativeContractHost.Executable, [], store.Environment);
        int seen = 0;
        foreach (ReplicaContractCase one in ReplicaClientContract.Cases)
        {
            IReadOnlyDictionary<string, string> place = await store.CreatePlaceAsync();
            process.Send(string.Join('\t', place.Select(pair => $"{pair.Key}={pair.Value}").Prepend(one.Name)));
            string line = await process.WaitForLineAsync(line => line.StartsWith(one.Name + " ", StringComparison.Ordinal), seen);
            Assert.True(line.EndsWith(" ok", StringComparison.Ordinal), line);
            seen = process.LineCount;
        }

        process.Send("");
        Assert.True(await process.WaitForExitAsync() == 0, process.Output);
        Assert.Equal(ReplicaClientContract.Cases.Count, process.Lines.Count(line => line.EndsWith(" ok", StringComparison.Ordinal)));
    }

    [GeneratedRegex("warning (IL|NETSDK|CS|CA)[0-9]+")]
    private static partial Regex Warning();
}
