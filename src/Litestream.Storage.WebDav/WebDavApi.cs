using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using Litestream.Storage.Transport;

namespace Litestream.Storage.WebDav;

/// <summary>Requests of one server: addresses, login, and what refusals mean.</summary>
internal sealed class WebDavApi
{
    public static readonly HttpMethod PropFind = new("PROPFIND");
    public static readonly HttpMethod MakeCollection = new("MKCOL");
    public static readonly HttpMethod Move = new("MOVE");

    // A wrong login is told apart after two 401 at most: one asks for it, one renews a nonce.
    private const int MaxLogins = 3;

    private static readonly byte[] Properties = Encoding.UTF8.GetBytes(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><d:propfind xmlns:d=\"DAV:\"><d:prop><d:resourcetype/><d:getcontentlength/><d:getlastmodified/></d:prop></d:propfind>");

    private readonly WebDavLogin login;
    private readonly string root;
    private volatile WebDavLogin.Scheme proven = WebDavLogin.Scheme.None;

    /// <summary>Checks the settings; nothing is sent.</summary>
    /// <exception cref="ReplicaException">They cannot be used.</exception>
    public WebDavApi(WebDavOptions options, StorageTransport transport)
    {
        if (string.IsNullOrEmpty(options.Url))
        {
            throw new ReplicaException("webdav-url required for webdav replica", isTransient: false);
        }

        // The address is not repeated where it may hold a password.
        if (!Uri.TryCreate(options.Url, UriKind.Absolute, out Uri? url))
        {
            throw new ReplicaException("webdav-url is no valid address; write http://host/path or https://host/path", isTransient: false);
        }

        if (url.UserInfo.Length > 0)
        {
            throw new ReplicaException("webdav-url must not hold a user name or password; use webdav-username and webdav-password", isTransient: false);
        }

        string scheme = url.Scheme switch
        {
            "http" or "webdav" => "http",
            "https" or "webdavs" => "https",
            _ => throw new ReplicaException($"webdav-url: {url.Scheme} is neither http nor https", isTransient: false),
        };
        if (url.Query.Length > 0 || url.Fragment.Length > 0)
        {
            throw new ReplicaException("webdav-url must not hold a query", isTransient: false);
        }

        string port = url.Port < 0 || url.IsDefaultPort ? "" : string.Create(CultureInfo.InvariantCulture, $":{url.Port}");
        root = $"{scheme}://{url.IdnHost}{port}{url.AbsolutePath.TrimEnd('/')}";
        if (url.HostNameType == UriHostNameType.IPv6)
        {
            root = $"{scheme}://{url.Host}{port}{url.AbsolutePath.TrimEnd('/')}";
        }

        login = new WebDavLogin(options.Username, options.Password, scheme == "https");
        Http = transport.CreateHttp(RetryOptions.Default, options.Trust);
    }

    /// <summary>Connections and retries.</summary>
    public HttpTransport Http { get; }

