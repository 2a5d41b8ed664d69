namespace Litestream.Storage.S3;

/// <summary>Credentials of one request.</summary>
/// <param name="AccessKeyId">Public part.</param>
/// <param name="SecretAccessKey">Secret part.</param>
/// <param name="SessionToken">Token of temporary credentials; empty = none.</param>
internal sealed record AwsKeys(string AccessKeyId, string SecretAccessKey, string SessionToken = "")
{
    /// <summary>The public part only.</summary>
    public override string ToString() => AccessKeyId;
}
