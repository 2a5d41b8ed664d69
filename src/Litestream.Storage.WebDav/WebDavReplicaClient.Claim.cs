using System.Net;
using Litestream.Ltx;

namespace Litestream.Storage.WebDav;

/// <summary>
/// One writer at a time for a name that is to be created (decision D35). Servers look whether the target of <c>MOVE Overwrite: F</c> exists and rename
/// afterwards: two writers in the same instant both succeed (seen with Apache). Creating a collection is one step on every server, so who creates
/// <c>NAME.claim</c> may look and rename.
/// </summary>
public sealed partial class WebDavReplicaClient
{
    private const string ClaimSuffix = ".claim";

    /// <summary>A claim is held for one rename. An older one was left by a writer that died, or by an answer that got lost.</summary>
    private static readonly TimeSpan ClaimAge = TimeSpan.FromMinutes(2);

    private const int MaxLooks = 100;

    private static readonly TimeSpan LookPause = TimeSpan.FromMilliseconds(100);

    /// <summary>Claims a name.</summary>
    /// <returns>What has to be removed afterwards.</returns>
    /// <exception cref="ReplicaException">Another write of the same name is under way; transient.</exception>
    private async ValueTask<string> ClaimAsync(WebDavApi api, string path, CancellationToken cancellationToken)
    {
        string claim = path + ClaimSuffix + "/";
        string what = $"claim {api.Location(path)}";
        for (int looks = 1; ; looks++)
        {
            HttpStatusCode status = await api.SendAsync(
                what, () => api.Request(WebDavApi.MakeCollection, claim),
                answer => answer is HttpStatusCode.Created or HttpStatusCode.OK or HttpStatusCode.MethodNotAllowed or HttpStatusCode.Conflict or HttpStatusCode.Forbidden,
                cancellationToken).ConfigureAwait(false);
            if (status is HttpStatusCode.Created or HttpStatusCode.OK)
            {
                return claim;
            }

            DavListing? found = await api.FindAsync(what, claim, 0, cancellationToken).ConfigureAwait(false);
            if (found is { Resources: [DavResource held, ..] } && found.ServerTime - held.Modified > ClaimAge)
            {
                await DeleteOneAsync(api, claim, cancellationToken).ConfigureAwait(false);
            }
            else if (looks == MaxLooks)
            {
                throw new ReplicaException($"{what}: another write of it is under way; if no other process replicates to this path, it goes on within two minutes");
            }
            else
            {
                await Task.Delay(LookPause, _transport.Options.Time, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static bool IsClaimName(string name) =>
        name.EndsWith(ClaimSuffix, StringComparison.Ordinal) && LtxFileName.TryParse(name.AsSpan(0, name.Length - ClaimSuffix.Length), out _, out _);
}
