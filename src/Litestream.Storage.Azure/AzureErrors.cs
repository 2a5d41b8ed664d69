using System.Globalization;
using System.Net;
using Azure;
using Azure.Core;
using Azure.Identity;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Azure;

/// <summary>What the answers of the service mean (backends §1.4): its error codes tell a missing blob from a missing container or a wrong key.</summary>
internal static class AzureErrors
{
    public const string BlobNotFound = "BlobNotFound";

    /// <summary>Error code of an answer; empty if it has none.</summary>
    public static string CodeOf(Response response) => response.Headers.TryGetValue("x-ms-error-code", out string? code) ? code : "";

    /// <summary>
    /// Whether an answer to a conditional write says that the blob exists. A lease or a policy that protects a blob says so too, and a
    /// signature that may create but not overwrite.
    /// </summary>
    public static bool SaysExists(Response response) => ((HttpStatusCode)response.Status, CodeOf(response)) switch
    {
        (HttpStatusCode.PreconditionFailed, _) => true,
        (HttpStatusCode.Conflict, "" or "BlobAlreadyExists" or "BlobImmutableDueToPolicy") => true,
        (HttpStatusCode.Forbidden, "UnauthorizedBlobOverwrite") => true,
        _ => false,
    };

    /// <summary>The exception for a refused request.</summary>
    /// <param name="what">The request and its object.</param>
    /// <param name="response">The answer.</param>
    /// <param name="access">How it was signed, for the advice.</param>
    /// <param name="container">The container, for the advice.</param>
    /// <param name="time">Clock, for a <c>Retry-After</c> that is a date.</param>
    public static ReplicaException Refused(string what, Response response, AzureAccess access, string container, TimeProvider time)
    {
        string code = CodeOf(response);
        var status = (HttpStatusCode)response.Status;
        string message = string.Create(
            CultureInfo.InvariantCulture, $"{what}: the server answers {response.Status} {(code.Length > 0 ? code : response.ReasonPhrase)}{Advice(status, code, access, container)}");
        if (status is HttpStatusCode.TooManyRequests or HttpStatusCode.ServiceUnavailable)
        {
            return new ThrottledException(message, RetryAfter(response, time));
        }

        // Blocks that another upload of the same blob has swept away: sending the file again helps.
        bool transient = HttpTransport.IsTransient(status) || code is "InvalidBlockList" or "ContainerBeingDeleted";
        return new ReplicaException(message, transient);
    }

    /// <summary>The exception for a failed sign-in.</summary>
    public static ReplicaException SignIn(string what, AuthenticationFailedException failure)
    {
        // AADSTS… is the identity service's own refusal: a wrong secret, an unknown tenant. Anything else may be its network.
        bool permanent = failure is CredentialUnavailableException || failure.ToString().Contains("AADSTS", StringComparison.Ordinal);
        return new ReplicaException(
            $"{what}: cannot sign in to Azure: {failure.Message} Set sas-token ({AzureOptions.SasTokenVariable}), or account-name with account-key "
            + $"({AzureOptions.AccountKeyVariable}), or give this host an identity (AZURE_CLIENT_ID, AZURE_TENANT_ID, AZURE_CLIENT_SECRET; managed identity; az login)",
            !permanent, failure);
    }

    private static string Advice(HttpStatusCode status, string code, AzureAccess access, string container) => (status, code) switch
    {
        (_, "ContainerNotFound" or "ContainerBeingDeleted" or "ContainerDisabled") =>
            $". Litestream does not create containers: create \"{container}\" (az storage container create --name {container}) or correct the replica's bucket",
        (HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden, _) => access.Authentication switch
        {
            AzureAuthentication.SharedKey =>
                $". Check account-name \"{access.AccountName}\", account-key ({AzureOptions.AccountKeyVariable}) and this host's clock",
            AzureAuthentication.SharedAccessSignature =>
                $". Check sas-token ({AzureOptions.SasTokenVariable}): it must not have expired and needs the permissions read, write, create, delete and list",
            _ => $". Give the identity the role \"Storage Blob Data Contributor\" on container \"{container}\"",
        },
        (_, "BlobArchived") => ". The blob is in the archive tier: set its tier to Hot and wait until it is rehydrated",
        (_, "BlobImmutableDueToPolicy") => ". The container has an immutability policy: Litestream must be able to replace and delete its files",
        (_, "SnapshotsPresent") => ". The blob has snapshots: delete them first",
        (HttpStatusCode.PreconditionFailed, _) => ". The blob has a lease: break it",
        (_, "InvalidResourceName" or "OutOfRangeInput") => $". \"{container}\" is no name of a container: 3 to 63 lower-case letters, digits and hyphens",
        _ => "",
    };

    private static TimeSpan? RetryAfter(Response response, TimeProvider time)
    {
        ResponseHeaders headers = response.Headers;
        if ((headers.TryGetValue("retry-after-ms", out string? text) || headers.TryGetValue("x-ms-retry-after-ms", out text))
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int milliseconds))
        {
            return TimeSpan.FromMilliseconds(milliseconds);
        }

        if (!headers.TryGetValue("Retry-After", out text))
        {
            return null;
        }

        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int seconds))
        {
            return TimeSpan.FromSeconds(seconds);
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset date) && date > time.GetUtcNow()
            ? date - time.GetUtcNow()
            : null;
    }
}
