using Litestream.Storage;
using Litestream.TestKit.Files;

namespace Litestream.Tests.Support;

/// <summary>Lets a test act between two calls of the engine, at a place no timing could hit.</summary>
internal sealed class HookFileSystem(IFileSystem inner, Action<FileOperation, string> before) : InterceptingFileSystem(inner)
{
    protected override void Before(FileOperation operation, string path) => before(operation, path);

    protected override void After(FileOperation operation, string path)
    {
    }
}
