using Litestream.Backends.Tests.Spool;
using Litestream.Storage.S3;
using Litestream.Storage.Transport;

namespace Litestream.Backends.Tests.S3;

/// <summary>Parts of S3 that wait in files; the smallest part is 5 MiB.</summary>
public sealed class S3SpooledPartTests : SpooledPartTests
{
    protected override int PartSize => 5 << 20;

    internal override Task<SpoolStore> OpenAsync(UploadSpool spool)
    {
        var s3 = new FakeS3(request => request.Method == "PUT" && FailsNow(request.Target) ? FakeS3.Error(500, "InternalError") : null);
        StorageTransport transport = FakeS3.CreateTransport();
        return Task.FromResult(new SpoolStore(new S3ReplicaClient(s3.Options with { Spool = spool }, transport), () => s3.OpenUploads, transport, s3));
    }
}
