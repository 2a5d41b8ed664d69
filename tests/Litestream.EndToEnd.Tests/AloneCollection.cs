using Xunit;

namespace Litestream.EndToEnd.Tests;

/// <summary>
/// Tests that hold the daemon to a time limit of real seconds: they run after the others, one by one, so that a kill loop beside them
/// does not decide the result.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    /// <summary>Name of the collection.</summary>
    public const string Name = "alone";
}
