namespace Litestream.Workload;

/// <summary>Makes one transaction after the other on one connection.</summary>
internal interface IWriter : IDisposable
{
    /// <summary>Number of this writer's newest transaction in the database, 0 = none.</summary>
    long LastCommitted { get; }

    /// <summary>Runs one transaction; if it commits it records the number in the table <c>ack</c>.</summary>
    Outcome Run(long n);
}
