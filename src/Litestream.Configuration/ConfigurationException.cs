namespace Litestream.Configuration;

/// <summary>
/// A configuration, a replica URL or a path cannot be used. The message is complete and meant for the user: the command
/// line prints it as it is (cli-config-control §1.4, §3.8).
/// </summary>
public sealed class ConfigurationException : Exception
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What is wrong, where, and what to do.</param>
    /// <param name="inner">Cause, if there is one.</param>
    public ConfigurationException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
