using Litestream.Storage;
using Microsoft.Extensions.Logging;

namespace Litestream;

/// <summary>What the engine takes from outside: files, time and logs.</summary>
/// <param name="FileSystem">All file access outside SQLite.</param>
/// <param name="Time">All clocks and timers.</param>
/// <param name="Loggers">Sinks for log records.</param>
public sealed record EngineServices(IFileSystem FileSystem, TimeProvider Time, ILoggerFactory Loggers);
