using Litestream.Configuration.Targets;
using Litestream.Diagnostics;

namespace Litestream.Cli.Replication;

/// <summary>Attributes of the record <c>replicating to</c>: where to, never with credentials (§10).</summary>
internal static class TargetAttributes
{
    public static LogAttribute[] Describe(ReplicaTarget target, TimeSpan syncInterval)
    {
        LogAttribute[] place = target switch
        {
            FileTarget t => [("path", t.Path)],
            S3Target t => [("bucket", t.Bucket), ("path", t.Path), ("region", t.Region), ("endpoint", t.Endpoint)],
            GcsTarget t => [("bucket", t.Bucket), ("path", t.Path)],
            AbsTarget t => [("bucket", t.Container), ("path", t.Path), ("endpoint", t.Endpoint)],
            SftpTarget t => [("host", t.Host), ("user", t.User), ("path", t.Path)],
            NatsTarget t => [("bucket", t.Bucket), ("url", t.Url)],
            OssTarget t => [("bucket", t.Bucket), ("path", t.Path), ("region", t.Region)],
            _ => [],
        };
        return [("type", target.Type), ("sync-interval", syncInterval), .. place];
    }
}
