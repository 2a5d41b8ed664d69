using Litestream.Storage;
using Litestream.Storage.Sftp;
using Litestream.Storage.Transport;
using Litestream.TestKit;
using Xunit;

namespace Litestream.Backends.Tests.Sftp;

/// <summary>Login: what works, and that every refusal is permanent, says what to do and gives no secret away.</summary>
[Collection(nameof(SftpTests))]
public sealed class SftpLoginTests(SftpServer server)
{
    [Theory]
    [InlineData("client_key", null)]
    [InlineData("client_rsa", null)]
    [InlineData("client_key_enc", "secret")]
    public async Task Keys_in_OpenSSH_and_PEM_form_and_with_a_passphrase_log_in(string key, string? passphrase) =>
        await ConnectAsync(server.Options() with { KeyPath = server.Key(key), KeyPassphrase = passphrase });

    [Fact]
    public async Task A_key_that_cannot_be_used_is_a_permanent_error()
    {
        using var folder = new TempDirectory();
        await File.WriteAllTextAsync(folder["garbage"], "no key", TestContext.Current.CancellationToken);
        SftpOptions options = server.Options();
        await RefusedAsync(options with { KeyPath = folder["missing"] }, "sftp: cannot read sftp key path");
        await RefusedAsync(options with { KeyPath = folder["garbage"] }, "sftp: cannot parse sftp key path");
        await RefusedAsync(options with { KeyPath = server.Key("client_key_enc") }, "it is encrypted");
        await RefusedAsync(options with { KeyPath = server.Key("client_key_enc"), KeyPassphrase = "pa55phrase" }, "sftp: cannot parse sftp key path");
        await RefusedAsync(options with { KeyPath = server.Key("host_key") }, "refused to log in");
    }

    [Fact]
    public async Task A_wrong_password_or_none_is_a_permanent_error()
    {
        SftpOptions options = server.Options() with { KeyPath = null };
        await RefusedAsync(options with { Password = "pa55word" }, "refused to log in");
        await RefusedAsync(options, "refused to log in");
        await RefusedAsync(options with { User = "" }, "user required for sftp replica");
        await RefusedAsync(options with { Host = "" }, "host required for sftp replica");
    }

    [Fact]
    public void Options_do_not_print_secrets()
    {
        string text = $"{server.Options() with { Password = "pa55word", KeyPassphrase = "pa55phrase" }}";
        Assert.DoesNotContain("pa55", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_a_transient_error_after_all_attempts()
    {
        using var transport = new StorageTransport(SftpServer.Fast with { Retry = new RetryOptions(3, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(1)) });
        await using var client = new SftpReplicaClient(server.Options() with { Host = "127.0.0.1:1" }, transport);
        ReplicaException refused = await Assert.ThrowsAsync<ReplicaException>(() => client.InitializeAsync(CancellationToken.None).AsTask());
        Assert.True(refused.IsTransient);
    }

    private static async Task ConnectAsync(SftpOptions options)
    {
        using var transport = new StorageTransport(SftpServer.Fast);
        await using var client = new SftpReplicaClient(options, transport);
        await client.InitializeAsync(CancellationToken.None);
    }

    private static async Task RefusedAsync(SftpOptions options, string message)
    {
        ReplicaException refused = await Assert.ThrowsAsync<ReplicaException>(() => ConnectAsync(options));
        Assert.False(refused.IsTransient);
        Assert.Contains(message, refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("pa55", refused.ToString(), StringComparison.Ordinal);
    }
}
