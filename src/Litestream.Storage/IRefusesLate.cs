namespace Litestream.Storage;

/// <summary>
/// A replica whose store refuses a wrong key or a missing bucket only at the first request: preparing the client sends none. Whoever must know at the
/// start makes a request (decision D10).
/// </summary>
public interface IRefusesLate
{
}
