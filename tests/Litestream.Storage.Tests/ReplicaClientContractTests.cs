using Litestream.Storage;
using Litestream.TestKit;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Storage.Tests;

/// <summary>The contract suite on every client of this room. Without it a backend may differ where the engine relies on it.</summary>
public sealed class ReplicaClientContractTests
{
    public static TheoryData<string> Names => [.. ReplicaClientContract.Cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Directory(string name)
    {
        using var temp = new TempDirectory();
        await using var client = new FileReplicaClient(LocalFileSystem.Instance, temp["nested/replica"]);
        await Run(name, client);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task DirectoryInMemory(string name)
    {
        var files = new MemoryFileSystem();
        await using var client = new FileReplicaClient(files, "/replica");
        await Run(name, client);
        Assert.Equal(0, files.OpenFiles);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Memory(string name)
    {
        await using var client = new MemoryReplicaClient();
        await Run(name, client);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task FaultyWithoutFaults(string name)
    {
        await using var client = new FaultyReplicaClient(new MemoryReplicaClient());
        await Run(name, client);
        Assert.Equal(0, client.OpenStreams);
    }

    private static Task Run(string name, IReplicaClient client) =>
        ReplicaClientContract.Cases.Single(c => c.Name == name).Run(client);
}
