//! How large a picture may be that is shown.

/// The largest file that is read.
pub(super) const MAX_FILE_BYTES: u64 = 64 << 20;

/// The widest and the highest picture.
pub(super) const MAX_SIDE: u32 = 16_384;

/// How many pixels a picture may have in all. Of a JPEG that comes row by row it is
/// [more](MAX_PIXELS_BY_ROWS).
pub(super) const MAX_PIXELS: u64 = 40_000_000;

/// What may be allocated for a picture, as far as its decoder counts. What decoders take beside is in
/// proportion to [`MAX_PIXELS`]: the worst, a JPEG of four colours that comes in passes, takes half a
/// gigabyte in all.
pub(super) const MAX_MEMORY_BYTES: u64 = 256 << 20;

/// How many pixels a photograph may have in all, that comes row by row: the cameras of phones have as many.
pub(super) const MAX_PIXELS_BY_ROWS: u64 = 200_000_000;
