namespace Litestream.Storage.S3.Oss;

/// <summary>How the completion of an upload in parts ended.</summary>
internal enum OssCompletion
{
    /// <summary>The object is there.</summary>
    Done,

    /// <summary>Another object has the name and must not be replaced.</summary>
    Exists,

    /// <summary>The store does not know the upload: it has been completed, and the answer was lost, or somebody has aborted it.</summary>
    Unknown,
}
