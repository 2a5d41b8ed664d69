namespace Litestream.Follow;

/// <summary>A database cannot follow its replica, and trying again would not help: somebody has to decide.</summary>
public sealed class FollowException(string message, Exception? innerException = null) : Exception(message, innerException);
