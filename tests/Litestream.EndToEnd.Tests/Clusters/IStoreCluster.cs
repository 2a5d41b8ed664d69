namespace Litestream.EndToEnd.Tests.Clusters;

/// <summary>A store of several nodes, each of which can be killed and started again.</summary>
internal interface IStoreCluster : IAsyncDisposable
{
    /// <summary>Keys of a <c>replica</c> mapping that lead to an empty place.</summary>
    IReadOnlyDictionary<string, string> Place { get; }

    /// <summary>The node to kill next.</summary>
    /// <param name="kill">How many have been killed.</param>
    Task<int> ChooseAsync(int kill);

    /// <summary>kill -9.</summary>
    void Kill(int node);

    /// <summary>Starts a killed node again and waits until it has everything that was stored so far.</summary>
    Task RestartAsync(int node);
}