    /// <summary>Address of a path below the base, each segment escaped.</summary>
    /// <param name="path">Begins with a slash.</param>
    public Uri Address(string path) => new(Location(path), new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });

    /// <summary>The resource in messages.</summary>
    public string Location(string path) => root + string.Join('/', path.Split('/').Select(Uri.EscapeDataString));

    /// <summary>A request without a body.</summary>
    public HttpRequestMessage Request(HttpMethod method, string path) => new(method, Address(path));

    /// <summary>Sends a request, with a login where the server asks for one.</summary>
    /// <inheritdoc cref="HttpTransport.SendAsync{T}(string, Func{HttpRequestMessage}, Func{HttpResponseMessage, CancellationToken, ValueTask{T}}, CancellationToken)"/>
    public ValueTask<T> SendAsync<T>(
        string what, Func<HttpRequestMessage> create, Func<HttpResponseMessage, CancellationToken, ValueTask<T>> read, CancellationToken cancellationToken) =>
        WithLoginAsync(create, request => Http.SendAsync(what, request, read, cancellationToken));

    /// <summary>Sends a request of which only the status counts.</summary>
    public ValueTask<HttpStatusCode> SendAsync(
        string what, Func<HttpRequestMessage> create, Func<HttpStatusCode, bool> isExpected, CancellationToken cancellationToken) =>
        SendAsync(
            what, create, (response, _) => isExpected(response.StatusCode) ? ValueTask.FromResult(response.StatusCode) : throw Refused(what, response), cancellationToken);

    /// <summary>Sends a request whose answer is read later.</summary>
    /// <inheritdoc cref="HttpTransport.OpenAsync"/>
    public ValueTask<Stream> OpenAsync(
        string what, Func<HttpRequestMessage> create, Func<HttpResponseMessage, BodyRange> judge, CancellationToken cancellationToken) =>
        WithLoginAsync(
            create,
            request => Http.OpenAsync(what, _ => ValueTask.FromResult(request()), (response, _) => ValueTask.FromResult(judge(response)), cancellationToken));

    /// <summary>Properties of a resource, and with depth 1 of everything in it; null if it is not there.</summary>
    /// <param name="what">The request, for messages.</param>
    /// <param name="path">A collection ends in a slash.</param>
    /// <param name="depth">0 or 1.</param>
    /// <param name="cancellationToken">Ends the request.</param>
    public async ValueTask<DavListing?> FindAsync(string what, string path, int depth, CancellationToken cancellationToken)
    {
        DateTimeOffset? serverTime = null;
        bool isMissing = false;
        List<DavResource> found = await WithLoginAsync(
            () =>
            {
                // With a length: there are servers that refuse or ignore a chunked body (backends §4.7).
                var content = new UploadContent(Properties);
                content.Headers.ContentType = new MediaTypeHeaderValue("application/xml", "utf-8");
                var request = new HttpRequestMessage(PropFind, Address(path)) { Content = content };
                request.Headers.Add("Depth", depth.ToString(CultureInfo.InvariantCulture));
                return request;
            },
            request => Http.ReadAsync(
                what,
                _ => ValueTask.FromResult(request()),
                (response, _) =>
                {
                    serverTime = response.Headers.Date;
                    isMissing = response.StatusCode == HttpStatusCode.NotFound;
                    return response.StatusCode switch
                    {
                        HttpStatusCode.MultiStatus => ValueTask.FromResult(new BodyRange(0, -1)),
                        HttpStatusCode.NotFound => ValueTask.FromResult(BodyRange.Empty),
                        _ => throw Refused(what, response),
                    };
                },
                (body, token) => isMissing ? ValueTask.FromResult<List<DavResource>>([]) : MultiStatus.ReadAsync(what, body, token),
                cancellationToken)).ConfigureAwait(false);
        return isMissing ? null : new DavListing(found, serverTime ?? Http.Options.Time.GetUtcNow());
    }

    /// <summary>What a refusal means and what to do about it. Bodies are not looked at: they are pages for people.</summary>
    public ReplicaException Refused(string what, HttpResponseMessage response)
    {
        ReplicaException plain = Http.Refused(what, response, "");
        return (int)response.StatusCode switch
        {
            401 => new LoginRefusedException(
                plain.Message + (login.User.Length == 0
                    ? "; the server wants a login: set webdav-username and webdav-password"
                    : $"; user {login.User} or the password is wrong, or the server offers neither Basic nor Digest"),
                [.. response.Headers.WwwAuthenticate]),
            403 => new ReplicaException($"{plain.Message}; give user {(login.User.Length == 0 ? "(none)" : login.User)} the right to read and write there", isTransient: false),
            >= 300 and < 400 => new ReplicaException($"{plain.Message}; webdav-url must name the address that the server redirects to", isTransient: false),
            405 or 501 => new ReplicaException($"{plain.Message}; does the server speak WebDAV at this address?", isTransient: false),

            // Locked by another request, or full: both pass without a change of settings.
            423 or 507 => new ReplicaException(plain.Message, isTransient: true),
            _ => plain,
        };
    }

    private async ValueTask<T> WithLoginAsync<T>(Func<HttpRequestMessage> create, Func<Func<HttpRequestMessage>, ValueTask<T>> send)
    {
        for (int logins = 1; ; logins++)
        {
            WebDavLogin.Scheme scheme = login.Current;
            try
            {
                T result = await send(() =>
                {
                    HttpRequestMessage request = create();
                    login.Apply(request, scheme);
                    return request;
                }).ConfigureAwait(false);
                proven = scheme;
                return result;
            }
            catch (LoginRefusedException refused) when (logins < MaxLogins && login.Learn(scheme, refused.Challenges, ReferenceEquals(proven, scheme)))
            {
                // Again, with what the server asks for.
            }
        }
    }
}

/// <summary>What a collection holds.</summary>
/// <param name="Resources">The collection itself and, with depth 1, its members, in no order.</param>
/// <param name="ServerTime">The server's clock when it answered.</param>
internal sealed record DavListing(IReadOnlyList<DavResource> Resources, DateTimeOffset ServerTime);
