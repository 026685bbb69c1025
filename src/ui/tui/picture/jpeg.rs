//! Photographs of many pixels: a JPEG that comes row by row is made smaller in its transform, so that the
//! whole of it is never in memory.
//!
//! Owned by [`decode`](super::decode), which has small ones decoded otherwise. Invariants: what is allocated is
//! in proportion to what is shown, whatever the picture's size; it all happens on the caller's thread, where
//! a panic is caught.

use std::io::{self, Read};

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, Rgb, RgbImage};
use jpeg_decoder::{CodingProcess, Decoder, Error, ImageInfo, PixelFormat};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::limits::{MAX_PIXELS, MAX_PIXELS_BY_ROWS};
use super::refusal::Refusal;

/// How many scans are read. Four colours need four; a file of nothing but scans would be decoded for days.
const MAX_SCANS: u32 = 64;

/// The end of a JPEG: what is missing of a file that was cut is filled with it, so that the picture is shown as
/// far as it goes.
const END: [u8; 2] = [0xff, 0xd9];

/// How a scan begins.
const SCAN: [u8; 2] = [0xff, 0xda];

thread_local! {
    /// What the decoder would give to other threads is done by the one that has this.
    static ALONE: Option<ThreadPool> =
        ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().ok();
}

/// Decodes it, not much larger than it has to be to fill so many pixels in one direction. The orientation in
/// which it is to be seen is asked for what these are.
pub(super) fn decode(
    bytes: &[u8],
    area: impl FnOnce(Orientation) -> (u32, u32),
) -> Result<(DynamicImage, Orientation), Refusal> {
    ALONE.with(|_| ());
    let mut decoder = Decoder::new(Source::of(bytes));
    decoder.read_info().map_err(refusal)?;
    let info = decoder.info().ok_or(Refusal::Damaged)?;
    is_within_limits(&info)?;
    // Whoever cannot say how to turn it has the picture all the same.
    let orientation = decoder.exif_data().and_then(Orientation::from_exif_chunk);
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
    let (width, height) = area(orientation);
    let side = |pixels| u16::try_from(pixels).unwrap_or(u16::MAX).max(1);
    let (width, height) = decoder.scale(side(width), side(height)).map_err(refusal)?;
    let pixels = decoder.decode().map_err(refusal)?;
    let image = image(u32::from(width), u32::from(height), info.pixel_format, pixels);
    Ok((image.ok_or(Refusal::Damaged)?, orientation))
}

fn is_within_limits(info: &ImageInfo) -> Result<(), Refusal> {
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    let pixels = u64::from(width) * u64::from(height);
    let kind = match info.coding_process {
        CodingProcess::DctSequential if pixels > MAX_PIXELS_BY_ROWS => {
            return Err(Refusal::Pixels { width, height, most: MAX_PIXELS_BY_ROWS });
        }
        CodingProcess::DctSequential => return Ok(()),
        // All its coefficients are in memory until the last pass.
        CodingProcess::DctProgressive => "progressive",
        // It has no transform to be made smaller in.
        CodingProcess::Lossless => "lossless",
    };
    if pixels > MAX_PIXELS {
        return Err(Refusal::PixelsOfKind { width, height, kind });
    }
    Err(Refusal::Side { width, height })
}

fn refusal(error: Error) -> Refusal {
    match error {
        Error::Unsupported(_) => Refusal::Unsupported,
        _ => Refusal::Damaged,
    }
}

fn image(width: u32, height: u32, format: PixelFormat, pixels: Vec<u8>) -> Option<DynamicImage> {
    match format {
        PixelFormat::L8 => GrayImage::from_raw(width, height, pixels).map(Into::into),
        PixelFormat::RGB24 => RgbImage::from_raw(width, height, pixels).map(Into::into),
        PixelFormat::CMYK32 => {
            let mut inks = pixels.as_chunks::<4>().0.iter().map(rgb);
            let is_whole = inks.len() as u64 == u64::from(width) * u64::from(height);
            let colour = |_, _| inks.next().unwrap_or(Rgb([0; 3]));
            is_whole.then(|| RgbImage::from_fn(width, height, colour).into())
        }
        PixelFormat::L16 => None,
    }
}

