using System.Collections.Concurrent;
using Litestream.EndToEnd.Tests.Backends;
using Litestream.TestKit.Servers;
using Xunit;

[assembly: AssemblyFixture(typeof(BackendServers))]

namespace Litestream.EndToEnd.Tests.Backends;

/// <summary>One server of each kind for all tests, started when the first test asks for it.</summary>
public sealed class BackendServers : IAsyncLifetime
{
    private readonly ConcurrentDictionary<string, Lazy<Task<TestStore>>> _stores = new();

    /// <summary>Stores that the command line can use.</summary>
    public static TheoryData<string> All => [.. TestStore.Names];

    /// <summary>The store of a kind.</summary>
    public Task<TestStore> GetAsync(string name) => _stores.GetOrAdd(name, kind => new Lazy<Task<TestStore>>(() => TestStore.StartAsync(kind))).Value;

    /// <inheritdoc/>
    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (Lazy<Task<TestStore>> store in _stores.Values.Where(store => store.Value.IsCompletedSuccessfully))
        {
            await (await store.Value).DisposeAsync();
        }
    }
}
