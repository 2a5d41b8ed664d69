using System.Globalization;
using System.Text;

namespace Litestream.TestKit.Servers;

/// <summary>First line and headers of an HTTP/1.1 message, with the bytes they came in.</summary>
internal sealed class FaultProxyHead
{
    private readonly string[] _firstLine;
    private readonly List<(string Name, string Value)> _headers = [];

    /// <param name="bytes">Everything up to and with the empty line.</param>
    public FaultProxyHead(byte[] bytes)
    {
        Bytes = bytes;
        string[] lines = Encoding.Latin1.GetString(bytes).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        _firstLine = lines[0].Split(' ', 3);
        foreach (string line in lines.Skip(1))
        {
            int colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0)
            {
                throw new InvalidDataException($"header without a colon: {line}");
            }

            _headers.Add((line[..colon], line[(colon + 1)..].Trim()));
        }

        if (_firstLine.Length < 2)
        {
            throw new InvalidDataException($"first line of a message: {lines[0]}");
        }
    }

    public byte[] Bytes { get; }

    /// <summary>Of a request.</summary>
    public string Method => _firstLine[0];

    /// <summary>Of a request.</summary>
    public string Target => _firstLine[1];

    /// <summary>Of an answer.</summary>
    public int Status => int.Parse(_firstLine[1], CultureInfo.InvariantCulture);

    public long? ContentLength => Header("Content-Length") is { } text ? long.Parse(text, CultureInfo.InvariantCulture) : null;

    public bool IsChunked => Header("Transfer-Encoding")?.Contains("chunked", StringComparison.OrdinalIgnoreCase) == true;

    public bool Closes =>
        Header("Connection") is { } text
            ? text.Contains("close", StringComparison.OrdinalIgnoreCase)
            : _firstLine[^1] == "HTTP/1.0" || _firstLine[0] == "HTTP/1.0";

    public bool ExpectsContinue => Header("Expect") is not null;

    public string? Header(string name)
    {
        foreach ((string own, string value) in _headers)
        {
            if (own.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return value;
            }
        }

        return null;
    }

    /// <summary>The bytes without one header; all others stay as they came.</summary>
    public byte[] Without(string name)
    {
        IEnumerable<string> lines = Encoding.Latin1.GetString(Bytes).Split("\r\n")
            .Where(line => !line.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase));
        return Encoding.Latin1.GetBytes(string.Join("\r\n", lines));
    }

    /// <summary>How the body of a request is delimited: its bytes, -1 = chunked.</summary>
    public long RequestBody => IsChunked ? FaultProxyWire.Chunked : ContentLength ?? 0;

    /// <summary>How the body of an answer is delimited: its bytes, -1 = chunked, -2 = the connection's end.</summary>
    public long ResponseBodyTo(string method) =>
        method == "HEAD" || Status is < 200 or 204 or 304 ? 0 : IsChunked ? FaultProxyWire.Chunked : ContentLength ?? FaultProxyWire.UntilClose;
}
