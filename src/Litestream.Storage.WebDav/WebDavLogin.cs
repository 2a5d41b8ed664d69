using System.Net.Http.Headers;
using System.Text;

namespace Litestream.Storage.WebDav;

/// <summary>
/// Logs in as the server asks: nothing before it has asked, then with every request, so that a body is not sent twice. With https Basic is
/// preferred (no round trips for new nonces), without it Digest (the password does not travel).
/// </summary>
/// <param name="user">User name; empty = there is no login.</param>
/// <param name="password">Password.</param>
/// <param name="isEncrypted">Whether the connection is.</param>
internal sealed class WebDavLogin(string user, string password, bool isEncrypted)
{
    private readonly Lock gate = new();
    private Scheme current = Scheme.None;

    /// <summary>User name, for messages.</summary>
    public string User => user;

    /// <summary>How to log in for now.</summary>
    public Scheme Current
    {
        get
        {
            lock (gate)
            {
                return current;
            }
        }
    }

    /// <summary>Puts the login into a request.</summary>
    public void Apply(HttpRequestMessage request, Scheme scheme)
    {
        request.Headers.Authorization = scheme switch
        {
            { Digest: { } digest } => new AuthenticationHeaderValue(
                "Digest", digest.Answer(user, password, request.Method.Method, request.RequestUri!.PathAndQuery)),
            { IsBasic: true } => new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"))),
            _ => null,
        };
    }

    /// <summary>Learns from an answer 401 whether another login is worth a try.</summary>
    /// <param name="refused">What was refused.</param>
    /// <param name="challenges">What the server asks for.</param>
    /// <param name="proven">Whether that login was accepted before: then only its nonce may have ended.</param>
    /// <returns>False if user or password are wrong, or nothing is asked for that this client can do.</returns>
    public bool Learn(Scheme refused, IReadOnlyList<AuthenticationHeaderValue> challenges, bool proven)
    {
        if (user.Length == 0)
        {
            return false;
        }

        bool basic = challenges.Any(one => one.Scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase));

        // The first one that can be answered: servers name the strongest first (RFC 7616 §3.7).
        DigestChallenge? digest = challenges
            .Where(one => one.Scheme.Equals("Digest", StringComparison.OrdinalIgnoreCase))
            .Select(one => DigestChallenge.Parse(one.Parameter)).FirstOrDefault(one => one is not null);
        Scheme next = basic && (isEncrypted || digest is null) ? Scheme.Basic : digest is null ? Scheme.None : new Scheme(digest, IsBasic: false);
        lock (gate)
        {
            if (!ReferenceEquals(current, refused))
            {
                return true; // Another request has learned already.
            }

            current = next;
            return next switch
            {
                { Digest: { } asked } => refused.Digest is null || asked.IsStale || proven,
                { IsBasic: true } => !refused.IsBasic,
                _ => false,
            };
        }
    }

    /// <summary>A way to log in.</summary>
    internal sealed record Scheme(DigestChallenge? Digest, bool IsBasic)
    {
        public static Scheme None { get; } = new(null, IsBasic: false);

        public static Scheme Basic { get; } = new(null, IsBasic: true);
    }
}

/// <summary>401: the server wants a login, or another one.</summary>
internal sealed class LoginRefusedException(string message, IReadOnlyList<AuthenticationHeaderValue> challenges) : ReplicaException(message, isTransient: false)
{
    public IReadOnlyList<AuthenticationHeaderValue> Challenges { get; } = challenges;
}
