//! Pixels out of files that other people made.
//!
//! Whoever sends a file may mean harm. Invariant: what it claims to be and how large it claims to be is
//! looked at before a pixel is decoded, and whatever is wrong with it, the caller lives on.

use std::cell::Cell;
use std::fs::File;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgba};
use memchr::memmem;

use super::jpeg;
use super::limits::{MAX_FILE_BYTES, MAX_MEMORY_BYTES, MAX_PIXELS, MAX_SIDE};
use super::refusal::Refusal;

/// What is shown. Of a GIF and of any that moves, the first picture.
const FORMATS: [ImageFormat; 4] =
    [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP];

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Decodes a picture, turned as it is to be seen, and makes it as small as it has to be; never larger.
/// A JPEG whose end is missing is shown as far as it goes.
pub(super) fn decode(path: &Path, width: u32, height: u32) -> Result<DynamicImage, Refusal> {
    guarded(|| {
        let mut bytes = Vec::new();
        open(path)?.read_to_end(&mut bytes)?;
        let area = |orientation| turned(orientation, width, height);
        let (image, orientation) = pixels(bytes, area)?;
        let (width, height) = area(orientation);
        let mut image = shrink(image, width, height);
        image.apply_orientation(orientation);
        Ok(image)
    })
}

/// The pixels, not turned yet, and how they are to be turned.
fn pixels(
    bytes: Vec<u8>,
    area: impl FnOnce(Orientation) -> (u32, u32),
) -> Result<(DynamicImage, Orientation), Refusal> {
    if let Some((width, height)) = hidden_size(&bytes) {
        return Err(Refusal::Pixels { width, height, most: MAX_PIXELS });
    }
    let format = format_of(&bytes)?;
    let (mut decoder, mut limits) = decoder(Cursor::new(&bytes), format)?;
    if let Some(refusal) = too_large(decoder.dimensions()) {
        return if format == ImageFormat::Jpeg { jpeg::decode(&bytes, area) } else { Err(refusal) };
    }
    limits.reserve(decoder.total_bytes())?;
    decoder.set_limits(limits)?;
    // Whoever cannot say how to turn it has the picture all the same.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((DynamicImage::from_decoder(decoder)?, orientation))
}

/// How large an area is before what fills it is turned.
fn turned(orientation: Orientation, width: u32, height: u32) -> (u32, u32) {
    let is_turned = orientation.to_exif() > 4;
    if is_turned { (height, width) } else { (width, height) }
}

/// Has something done with what others made, so that a panic is only a refusal. Decoders are to report
/// what they do not understand, yet they are many lines for which hostile files are written, and one picture
/// less is better than a client less.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let before = GUARDED.replace(true);
    // What a panic leaves behind is dropped with it.
    let done = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(before);
    done.unwrap_or(Err(Refusal::Damaged))
}

/// Whether a panic of this thread is caught, so that nothing needs to be told or given back for it.
pub(crate) fn is_guarded() -> bool {
    GUARDED.get()
}

fn open(path: &Path) -> Result<impl Read + use<>, Refusal> {
    // Opening what is no file may wait forever.
    if !path.metadata()?.is_file() {
        return Err(Refusal::Unknown("no file"));
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length > MAX_FILE_BYTES {
        return Err(Refusal::LongFile { length });
    }
    Ok(file)
}

/// What it is, by what it begins with.
fn format_of(bytes: &[u8]) -> Result<ImageFormat, Refusal> {
    let format = image::guess_format(bytes).ok().filter(|it| FORMATS.contains(it));
    let other = || infer::get(bytes).map_or("no picture", |it| it.mime_type());
    format.ok_or_else(|| Refusal::Unknown(other()))
}

/// What decodes it once it is known how large it says to be.
fn decoder<'a>(
    source: Cursor<&'a Vec<u8>>,
    format: ImageFormat,
) -> Result<(impl ImageDecoder + use<'a>, Limits), Refusal> {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_MEMORY_BYTES);
    let mut reader = ImageReader::with_format(source, format);
    reader.limits(limits.clone());
    Ok((reader.into_decoder()?, limits))
}

fn too_large((width, height): (u32, u32)) -> Option<Refusal> {
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Some(Refusal::Pixels { width, height, most: MAX_PIXELS });
    }
    (width.max(height) > MAX_SIDE).then_some(Refusal::Side { width, height })
}

/// The size of a frame in a WebP that is larger than any picture may be, whatever the file's header says: the
/// decoder makes room for it before it compares. Wherever the frame is, this is how its data begins.
fn hidden_size(bytes: &[u8]) -> Option<(u32, u32)> {
    const BEGIN: [u8; 3] = [0x9d, 0x01, 0x2a];
    let size = |at: usize| {
        // After the chunk's name, its length and the frame's tag.
        let [begin @ .., a, b, c, d] = bytes.get(at + 11..)?.first_chunk::<7>()?;
        let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
        (*begin == BEGIN).then(|| (side(*a, *b), side(*c, *d)))
    };
    let frames = memmem::find_iter(bytes, b"VP8 ").filter_map(size);
    let is_much =
        |(width, height): &(u32, u32)| u64::from(*width) * u64::from(*height) > MAX_PIXELS;
    frames.filter(|_| bytes.starts_with(b"RIFF")).find(is_much)
}

