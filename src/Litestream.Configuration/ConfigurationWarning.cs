namespace Litestream.Configuration;

/// <summary>Something in the configuration that has no effect or probably not the intended one (trap B1, B17).</summary>
/// <param name="Line">Line in the file, from 1.</param>
/// <param name="Key">The key or variable concerned.</param>
/// <param name="Message">What is wrong; without values that could be secrets.</param>
/// <param name="Hint">What to do about it, or null.</param>
public sealed record ConfigurationWarning(int Line, string Key, string Message, string? Hint = null);
