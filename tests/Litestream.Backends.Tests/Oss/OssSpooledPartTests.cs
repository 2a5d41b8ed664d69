using Litestream.Backends.Tests.Spool;
using Litestream.Storage.S3.Oss;
using Litestream.Storage.Transport;

namespace Litestream.Backends.Tests.Oss;

/// <summary>Parts of OSS that wait in files.</summary>
public sealed class OssSpooledPartTests : SpooledPartTests
{
    internal override Task<SpoolStore> OpenAsync(UploadSpool spool)
    {
        var oss = new OssStub { Intercept = request => request.Method == "PUT" && FailsNow(request.Target) ? OssStub.Error(500, "InternalError", "said by the test") : null };
        var transport = new StorageTransport(new TransportOptions { Retry = new RetryOptions(3, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(2)), GetVariable = _ => null });
        var client = new OssReplicaClient(
            new OssOptions
            {
                Bucket = OssStub.Bucket, Path = "spool", Endpoint = oss.Endpoint, AccessKeyId = OssStub.KeyId, SecretAccessKey = OssStub.Secret,
                PartSize = PartSize, Spool = spool,
            },
            transport);
        return Task.FromResult(new SpoolStore(client, () => oss.OpenUploads, transport, oss));
    }
}