/// Ink takes light away.
fn rgb(&[cyan, magenta, yellow, black]: &[u8; 4]) -> Rgb<u8> {
    let left = |ink: u8| u16::from(255 - ink) * u16::from(255 - black) / 255;
    Rgb([cyan, magenta, yellow].map(|ink| u8::try_from(left(ink)).unwrap_or(u8::MAX)))
}

/// The bytes of a file and its end, as often as it is read.
struct Source<'a> {
    rest: &'a [u8],
    last: u8,
    scans: u32,
}

impl<'a> Source<'a> {
    fn of(rest: &'a [u8]) -> Self {
        Self { rest, last: 0, scans: 0 }
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut count = self.rest.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            buffer[0] = if self.last == END[0] { END[1] } else { END[0] };
            count = 1;
        }
        for byte in &buffer[..count] {
            self.scans += u32::from([self.last, *byte] == SCAN);
            self.last = *byte;
        }
        if self.scans > MAX_SCANS {
            return Err(io::Error::other("it has too many scans"));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::iter::repeat_n;

    use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType, SamplingFactor};

    use super::super::decode;
    use super::*;

    /// Left red, right blue, and made row by row.
    struct Large {
        width: u16,
        height: u16,
        kind: JpegColorType,
    }

    impl ImageBuffer for Large {
        fn get_jpeg_color_type(&self) -> JpegColorType {
            self.kind
        }

        fn width(&self) -> u16 {
            self.width
        }

        fn height(&self) -> u16 {
            self.height
        }

        fn fill_buffers(&self, _: u16, rows: &mut [Vec<u8>; 4]) {
            let half = usize::from(self.width / 2);
            // What is stored of four inks is what is left without them.
            let (red, blue): ([u8; 4], [u8; 4]) = match self.kind {
                JpegColorType::Luma => ([76; 4], [29; 4]),
                JpegColorType::Ycbcr => ([76, 85, 255, 0], [29, 255, 107, 0]),
                JpegColorType::Cmyk => ([255, 0, 0, 255], [0, 0, 255, 255]),
                JpegColorType::Ycck => ([179, 171, 1, 255], [226, 1, 149, 255]),
            };
            for (row, (red, blue)) in rows.iter_mut().zip(red.into_iter().zip(blue)) {
                row.extend(repeat_n(red, half));
                row.extend(repeat_n(blue, usize::from(self.width) - half));
            }
        }
    }

    fn encoded(width: u16, height: u16, kind: JpegColorType) -> Vec<u8> {
        encoded_with(width, height, kind, |_| {})
    }

