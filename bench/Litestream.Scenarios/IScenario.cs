namespace Litestream.Scenarios;

/// <summary>One black-box measurement of one executable.</summary>
internal interface IScenario
{
    string Name { get; }

    string Summary { get; }

    /// <summary>Runs once with fresh files.</summary>
    Task<IReadOnlyList<Figure>> RunAsync(ScenarioRun run);
}
