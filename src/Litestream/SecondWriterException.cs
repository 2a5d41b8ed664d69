namespace Litestream;

/// <summary>Another process writes to this database's replica; nothing more is done until this process is restarted (decision D35).</summary>
/// <param name="conflict">What showed it.</param>
public sealed class SecondWriterException(string conflict) : IOException($"not synced: {conflict}");
