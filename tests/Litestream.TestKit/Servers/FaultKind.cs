namespace Litestream.TestKit.Servers;

/// <summary>What <see cref="FaultProxy"/> can do to a request.</summary>
public enum FaultKind
{
    /// <summary>The connection is reset; the store never sees the request.</summary>
    ResetBeforeForward,

    /// <summary>The store carries the request out, then the connection is reset: the answer is lost.</summary>
    ResetAfterEffect,

    /// <summary>The store gets half of the request's body, then both connections are reset.</summary>
    ResetInRequestBody,

    /// <summary>The store has answered, but nothing comes for <see cref="FaultProxyOptions.StallTime"/>.</summary>
    StallBeforeAnswer,

    /// <summary>Half of the answer's body comes, then nothing for <see cref="FaultProxyOptions.StallTime"/>.</summary>
    StallInBody,

    /// <summary>Half of the answer's body comes under the whole Content-Length, then an orderly close.</summary>
    TruncatedBody,

    /// <summary>Half of the answer's body comes under the whole Content-Length, then a reset.</summary>
    ResetInBody,

    /// <summary>500 InternalError; the store never sees the request.</summary>
    InternalError,

    /// <summary>503 SlowDown; the store never sees the request.</summary>
    SlowDown,

    /// <summary>503 with <c>Retry-After: 0</c> or <c>1</c>; the store never sees the request.</summary>
    RetryAfter,

    /// <summary>429 TooManyRequests; the store never sees the request.</summary>
    TooManyRequests,

    /// <summary>408 RequestTimeout; the store never sees the request.</summary>
    RequestTimeout,

    /// <summary>403 AccessDenied for every request of a spell, <see cref="FaultProxyOptions.DeniedTime"/>.</summary>
    AccessDenied,

    /// <summary>The store carries the request out, the answer is 500.</summary>
    ErrorAfterEffect,

    /// <summary>The store gets the request twice; the second answer is returned.</summary>
    DuplicateDelivery,

    /// <summary>A list is answered with what the same request got before.</summary>
    StaleList,

    /// <summary>A list is answered with something that is no list, or with the first half of one.</summary>
    GarbageList,

    /// <summary>The answer comes in small pieces with pauses, the last byte after <see cref="FaultProxyOptions.DripTime"/>.</summary>
    SlowBytes,

    /// <summary>CompleteMultipartUpload is answered 200 with an <c>Error</c> document and has no effect.</summary>
    ErrorInOk,

    /// <summary>The connection is reset, and new ones are refused for <see cref="FaultProxyOptions.RefusedTime"/>.</summary>
    ConnectionRefused,

    /// <summary>The request is held back for <see cref="FaultProxyOptions.ExtraLatency"/>.</summary>
    ExtraLatency,
}