    fn encoded_with(
        width: u16,
        height: u16,
        kind: JpegColorType,
        set: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 80);
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        set(&mut encoder);
        encoder.encode_image(Large { width, height, kind }).unwrap();
        bytes
    }

    const KINDS: [JpegColorType; 4] =
        [JpegColorType::Luma, JpegColorType::Ycbcr, JpegColorType::Cmyk, JpegColorType::Ycck];

    fn decoded(bytes: &[u8], width: u32, height: u32) -> Result<DynamicImage, Refusal> {
        decode(bytes, |_| (width, height)).map(|(image, _)| image)
    }

    /// It has its colours, left and right, as far down as that.
    #[track_caller]
    fn is_coloured(image: &DynamicImage, kind: JpegColorType, rows: u32) {
        let is_grey = kind == JpegColorType::Luma;
        let (red, blue) = if is_grey { ([76; 3], [29; 3]) } else { ([255, 0, 0], [0, 0, 255]) };
        let half = image.width() / 2;
        for (x, y, Rgb(pixel)) in image.to_rgb8().enumerate_pixels().filter(|it| it.1 < rows) {
            let wanted = if x < half { red } else { blue };
            let is_near = pixel.iter().zip(wanted).all(|(one, other)| one.abs_diff(other) < 12);
            assert!(is_near || x.abs_diff(half) < 9, "{kind:?} at {x} {y}: {pixel:?}");
        }
    }

    #[test]
    fn every_kind_has_its_colours_and_is_made_smaller() {
        for kind in KINDS {
            let factors = [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_2_2];
            for (factor, interval) in factors.into_iter().zip([0, 3, 7]) {
                let bytes = encoded_with(400, 201, kind, |encoder| {
                    encoder.set_sampling_factor(factor);
                    encoder.set_restart_interval(interval);
                });
                for (divisor, size) in [(1, (400, 201)), (2, (200, 101)), (8, (50, 26))] {
                    let image = decoded(&bytes, 400 / divisor, 999).unwrap();
                    assert_eq!((image.width(), image.height()), size);
                    is_coloured(&image, kind, size.1);
                }
            }
        }
    }

    #[test]
    fn what_is_missing_of_a_photograph_is_not_what_is_there() {
        for kind in KINDS {
            let bytes = encoded(400, 400, kind);
            let cut = decoded(&bytes[..bytes.len() * 2 / 3], 50, 50).unwrap();
            is_coloured(&cut, kind, 25);
            for length in 0..200 {
                assert!(decoded(&bytes[..length], 9, 9).is_err());
            }
        }
    }

    #[test]
    fn what_is_scrambled_harms_nobody() {
        let mut random = fastrand::Rng::with_seed(7);
        for kind in KINDS {
            let whole = encoded_with(90, 90, kind, |it| it.set_restart_interval(4));
            for _ in 0..200 {
                let mut bytes = whole.clone();
                for _ in 0..4 {
                    let at = random.usize(2..bytes.len());
                    bytes[at] = random.u8(..);
                }
                // Whatever comes of it; no other thread's end.
                let _ = decode::guarded(|| decoded(&bytes, 9, 9));
            }
        }
    }

    #[test]
    fn a_photograph_of_many_pixels_is_shown_and_one_of_more_refused() {
        // Little endian; one entry: orientation 6, to be turned by a quarter.
        let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        let bytes = encoded_with(9_000, 5_000, JpegColorType::Ycbcr, |encoder| {
            encoder.add_exif_metadata(exif).unwrap();
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let image = decode::decode(file.path(), 384, 224).unwrap().into_rgb8();
        assert_eq!(image.dimensions(), (125, 224));
        let (above, below) = (image.get_pixel(60, 9).0, image.get_pixel(60, 220).0);
        assert!(above[0] > 240 && above[2] < 16 && below[0] < 16 && below[2] > 240);
        let mut bytes = encoded(16, 16, JpegColorType::Ycbcr);
        let frame = memchr::memmem::find(&bytes, &[0xff, 0xc0]).unwrap();
        bytes[frame + 5..frame + 9].copy_from_slice(&[0x3a, 0x98, 0x4e, 0x20]);
        assert_eq!(
            decoded(&bytes, 9, 9).unwrap_err().to_string(),
            "20000 x 15000 pixels are more than the 200 million that are shown"
        );
        bytes[frame + 1] = 0xc2;
        assert_eq!(
            decoded(&bytes, 9, 9).unwrap_err().to_string(),
            "20000 x 15000 pixels in a progressive JPEG are more than the 40 million that are shown \
             of such"
        );
    }

    #[test]
    fn a_file_of_nothing_but_scans_is_refused() {
        let bytes = encoded(16, 16, JpegColorType::Luma);
        let scan = memchr::memmem::find(&bytes, &SCAN).unwrap();
        let (head, scan) = bytes[..bytes.len() - END.len()].split_at(scan);
        let file = |scans| [head, &scan.repeat(scans), &END].concat();
        assert!(decoded(&file(3), 9, 9).is_ok());
        assert!(matches!(decoded(&file(MAX_SCANS as usize + 1), 9, 9), Err(Refusal::Damaged)));
    }
}
