#pragma warning disable CA1822
namespace Litestream;
internal sealed class ChangeNotifier : IDisposable { public bool IsSupported => false; public NotifierHandle Register(string p, Action a) => new(); public void Dispose() {} }
internal sealed class NotifierHandle : IDisposable { public bool Arm() => false; public void Dispose() {} }
