namespace Litestream.TestKit.Servers;

/// <summary>One request that came to a <see cref="FaultProxy"/>.</summary>
/// <param name="Connection">Number of the client's connection, from 1.</param>
/// <param name="Method">E.g. <c>PUT</c>.</param>
/// <param name="Target">Path and query as sent.</param>
/// <param name="Status">Status that the client was sent; 0 = none.</param>
/// <param name="RequestBytes">Body bytes that came from the client.</param>
/// <param name="ResponseBytes">Body bytes that were sent to the client, framing included.</param>
/// <param name="Fault">What was done to it; null = nothing.</param>
public sealed record FaultProxyExchange(int Connection, string Method, string Target, int Status, long RequestBytes, long ResponseBytes, FaultKind? Fault);
