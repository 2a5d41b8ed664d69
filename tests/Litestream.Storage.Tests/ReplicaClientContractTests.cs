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

    // A seek taken as a prefix of names made compaction crawl; names in text order put snapshot 10 before 9.
    [Fact]
    public async Task Store_C15_C16_every_client_seeks_and_sorts_by_number()
    {
        using var temp = new TempDirectory();
        IReplicaClient[] clients =
        [
            new FileReplicaClient(LocalFileSystem.Instance, temp["replica"]), new FileReplicaClient(new MemoryFileSystem(), "/replica"),
            new MemoryReplicaClient(), new CountingReplicaClient(new MemoryReplicaClient()),
        ];
        foreach (IReplicaClient client in clients)
        {
            await Run("C15_SeekReturnsEveryLaterFile", client);
            await Run("C16_SnapshotsSortByMax", client);
            await client.DisposeAsync();
        }
    }

    private static Task Run(string name, IReplicaClient client) =>
        ReplicaClientContract.Cases.Single(c => c.Name == name).Run(client);
}
