using Litestream.Ltx;
using Litestream.State;
using Litestream.TestKit.Files;
using Litestream.TestKit.Replicas;
using Xunit;

namespace Litestream.Tests.State;

/// <summary>
/// A file that this process wrote is checked before its upload by the checksum of its bytes. It must find at least what decompressing
/// every page finds, and must not vouch for a file twice.
/// </summary>
public sealed class WrittenChecksumTests
{
    private static readonly Txid One = new(1);

    private readonly MemoryFileSystem files = new();
    private readonly LocalLtxDirectory directory;

    public WrittenChecksumTests()
    {
        directory = new LocalLtxDirectory(files, "/state");
        directory.Create();
        Write(content: 1);
    }

    [Fact]
    public void AFileAsWrittenIsVerifiedAndItsHeaderReturned() => Assert.Equal(512, directory.VerifyForUpload(One).PageSize);

    [Fact]
    public void EveryFlippedByteIsFound()
    {
        byte[] whole = Read();
        for (int i = 0; i < whole.Length; i++)
        {
            Write(content: 1);
            byte[] damaged = [.. whole];
            damaged[i] ^= 0x10;
            Replace(damaged);
            Assert.Equal(LocalLtxProblem.Corrupt, Assert.Throws<LocalLtxException>(() => directory.VerifyForUpload(One)).Problem);
        }
    }

    [Fact]
    public void AnotherValidFileUnderTheNameIsFound()
    {
        Replace(LtxBuilder.File(1, 1, 3, [1, 2, 3], content: 2));
        Assert.Equal(LocalLtxProblem.Corrupt, Assert.Throws<LocalLtxException>(() => directory.VerifyForUpload(One)).Problem);
    }

    [Fact]
    public void TheSecondLookReadsEveryPage()
    {
        directory.VerifyForUpload(One);
        byte[] damaged = Read();
        damaged[^1] ^= 1;
        Replace(damaged);
        Assert.Equal(LocalLtxProblem.Corrupt, Assert.Throws<LocalLtxException>(() => directory.VerifyForUpload(One)).Problem);
    }

    [Fact]
    public void AfterAResetTheOldFileIsForgotten()
    {
        directory.Reset();
        directory.Create();
        Replace(LtxBuilder.File(1, 1, 3, [1, 2, 3], content: 2));
        Assert.Equal(3u, directory.VerifyForUpload(One).Commit);
    }

    private void Write(ulong content) => directory.Write(One, stream => LtxBuilder.Write(stream, 1, 1, 3, [1, 2, 3], content: content));

    private byte[] Read()
    {
        using Stream stream = directory.Open(One);
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        return copy.ToArray();
    }

    private void Replace(byte[] content)
    {
        using Litestream.Storage.IFile file = files.Create(directory.PathOf(One), null);
        file.Write(content, 0);
    }
}
