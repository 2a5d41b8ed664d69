namespace Litestream.Ltx;

/// <summary>What <see cref="FrameDecoder.Parse"/> found. "End marker" and "input ended" must never look the same (ltx-format §11).</summary>
internal enum FrameStatus
{
    /// <summary>The frame is not complete in the input yet.</summary>
    NeedMore,

    /// <summary>A complete page frame.</summary>
    Page,

    /// <summary>The end-of-pages marker.</summary>
    EndMarker,
}
