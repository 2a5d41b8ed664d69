using Litestream.Storage.Transport;

namespace Litestream.Storage.WebDav;

/// <summary>Where a replica lies on a WebDAV server, and the login (backends §3.3, §4.7). The password never shows in text.</summary>
public sealed record WebDavOptions
{
    /// <summary>
    /// Address of the server, <c>http</c>, <c>https</c>, <c>webdav</c> (= http) or <c>webdavs</c> (= https), with or without a base path; the collection of the
    /// base path must exist. No user name or password in it.
    /// </summary>
    public required string Url { get; init; }

    /// <summary>Path below the address (layout B); its collections are created. Leading and trailing slashes do not matter.</summary>
    public string Path { get; init; } = "";

    /// <summary>User name; empty = no login.</summary>
    public string Username { get; init; } = "";

    /// <summary>Password.</summary>
    public string Password { get; init; } = "";

    /// <summary>Where files wait that are too large for memory (above 8 MiB): the state directory of the database.</summary>
    public UploadSpool Spool { get; init; } = UploadSpool.Temporary;

    /// <summary>Which certificates are believed with https.</summary>
    public HttpTrust Trust { get; init; } = HttpTrust.System;

    /// <summary>Address, path and user: no password.</summary>
    public override string ToString() => $"{nameof(WebDavOptions)} {{ Path = {Path}, Username = {Username} }}";
}
