//! Pixels out of files that other people made.
//!
//! Whoever sends a file may mean harm. Invariant: what it claims to be and how large it claims to be is
//! looked at before a pixel is decoded, and whatever is wrong with it, the caller lives on.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use memchr::memmem;
use thiserror::Error;

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The widest and the highest picture.
const MAX_SIDE: u32 = 16_384;

/// How many pixels a picture may have in all.
const MAX_PIXELS: u64 = 40_000_000;

/// What may be allocated for a picture, as far as its decoder counts. What decoders take beside is in
/// proportion to [`MAX_PIXELS`]: the worst, a JPEG of four colours that comes in passes, takes half a
/// gigabyte in all.
const MAX_MEMORY_BYTES: u64 = 256 << 20;

/// What is shown. Of a GIF and of any that moves, the first picture.
const FORMATS: [ImageFormat; 4] =
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP];

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Why a picture is not shown. Made to be read by the person before the screen.
#[derive(Debug, Error)]
pub(in crate::ui::tui) enum Refusal {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it is no PNG, JPEG, GIF or WebP")]
    Unknown,
    #[error("it is too large")]
    TooLarge,
    #[error("it is damaged")]
    Damaged,
}

impl From<ImageError> for Refusal {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Limits(_) => Self::TooLarge,
            _ => Self::Damaged,
        }
    }
}

/// Decodes a picture, turned as it is to be seen, and makes it as small as it has to be; never larger.
/// A JPEG whose end is missing is shown as far as it goes.
pub(super) fn decode(path: &Path, width: u32, height: u32) -> Result<DynamicImage, Refusal> {
    guarded(|| {
        let mut bytes = Vec::new();
        open(path)?.read_to_end(&mut bytes)?;
        if hides_much(&bytes) {
            return Err(Refusal::TooLarge);
        }
        let (_, mut decoder, mut limits) = look_at(Cursor::new(bytes))?;
        limits.reserve(decoder.total_bytes())?;
        decoder.set_limits(limits)?;
        // Whoever cannot say how to turn it has the picture all the same.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let image = DynamicImage::from_decoder(decoder)?;
        let is_turned = orientation.to_exif() > 4;
        let (width, height) = if is_turned { (height, width) } else { (width, height) };
        let mut image = DynamicImage::from(shrink(image, width, height).into_rgba8());
        image.apply_orientation(orientation);
        Ok(image)
    })
}

/// Has something done with what others made, so that a panic is only a refusal. Decoders are to report
/// what they do not understand, yet they are many lines for which hostile files are written, and one picture
/// less is better than a client less.
pub(in crate::ui::tui) fn guarded<T>(
    work: impl FnOnce() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let before = GUARDED.replace(true);
    // What a panic leaves behind is dropped with it.
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    done.unwrap_or(Err(Refusal::Damaged))
}

/// Whether a panic of this thread is caught, so that nothing needs to be told or given back for it.
pub(in crate::ui::tui) fn is_guarded() -> bool {
    GUARDED.get()
}

fn open(path: &Path) -> Result<impl Read + Seek + use<>, Refusal> {
    // Opening what is no file may wait forever.
    if !path.metadata()?.is_file() {
        return Err(Refusal::Unknown);
    }
    let file = File::open(path)?;
    if file.metadata()?.len() > MAX_FILE_BYTES {
        return Err(Refusal::TooLarge);
    }
    Ok(file)
}

/// Finds out what it is, by what it begins with, and whether it is within the limits.
fn look_at<R: BufRead + Seek + 'static>(
    source: R,
) -> Result<(ImageFormat, impl ImageDecoder, Limits), Refusal> {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY_BYTES);
    let mut reader = ImageReader::new(source).with_guessed_format()?;
    let format = reader.format().filter(|it| FORMATS.contains(it)).ok_or(Refusal::Unknown)?;
    reader.limits(limits.clone());
    let decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(Refusal::TooLarge);
    }
    Ok((format, decoder, limits))
}

