//! Why a picture is not shown. Pure.
//!
//! Owned by [`decode`](super::decode), made to be read by the person before the screen. Invariant: what is too
//! much is told with its figures and with what would not be.

use std::io;

use image::ImageError;
use thiserror::Error;

use super::limits::{MAX_FILE_BYTES, MAX_MEMORY_BYTES, MAX_PIXELS, MAX_SIDE};

/// See the [module](self).
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it is {0}; what is shown is PNG, JPEG, GIF and WebP")]
    Unknown(&'static str),
    #[error("it has {length} bytes, more than the {} MiB that are read", MAX_FILE_BYTES >> 20)]
    LongFile { length: u64 },
    #[error("{width} x {height} pixels are more than the {} that are shown", millions(*most))]
    Pixels { width: u32, height: u32, most: u64 },
    #[error(
        "{width} x {height} pixels in a {kind} JPEG are more than the {} that are shown of such",
        millions(MAX_PIXELS)
    )]
    PixelsOfKind { width: u32, height: u32, kind: &'static str },
    #[error("{width} x {height} pixels: it may be no wider and no higher than {MAX_SIDE}")]
    Side { width: u32, height: u32 },
    #[error("it would take more than {} MiB of memory", MAX_MEMORY_BYTES >> 20)]
    Memory,
    #[error("it is of a kind that is not known here")]
    Unsupported,
    #[error("it is damaged")]
    Damaged,
}

impl From<ImageError> for Refusal {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Limits(_) => Self::Memory,
            ImageError::Unsupported(_) => Self::Unsupported,
            _ => Self::Damaged,
        }
    }
}

/// So many pixels, as one says it.
fn millions(pixels: u64) -> String {
    format!("{} million", pixels / 1_000_000)
}
