using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Litestream.TestKit.Servers;

/// <summary>
/// One real store of a kind, described so that a test can be the same for all of them: it starts the server, makes places for replicas,
/// and gives the keys of a <c>replica</c> mapping that lead there.
/// </summary>
public sealed class TestStore : IAsyncDisposable
{
    private const string AzureAccount = "teststore";

    private static readonly string AzureKey = Convert.ToBase64String(SHA256.HashData("account key of the tests"u8));

    private readonly TempDirectory _folder;
    private int _places;

    private TestStore(string name, TempDirectory folder)
    {
        Name = name;
        _folder = folder;
    }

    /// <summary>All kinds: <c>file</c>, then those with a server. Besides there is <c>abs-sas</c>: the same as <c>abs</c> with a signature instead of the key.</summary>
    public static IReadOnlyList<string> Names { get; } = ["file", "s3", "s3-swift", "abs", "gs", "sftp", "nats", "webdav"];

    /// <summary>Kind, as given to <see cref="StartAsync"/>.</summary>
    public string Name { get; }

    /// <summary>The server; null for <c>file</c>.</summary>
    public StorageServer? Server { get; private set; }

    /// <summary>Environment variables that a program needs besides the mapping.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; private set; } = new Dictionary<string, string>();

    /// <summary>Passwords, keys and passphrases that the mapping holds: texts that must not show up anywhere else.</summary>
    public IReadOnlyList<string> Secrets { get; private set; } = [];

    /// <summary>False where the server cannot create an object only if there is none (Swift answers 501).</summary>
    public bool CreatesConditionally => Name != "s3-swift";

    /// <summary>Local directory in which the server keeps its files under their names; null where it has another form.</summary>
    public string? DataDirectory => Name switch
    {
        "file" => _folder.Root,
        "sftp" or "webdav" => Path.Combine(Server!.Folder, "data"),
        _ => null,
    };

