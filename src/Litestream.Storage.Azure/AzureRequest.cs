using Azure.Core;
using Litestream.Storage.Transport;

namespace Litestream.Storage.Azure;

/// <summary>One request, repeatable.</summary>
/// <param name="What">The request and its object, for messages; no secrets.</param>
/// <param name="Operation">Its name in metrics: <c>PUT GET LIST DELETE</c>.</param>
/// <param name="Method">HTTP method.</param>
/// <param name="Url">Absolute URL without authentication.</param>
internal sealed record AzureRequest(string What, string Operation, RequestMethod Method, string Url)
{
    /// <summary>Headers of this kind of request.</summary>
    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>Body; it must not change until the request has ended. Null = none.</summary>
    public UploadBytes? Body { get; init; }
}
