namespace Litestream.Capture;

/// <summary>Frames changed while they were copied: possible under the first lock after opening only (trap B15). A full copy follows.</summary>
internal sealed class WalOverwrittenException(string message) : Exception(message);