    /// <summary>Starts a store. Where the scripts of the servers are missing, the test that asks is skipped with that reason.</summary>
    public static async Task<TestStore> StartAsync(string name)
    {
        var store = new TestStore(name, new TempDirectory());
        try
        {
            await store.StartServerAsync();
            return store;
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes a new, empty place and returns the keys of its <c>replica</c> mapping.</summary>
    public async Task<IReadOnlyDictionary<string, string>> CreatePlaceAsync()
    {
        string place = string.Create(CultureInfo.InvariantCulture, $"place-{Interlocked.Increment(ref _places)}");
        if (Name == "nats")
        {
            await NatsBuckets.CreateAsync(Server!.Port, place, ("app", Secrets[0]));
        }

        return Describe(place);
    }

    /// <summary>The keys of a mapping to a bucket or container that does not exist; null where there is no such thing.</summary>
    public IReadOnlyDictionary<string, string>? DescribeMissing() => Name switch
    {
        "s3" or "s3-swift" or "abs" or "abs-sas" or "gs" or "nats" => new Dictionary<string, string>(Describe("place")) { ["bucket"] = "no-such-bucket" },
        _ => null,
    };

    /// <summary>The keys of a mapping with a wrong secret; null where nothing is checked.</summary>
    public IReadOnlyDictionary<string, string>? DescribeRefused()
    {
        var place = new Dictionary<string, string>(Describe("place"));
        (string Key, string Value)? wrong = Name switch
        {
            "s3" or "s3-swift" => ("secret-access-key", "wrong-secret-4711"),
            "abs-sas" => ("sas-token", Sign("replicas").Split("&sig=")[0] + "&sig=wrong-secret-4711"),
            "abs" => ("account-key", Convert.ToBase64String(SHA256.HashData("another key"u8))),
            "sftp" => ("key-passphrase", "wrong-secret-4711"),
            "nats" => ("password", "wrong-secret-4711"),
            "webdav" => ("webdav-password", "wrong-secret-4711"),
            _ => null,
        };
        if (wrong is not { } change)
        {
            return null;
        }

        place[change.Key] = change.Value;
        return place;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }

        _folder.Dispose();
    }

    private async Task StartServerAsync()
    {
        switch (Name)
        {
            case "file":
                break;
            case "s3":
                Secrets = ["testsecret0123456789"];
                Server = await StorageServer.StartAsync("s3", 13);
                await Server.WaitUntilAsync(() => AnswersAsync("/test", HttpStatusCode.Forbidden), "its bucket exists");
                break;
            case "s3-swift":
                Server = await StorageServer.StartAsync("s3-swift", 5);
                await Server.WaitUntilAsync(() => AnswersAsync("/test", HttpStatusCode.PreconditionFailed), "it answers");
                await Server.WaitUntilAsync(
                    () => Task.FromResult(Logged("setup.log").Contains("bucket 20", StringComparison.Ordinal)), "its bucket exists");
                break;
            case "abs" or "abs-sas":
                Secrets = Name == "abs" ? [AzureKey] : [AzureKey, Sign("replicas"), Sign("replicas").Split("&sig=")[1], Uri.UnescapeDataString(Sign("replicas").Split("&sig=")[1])];
                Server = await StorageServer.StartAsync("azurite", 1, new Dictionary<string, string> { ["AZURITE_MEMORY"] = "1", ["AZURITE_ACCOUNTS"] = $"{AzureAccount}:{AzureKey}" });
                await CreateContainerAsync("replicas");
                break;
            case "gs":
                Server = await StorageServer.StartAsync("gcs", environment: new Dictionary<string, string> { ["GCS_NOAUTH"] = "1" });
                Environment = new Dictionary<string, string> { ["STORAGE_EMULATOR_HOST"] = $"127.0.0.1:{Server.Port}" };
                break;
            case "sftp":
                Secrets = ["passphrase-of-a-key-0815"];
                Server = await StorageServer.StartAsync("sftp");
                await Processes.Cli.RunProgramAsync("ssh-keygen", "-q", "-p", "-P", "secret", "-N", Secrets[0], "-f", Path.Combine(Server.Folder, "client_key_enc"));

                break;
            case "nats":
                Secrets = ["password-of-nats-0815"];
                Server = await StartChangedAsync("nats", new() { ["NATS_AUTH"] = "user" }, ("user: u, password: p", $"user: app, password: \"{Secrets[0]}\""));
                break;
            case "webdav":
                Secrets = ["password-of-webdav-0815"];
                Server = await StartChangedAsync("webdav", [], ("openssl passwd -apr1 p", $"openssl passwd -apr1 {Secrets[0]}"));
                break;
            default:
                throw new ArgumentException(Name);
        }
    }

    /// <summary>The script with a password that can be told from other text.</summary>
    private async Task<StorageServer> StartChangedAsync(string name, Dictionary<string, string> environment, (string Old, string New) change)
    {
        string script = await File.ReadAllTextAsync(Path.GetFullPath(Path.Combine(Fixtures.Root, "..", "servers", name + ".sh")));
        string changed = script.Replace(change.Old, change.New, StringComparison.Ordinal);
        if (changed == script)
        {
            throw new InvalidOperationException($"{name}.sh does not hold the words: {change.Old}");
        }

        string path = _folder[name + ".sh"];
        await File.WriteAllTextAsync(path, changed);
        return await StorageServer.StartScriptAsync(path, environment: environment);
    }

    private Dictionary<string, string> Describe(string place)
    {
        string url = $"http://127.0.0.1:{Server?.Port}";
        return Name switch
        {
            "file" => new() { ["type"] = "file", ["path"] = _folder[place] },
            "s3" => S3("testaccess", Secrets[0]),
            "s3-swift" => S3("test:tester", "testing"),
            "abs" => new()
            {
                ["type"] = "abs", ["bucket"] = "replicas", ["path"] = place, ["endpoint"] = $"{url}/{AzureAccount}",
                ["account-name"] = AzureAccount, ["account-key"] = AzureKey,
            },
            "abs-sas" => new()
            {
                ["type"] = "abs", ["bucket"] = "replicas", ["path"] = place, ["endpoint"] = $"{url}/{AzureAccount}",
                ["account-name"] = AzureAccount, ["sas-token"] = Sign("replicas"),
            },
            "gs" => new() { ["type"] = "gs", ["bucket"] = "test", ["path"] = place },
            "sftp" => new()
            {
                ["type"] = "sftp", ["host"] = $"127.0.0.1:{Server!.Port}", ["user"] = System.Environment.UserName, ["path"] = Path.Combine(DataDirectory!, place),
                ["key-path"] = Path.Combine(Server.Folder, "client_key_enc"), ["key-passphrase"] = Secrets[0],
                ["host-key"] = File.ReadAllText(Path.Combine(Server.Folder, "host_key.pub")).Trim(),
            },
            "nats" => new() { ["type"] = "nats", ["host"] = $"nats://127.0.0.1:{Server!.Port}", ["bucket"] = place, ["username"] = "app", ["password"] = Secrets[0] },
            _ => new()
            {
                ["type"] = "webdav", ["webdav-url"] = url, ["path"] = "/" + place, ["webdav-username"] = "u", ["webdav-password"] = Secrets[0],
            },
        };

        Dictionary<string, string> S3(string key, string secret) => new()
        {
            ["type"] = "s3", ["bucket"] = "test", ["path"] = place, ["endpoint"] = url, ["access-key-id"] = key, ["secret-access-key"] = secret,
        };
    }

    private string Logged(string log) => File.Exists(Path.Combine(Server!.Folder, log)) ? File.ReadAllText(Path.Combine(Server.Folder, log)) : "";

    private async Task<bool> AnswersAsync(string path, HttpStatusCode status)
    {
        using var http = new HttpClient();
        try
        {
            using HttpResponseMessage answer = await http.GetAsync(new Uri($"http://127.0.0.1:{Server!.Port}{path}"));
            return answer.StatusCode == status;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <summary>A shared access signature for a container, the same at every call.</summary>
    private static string Sign(string container)
    {
        const string permissions = "rcwdl";
        const string expiry = "2099-01-01T00:00:00Z";
        const string version = "2021-12-02";
        string text = string.Join('\n', permissions, "", expiry, $"/blob/{AzureAccount}/{container}", "", "", "", version, "c", "", "", "", "", "", "", "");
        string signature = Convert.ToBase64String(HMACSHA256.HashData(Convert.FromBase64String(AzureKey), Encoding.UTF8.GetBytes(text)));
        return $"sv={version}&se={Uri.EscapeDataString(expiry)}&sr=c&sp={permissions}&sig={Uri.EscapeDataString(signature)}";
    }

    private async Task CreateContainerAsync(string container)
    {
        string date = DateTime.UtcNow.ToString("R", CultureInfo.InvariantCulture);
        const string version = "2023-11-03";
        string text = $"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{version}\n/{AzureAccount}/{AzureAccount}/{container}\nrestype:container";
        string signature = Convert.ToBase64String(HMACSHA256.HashData(Convert.FromBase64String(AzureKey), Encoding.UTF8.GetBytes(text)));
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(HttpMethod.Put, new Uri($"http://127.0.0.1:{Server!.Port}/{AzureAccount}/{container}?restype=container"));
        request.Headers.TryAddWithoutValidation("x-ms-date", date);
        request.Headers.TryAddWithoutValidation("x-ms-version", version);
        request.Headers.TryAddWithoutValidation("Authorization", $"SharedKey {AzureAccount}:{signature}");
        request.Content = new ByteArrayContent([]);
        using HttpResponseMessage answer = await http.SendAsync(request);
        answer.EnsureSuccessStatusCode();
    }
}