/// Whether a frame in a WebP is larger than any picture may be, whatever the file's header says: the
/// decoder makes room for it before it compares. Wherever the frame is, this is how its data begins.
fn hides_much(bytes: &[u8]) -> bool {
    const BEGIN: [u8; 3] = [0x9d, 0x01, 0x2a];
    let is_much = |at: usize| {
        // After the chunk's name, its length and the frame's tag.
        let Some([begin @ .., a, b, c, d]) =
            bytes.get(at + 11..).and_then(<[u8]>::first_chunk::<7>)
        else {
            return false;
        };
        let side = |low, high| u64::from(u16::from_le_bytes([low, high]) & 0x3fff);
        *begin == BEGIN && side(*a, *b) * side(*c, *d) > MAX_PIXELS
    };
    bytes.starts_with(b"RIFF") && memmem::find_iter(bytes, b"VP8 ").any(is_much)
}

fn shrink(image: DynamicImage, width: u32, height: u32) -> DynamicImage {
    let exceeds = |width, height| image.width() > width || image.height() > height;
    let (width, height) = (width.max(1), height.max(1));
    if !exceeds(width, height) {
        return image;
    }
    // Most of the way fast, the rest well.
    let (near_width, near_height) = (width.saturating_mul(2), height.saturating_mul(2));
    if exceeds(near_width, near_height) {
        let near = image.thumbnail(near_width, near_height);
        return near.resize(width, height, FilterType::Triangle);
    }
    image.resize(width, height, FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use image::codecs::jpeg::JpegEncoder;
    use image::{ImageEncoder, Rgb, RgbImage};
    use tempfile::TempDir;

    use super::*;

    /// Left red, right blue.
    fn picture(width: u32, height: u32) -> RgbImage {
        let colour = |x| if x < width / 2 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) };
        RgbImage::from_fn(width, height, |x, _| colour(x))
    }

    fn encoded(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture(width, height).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn file(bytes: &[u8]) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        // The name is to say nothing, or the wrong thing.
        let path = folder.path().join("holiday.png");
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn decoded(bytes: &[u8], width: u32, height: u32) -> Result<DynamicImage, Refusal> {
        let (_folder, path) = file(bytes);
        decode(&path, width, height)
    }

    fn crc(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |it, _| {
                if it & 1 == 1 { (it >> 1) ^ 0xedb8_8320 } else { it >> 1 }
            })
        })
    }

    /// A small PNG whose header announces another size.
    fn announcing(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = encoded(ImageFormat::Png, 2, 2);
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    #[test]
    fn every_format_is_decoded_and_made_to_fit_by_what_is_in_it() {
        for format in FORMATS {
            let bytes = encoded(format, 40, 20);
            let same = decoded(&bytes, 100, 100).unwrap();
            assert_eq!((same.width(), same.height()), (40, 20), "{format:?} is not made larger");
            for (width, height, fitting) in [(10, 10, (10, 5)), (30, 8, (16, 8)), (0, 0, (1, 1))] {
                let image = decoded(&bytes, width, height).unwrap();
                assert_eq!((image.width(), image.height()), fitting, "{format:?}");
            }
            let image = decoded(&bytes, 10, 10).unwrap().into_rgba8();
            let (left, right) = (image.get_pixel(1, 2).0, image.get_pixel(8, 2).0);
            assert!(left[0] > 200 && left[2] < 50 && right[0] < 50 && right[2] > 200, "{format:?}");
        }
    }

    #[test]
    fn a_thin_picture_keeps_a_pixel() {
        let image = decoded(&encoded(ImageFormat::Png, 3000, 2), 60, 40).unwrap();
        assert_eq!((image.width(), image.height()), (60, 1));
    }

    #[test]
    fn deep_and_grey_pictures_are_made_common() {
        for image in [DynamicImage::new_luma16(9, 4), DynamicImage::new_rgba16(9, 4)] {
            let mut bytes = Cursor::new(Vec::new());
            image.write_to(&mut bytes, ImageFormat::Png).unwrap();
            assert!(matches!(
                decoded(&bytes.into_inner(), 90, 90).unwrap(),
                DynamicImage::ImageRgba8(_)
            ));
        }
    }

    #[test]
    fn a_bomb_is_refused_by_its_header() {
        let mut gif = encoded(ImageFormat::Gif, 2, 2);
        gif[6..10].copy_from_slice(&[0xff; 4]);
        let mut jpeg = encoded(ImageFormat::Jpeg, 2, 2);
        let frame = memmem::find(&jpeg, &[0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
        for bytes in [
            announcing(50_000, 50_000),
            announcing(MAX_SIDE + 1, 1),
            announcing(10_000, 4_001),
            gif,
            jpeg,
        ] {
            let (_folder, path) = file(&bytes);
            assert!(matches!(decode(&path, 100, 100), Err(Refusal::TooLarge)));
        }
        // Within the limits, if only it were there.
        assert!(matches!(decoded(&announcing(500, 500), 9, 9), Err(Refusal::Damaged)));
    }

    #[test]
    fn more_memory_than_allowed_is_refused() {
        let mut bytes = announcing(6_000, 6_000);
        // Sixteen bits for each of four: 288 MB.
        bytes[24..26].copy_from_slice(&[16, 6]);
        let sum = crc(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        assert!(matches!(decoded(&bytes, 100, 100), Err(Refusal::TooLarge)));
    }

    #[test]
    fn a_large_frame_in_a_small_webp_is_refused() {
        let chunk = |name: &[u8; 4], body: &[u8]| {
            let length = u32::try_from(body.len()).unwrap().to_le_bytes();
            [name, &length, body].concat()
        };
        let canvas = chunk(b"VP8X", &[0, 0, 0, 0, 9, 0, 0, 9, 0, 0]);
        let webp = |frame: &[u8]| {
            let frame = chunk(b"VP8 ", frame);
            chunk(b"RIFF", &[&b"WEBP"[..], &canvas, &frame].concat())
        };
        let frame = |side: [u8; 2]| [&[0x10, 0, 0, 0x9d, 0x01, 0x2a][..], &side, &side].concat();
        let large = webp(&frame([0xff, 0x3f]));
        assert!(matches!(decoded(&large, 100, 100), Err(Refusal::TooLarge)));
        // What is only damaged is told from it, also where it ends too early.
        assert!(matches!(decoded(&webp(&frame([9, 0])), 100, 100), Err(Refusal::Damaged)));
        assert!(matches!(decoded(&large[..40], 100, 100), Err(Refusal::Damaged)));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for bytes in
            [&b""[..], b"\x89PN", b"Dear Marie,\nno picture today.\n", b"BM~~~~~~", &[7; 999]]
        {
            assert!(matches!(decoded(bytes, 9, 9), Err(Refusal::Unknown)), "{bytes:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(decode(folder.path(), 9, 9), Err(Refusal::Unknown)));
        let nothing = folder.path().join("nothing");
        assert!(matches!(decode(&nothing, 9, 9), Err(Refusal::Unreadable(_))));
        let large = folder.path().join("large");
        File::create(&large).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(decode(&large, 9, 9), Err(Refusal::TooLarge)));
    }

    #[test]
    fn what_is_cut_short_or_scrambled_is_refused_and_harms_nobody() {
        for format in FORMATS {
            let whole = encoded(format, 64, 64);
            // Behind the middle, a JPEG is shown as far as it goes, and a GIF may be complete.
            for length in (0..whole.len() / 2).step_by(whole.len() / 32) {
                let cut = decoded(&whole[..length], 9, 9);
                assert!(cut.is_err(), "{format:?} of {length} bytes");
            }
            let mut random = fastrand::Rng::with_seed(7);
            for _ in 0..50 {
                let mut bytes = whole.clone();
                for _ in 0..4 {
                    let at = random.usize(16..bytes.len());
                    bytes[at] = random.u8(..);
                }
                // Whatever comes of it.
                let _ = decoded(&bytes, 9, 9);
            }
        }
    }

    #[test]
    fn a_photograph_is_turned_as_it_says() {
        // Little endian; one entry: orientation 6, to be turned by a quarter.
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let mut bytes = Vec::new();
        let mut encoder = JpegEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif.to_vec()).unwrap();
        let pixels = picture(40, 20);
        encoder.write_image(&pixels, 40, 20, image::ExtendedColorType::Rgb8).unwrap();
        let image = decoded(&bytes, 100, 30).unwrap().into_rgba8();
        assert_eq!(image.dimensions(), (15, 30));
        let (above, below) = (image.get_pixel(7, 2).0, image.get_pixel(7, 27).0);
        assert!(above[0] > 200 && below[2] > 200, "left is above now: {above:?} {below:?}");
    }

    #[test]
    fn a_panic_is_a_refusal() {
        let inner = || guarded(|| -> Result<(), Refusal> { panic!("what a picture") });
        let outer = guarded(|| {
            assert!(matches!(inner(), Err(Refusal::Damaged)));
            Ok(is_guarded())
        });
        assert!(outer.unwrap() && !is_guarded());
    }
}
