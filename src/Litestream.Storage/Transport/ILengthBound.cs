namespace Litestream.Storage.Transport;

/// <summary>A stream that cannot tell its length, but a length that it will not exceed: what an encoder can know beforehand.</summary>
public interface ILengthBound
{
    /// <summary>Most bytes that the stream will give.</summary>
    long MaxLength { get; }
}
