using System.Diagnostics;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Transfer;

namespace Litestream.Scenarios;

/// <summary>The multipart transfer of the AWS SDK, as it comes: size and number of parts, checksums and signatures are its own choice.</summary>
internal static class SdkTransfer
{
    /// <summary>Uploads a file that is there already.</summary>
    /// <returns>Milliseconds of the upload; making the client is not counted.</returns>
    public static async Task<double> UploadAsync(string file, string key, int port)
    {
        var config = new AmazonS3Config
        {
            ServiceURL = $"http://127.0.0.1:{port}",
            ForcePathStyle = true,
            AuthenticationRegion = "us-east-1",

            // The store of these scenarios does not know the checksums behind the body that the SDK sends otherwise.
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
        };
        using var client = new AmazonS3Client(new BasicAWSCredentials(S3Store.AccessKey, S3Store.Secret), config);
        using var transfer = new TransferUtility(client);

        // Its code is compiled at the first use, which is not what is measured.
        using var warmUp = new MemoryStream(new byte[24 << 20]);
        await transfer.UploadAsync(warmUp, S3Store.Bucket, key + "-warm");
        long began = Stopwatch.GetTimestamp();
        await transfer.UploadAsync(file, S3Store.Bucket, key);
        return Stopwatch.GetElapsedTime(began).TotalMilliseconds;
    }
}
