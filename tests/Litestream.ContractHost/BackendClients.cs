using Litestream.Storage;
using Litestream.Storage.Azure;
using Litestream.Storage.Gcs;
using Litestream.Storage.Nats;
using Litestream.Storage.S3;
using Litestream.Storage.Sftp;
using Litestream.Storage.Transport;
using Litestream.Storage.WebDav;

namespace Litestream.ContractHost;

/// <summary>Clients from the keys of a <c>replica</c> mapping, without the product's configuration: tests put files into stores with them.</summary>
internal static class BackendClients
{
    public static IReplicaClient Open(IReadOnlyDictionary<string, string> settings, StorageTransport transport)
    {
        string Get(string key) => settings.TryGetValue(key, out string? value) ? value : "";
        return Get("type") switch
        {
            "file" => new FileReplicaClient(LocalFileSystem.Instance, Get("path")),
            "s3" => new S3ReplicaClient(
                new S3Options
                {
                    Bucket = Get("bucket"), Path = Get("path"), Endpoint = Get("endpoint"), ForcePathStyle = true,
                    AccessKeyId = Get("access-key-id"), SecretAccessKey = Get("secret-access-key"),
                },
                transport),
            "abs" => new AzureReplicaClient(
                new AzureOptions(Get("bucket"), Get("path")) { AccountName = Get("account-name"), AccountKey = Get("account-key"), SasToken = Get("sas-token"), Endpoint = Get("endpoint") },
                transport),
            "gs" => new GcsReplicaClient(new GcsOptions { Bucket = Get("bucket"), Path = Get("path") }, transport),
            "sftp" => new SftpReplicaClient(
                new SftpOptions
                {
                    Host = Get("host"), User = Get("user"), Path = Get("path"), KeyPath = Get("key-path"), KeyPassphrase = Get("key-passphrase"),
                    HostKey = Get("host-key"), KnownHostsPath = "",
                },
                transport),
            "nats" => new NatsReplicaClient(
                new NatsOptions { Url = Get("host"), Bucket = Get("bucket"), Username = Get("username"), Password = Get("password") }, transport),
            "webdav" => new WebDavReplicaClient(
                new WebDavOptions
                {
                    Url = Get("webdav-url"), Path = Get("path"), Username = Get("webdav-username"), Password = Get("webdav-password"),
                },
                transport),
            string type => throw new ArgumentException($"unknown type {type}"),
        };
    }
}
