namespace Litestream.Ltx;

/// <summary>Reads a part of a file of known size, wherever the file is.</summary>
/// <param name="offset">First byte, from 0.</param>
/// <param name="destination">Where the bytes go; its length is how many are wanted, never 0.</param>
/// <param name="cancellationToken">Stops reading.</param>
/// <returns>Bytes read: fewer than wanted only when the file ends there.</returns>
public delegate ValueTask<int> ReadRange(long offset, Memory<byte> destination, CancellationToken cancellationToken);