/// Makes it fit. Where nothing is to be seen there is no colour that would be mixed with others.
fn shrink(image: DynamicImage, width: u32, height: u32) -> DynamicImage {
    let (width, height) = (width.max(1), height.max(1));
    let image = match exceeds(&image, width, height) {
        true if image.color().has_alpha() => unweighed(fitting(weighed(image), width, height)),
        true => fitting(image, width, height),
        false => image,
    };
    image.into_rgba8().into()
}

fn exceeds(image: &DynamicImage, width: u32, height: u32) -> bool {
    image.width() > width || image.height() > height
}

fn fitting(image: DynamicImage, width: u32, height: u32) -> DynamicImage {
    // Most of the way fast, the rest well.
    let (near_width, near_height) = (width.saturating_mul(2), height.saturating_mul(2));
    if exceeds(&image, near_width, near_height) {
        let near = image.thumbnail(near_width, near_height);
        return near.resize(width, height, FilterType::Triangle);
    }
    image.resize(width, height, FilterType::Triangle)
}

/// Each colour as much as it is to be seen.
fn weighed(image: DynamicImage) -> DynamicImage {
    let mut image = image.into_rgba8();
    for Rgba([colours @ .., alpha]) in image.pixels_mut() {
        for colour in colours {
            *colour = share(u16::from(*colour) * u16::from(*alpha), 255);
        }
    }
    image.into()
}

/// What [`weighed`] made of them undone.
fn unweighed(image: DynamicImage) -> DynamicImage {
    let mut image = image.into_rgba8();
    for Rgba([colours @ .., alpha]) in image.pixels_mut() {
        for colour in colours {
            *colour = share(u16::from(*colour) * 255, u16::from(*alpha).max(1));
        }
    }
    image.into()
}

fn share(of: u16, by: u16) -> u8 {
    u8::try_from((of + by / 2) / by).unwrap_or(u8::MAX)
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

    #[track_caller]
    fn refused(bytes: &[u8]) -> String {
        decoded(bytes, 100, 100).unwrap_err().to_string()
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
    fn a_bomb_is_refused_by_its_header_and_with_its_size() {
        let mut gif = encoded(ImageFormat::Gif, 2, 2);
        gif[6..10].copy_from_slice(&[0xff; 4]);
        let mut jpeg = encoded(ImageFormat::Jpeg, 2, 2);
        let frame = memmem::find(&jpeg, &[0xff, 0xc0]).unwrap();
        jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
        let too_many = |size: &str, most| {
            format!("{size} pixels are more than the {most} million that are shown")
        };
        for (bytes, why) in [
            (announcing(50_000, 50_000), too_many("50000 x 50000", 40)),
            (announcing(10_000, 4_001), too_many("10000 x 4001", 40)),
            (
                announcing(MAX_SIDE + 1, 1),
                "16385 x 1 pixels: it may be no wider and no higher than 16384".into(),
            ),
            (gif, too_many("65535 x 65535", 40)),
            (jpeg, too_many("65535 x 65535", 200)),
        ] {
            assert_eq!(refused(&bytes), why);
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
        assert_eq!(refused(&bytes), "it would take more than 256 MiB of memory");
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
        assert!(refused(&large).starts_with("16383 x 16383 pixels are more"));
        // What is only damaged is told from it, also where it ends too early.
        assert!(matches!(decoded(&webp(&frame([9, 0])), 100, 100), Err(Refusal::Damaged)));
        assert!(matches!(decoded(&large[..40], 100, 100), Err(Refusal::Damaged)));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for bytes in
            [&b""[..], b"\x89PN", b"Dear Marie,\nno picture today.\n", b"BM~~~~~~", &[7; 999]]
        {
            assert!(matches!(decoded(bytes, 9, 9), Err(Refusal::Unknown(_))), "{bytes:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(decode(folder.path(), 9, 9), Err(Refusal::Unknown(_))));
        let document = "it is application/pdf; what is shown is PNG, JPEG, GIF and WebP";
        assert_eq!(refused(b"%PDF-1.7 and so on"), document);
        let nothing = folder.path().join("nothing");
        assert!(matches!(decode(&nothing, 9, 9), Err(Refusal::Unreadable(_))));
        let large = folder.path().join("large");
        File::create(&large).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        let refusal = decode(&large, 9, 9).unwrap_err().to_string();
        assert_eq!(refusal, "it has 67108865 bytes, more than the 64 MiB that are read");
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
    fn what_is_seen_through_keeps_its_colour_beside_what_is_not_seen() {
        let colour = |x| if x < 9 { Rgba([0; 4]) } else { Rgba([200, 40, 90, 128]) };
        let image = image::RgbaImage::from_fn(20, 20, |x, _| colour(x));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Png).unwrap();
        for side in [3, 7, 13] {
            let image = decoded(bytes.get_ref(), side, side).unwrap().into_rgba8();
            let seen: Vec<_> = image.pixels().filter(|it| it.0[3] > 8).collect();
            let near = |a: u8, b: u8| a.abs_diff(b) < 12;
            assert!(seen.len() > image.len() / 9 && seen.iter().any(|it| it.0[3] < 120), "{side}");
            for Rgba([red, green, blue, _]) in seen {
                assert!(near(*red, 200) && near(*green, 40) && near(*blue, 90), "{side}");
            }
        }
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
