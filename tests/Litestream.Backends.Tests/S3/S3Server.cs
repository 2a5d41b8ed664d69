using System.Net.Http;
using System.Text;
using Litestream.Storage;
using Litestream.Storage.S3;
using Litestream.Storage.Transport;
using Litestream.TestKit.Servers;
using Xunit;

namespace Litestream.Backends.Tests.S3;

/// <summary>One server for all tests of a kind; each test takes a path of its own.</summary>
public abstract class S3Server(string script, int ports, string accessKey, string secret) : IAsyncLifetime
{
    private static readonly Func<string, string?> NoVariables = _ => null;

    private StorageServer? _server;
    private int _paths;

    /// <summary>First port.</summary>
    public int Port => _server!.Port;

    /// <summary>Directory of the server.</summary>
    public string Folder => _server!.Folder;

    /// <summary>Connections of the tests.</summary>
    internal StorageTransport Transport { get; } = new(new TransportOptions { GetVariable = NoVariables });

    /// <summary>Options of a replica at a fresh path.</summary>
    internal S3Options Options => new()
    {
        Bucket = "test",
        Path = $"t{Interlocked.Increment(ref _paths)}",
        Endpoint = $"http://127.0.0.1:{Port}",
        AccessKeyId = accessKey,
        SecretAccessKey = secret,
    };

    /// <inheritdoc/>
    public async ValueTask InitializeAsync()
    {
        _server = await StorageServer.StartAsync(script, ports, new Dictionary<string, string> { ["S3_TLS"] = "1" });
        await _server.WaitUntilAsync(IsReadyAsync, "its bucket exists");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Transport.Dispose();
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>A client at a fresh path.</summary>
    internal S3ReplicaClient CreateClient() => new(Options, Transport);

    /// <summary>Any request that a client does not make: buckets, versioning, objects of others.</summary>
    internal async Task SendAsync(string method, string bucket, string? key = null, string? parameter = null, string? body = null)
    {
        S3Options options = Options with { Bucket = bucket };
        var connection = new S3Connection(
            S3Settings.Resolve(options, null, LocalFileSystem.Instance, null), new AwsCredentialSource(options, NoVariables), Transport.CreateHttp(RetryOptions.Default), trace: false);
        await connection.SendAsync(
            new S3Request(new HttpMethod(method), key)
            {
                Query = parameter is null ? [] : [(parameter, "")],
                Body = body is null ? null : UploadBytes.Of(Encoding.UTF8.GetBytes(body)),
            },
            (_, _) => ValueTask.FromResult(true),
            CancellationToken.None);
    }

    private async Task<bool> IsReadyAsync()
    {
        using var transport = new StorageTransport(new TransportOptions { GetVariable = NoVariables, Retry = new RetryOptions(1, TimeSpan.Zero, TimeSpan.Zero) });
        await using var client = new S3ReplicaClient(Options, transport);
        try
        {
            await FakeS3.ListAsync(client);
            return true;
        }
        catch (ReplicaException)
        {
            return false;
        }
    }
}

/// <summary>Ceph RADOS gateway, with TLS on the port 11 behind the first.</summary>
public sealed class CephServer() : S3Server("s3", 13, "testaccess", "testsecret0123456789");

/// <summary>OpenStack Swift with its S3 interface: strict where many look-alikes are.</summary>
public sealed class SwiftServer() : S3Server("s3-swift", 5, "test:tester", "testing");

/// <summary>Tests that share one Ceph gateway.</summary>
[CollectionDefinition(Name)]
public sealed class CephGroup : ICollectionFixture<CephServer>
{
    /// <summary>Name of the group.</summary>
    public const string Name = "S3 on Ceph";
}
