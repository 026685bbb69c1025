//! A picture as the terminal takes it.
//!
//! Owned by the [gallery](super::gallery). Invariant: a picture that cannot be drawn in part is drawn wholly or
//! not at all.

use image::{DynamicImage, Rgba, RgbaImage, imageops};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::Color;
use ratatui::widgets::Widget;
use ratatui_image::Image;
use ratatui_image::protocol::Protocol as Encoded;
use ratatui_image::protocol::halfblocks::Halfblocks;
use ratatui_image::protocol::iterm2::Iterm2;
use ratatui_image::protocol::kitty::Kitty;
use ratatui_image::protocol::sixel::Sixel;
use ratatui_image::sliced::{SignedPosition, SlicedImage, SlicedProtocol};

use super::capability::{Capability, Protocol};
use super::refusal::Refusal;

/// What is behind a transparent picture where nothing can be: black and white can be told from it.
const GROUND: Rgba<u8> = Rgba([128, 128, 128, 255]);

/// Of 255: a pixel of a Sixel is there or not, and one that is seen less than this is not. A shadow's rim is
/// not, a pane of glass is.
const FAINT: u8 = 32;

/// See the [module](self).
pub(super) struct Picture {
    form: Form,
    few_colours: bool,
}

enum Form {
    /// Some of its rows can be drawn without the others.
    Rows(SlicedProtocol),
    Whole(Encoded),
}

impl Picture {
    /// Made for a terminal, which knows it by a number.
    pub(super) fn of(
        image: DynamicImage,
        capability: Capability,
        number: u32,
    ) -> Result<Self, Refusal> {
        let Capability { protocol, in_tmux, few_colours, .. } = capability;
        let size = cells(&image, capability.cell)?;
        let form = match protocol {
            Protocol::Blocks => Halfblocks::new(on_ground(&image), size)
                .map(|it| Form::Rows(SlicedProtocol::Halfblocks(it))),
            Protocol::Kitty => Kitty::new(image, size, number, in_tmux, false)
                .map(|it| Form::Rows(SlicedProtocol::Kitty(it))),
            Protocol::Iterm => {
                Iterm2::new(image, size, in_tmux).map(|it| Form::Whole(Encoded::ITerm2(it)))
            }
            Protocol::Sixel => {
                Sixel::new(solid(image), size, in_tmux).map(|it| Form::Whole(Encoded::Sixel(it)))
            }
        };
        let form = form.map_err(|_| Refusal::Damaged)?;
        Ok(Self { form, few_colours: few_colours && protocol == Protocol::Blocks })
    }

    /// How many columns and rows it takes.
    pub(super) fn size(&self) -> Size {
        match &self.form {
            Form::Rows(rows) => rows.size(),
            Form::Whole(whole) => whole.size(),
        }
    }

    /// Draws it without so many of its upper rows. Says whether it was drawn.
    pub(super) fn draw(&self, skip: u16, area: Rect, buffer: &mut Buffer) -> bool {
        let size = self.size();
        let above = i16::try_from(skip).ok().filter(|_| skip < size.height);
        match (&self.form, above) {
            (Form::Rows(rows), Some(above)) => {
                SlicedImage::new(rows, SignedPosition { x: 0, y: -above }).render(area, buffer);
            }
            (Form::Whole(whole), Some(0))
                if size.width <= area.width && size.height <= area.height =>
            {
                Image::new(whole).render(area, buffer);
            }
            _ => return false,
        }
        if self.few_colours {
            reduce_colours(area, buffer);
        }
        true
    }
}

fn cells(image: &DynamicImage, cell: (u16, u16)) -> Result<Size, Refusal> {
    let cells = |pixels: u32, each: u16| {
        u16::try_from(pixels.div_ceil(u32::from(each))).map_err(|_| Refusal::Damaged)
    };
    Ok(Size::new(cells(image.width(), cell.0)?, cells(image.height(), cell.1)?))
}

fn on_ground(image: &DynamicImage) -> DynamicImage {
    let mut ground = RgbaImage::from_pixel(image.width(), image.height(), GROUND);
    imageops::overlay(&mut ground, image, 0, 0);
    ground.into()
}

/// Each pixel in its colour, or not there at all: nothing can be seen through.
fn solid(image: DynamicImage) -> DynamicImage {
    let mut image = image.into_rgba8();
    for Rgba([.., alpha]) in image.pixels_mut() {
        *alpha = if *alpha < FAINT { 0 } else { u8::MAX };
    }
    image.into()
}

/// Replaces colours by the nearest ones of those that every terminal has.
fn reduce_colours(area: Rect, buffer: &mut Buffer) {
    for position in area.positions() {
        if let Some(cell) = buffer.cell_mut(position) {
            (cell.fg, cell.bg) = (reduced(cell.fg), reduced(cell.bg));
        }
    }
}

fn reduced(colour: Color) -> Color {
    let Color::Rgb(red, green, blue) = colour else { return colour };
    // The steps of the cube of 6 by 6 by 6 colours are at 0, 95, 135, 175, 215 and 255.
    let step = |it: u8| match it {
        0..48 => 0,
        48..115 => 1,
        115.. => (it - 35) / 40,
    };
    Color::Indexed(16 + 36 * step(red) + 6 * step(green) + step(blue))
}

#[cfg(test)]
mod tests {
    use icy_sixel::SixelImage;

    use super::super::capability::BLOCKS_CELL;
    use super::*;

    fn made(image: RgbaImage, protocol: Protocol, few_colours: bool) -> Buffer {
        let cell = if protocol == Protocol::Blocks { BLOCKS_CELL } else { (10, 20) };
        let capability = Capability { protocol, cell, in_tmux: false, few_colours };
        let picture = Picture::of(image.into(), capability, 7).unwrap();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 9, 9));
        assert!(picture.draw(0, buffer.area, &mut buffer));
        buffer
    }

    #[test]
    fn few_colours_are_the_nearest() {
        let colour = |y| if y == 0 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 0, 255, 255]) };
        let buffer = made(RgbaImage::from_fn(1, 2, |_, y| colour(y)), Protocol::Blocks, true);
        let cell = &buffer[(0, 0)];
        assert_eq!((cell.fg, cell.bg), (Color::Indexed(196), Color::Indexed(21)));
        assert_eq!(reduced(Color::Rgb(135, 96, 254)), Color::Indexed(16 + 2 * 36 + 6 + 5));
        assert_eq!(reduced(Color::Reset), Color::Reset);
    }

    #[test]
    fn what_is_transparent_is_grey_in_blocks() {
        let buffer = made(RgbaImage::new(2, 2), Protocol::Blocks, false);
        assert_eq!(buffer[(0, 0)].bg, Color::Rgb(128, 128, 128));
    }

    #[test]
    fn as_sixels_what_is_half_transparent_has_its_colour_and_what_is_transparent_none() {
        let columns = [[200, 40, 90, 255], [200, 40, 90, 128], [200, 40, 90, 64], [0, 90, 0, 0]];
        let image = RgbaImage::from_fn(40, 20, |x, _| Rgba(columns[x as usize / 10]));
        let buffer = made(image, Protocol::Sixel, false);
        let symbol = buffer[(0, 0)].symbol();
        let sixels = &symbol[symbol.find("\x1bP").unwrap()..];
        let shown = SixelImage::decode(sixels.as_bytes()).unwrap();
        let pixel = |x: usize| &shown.pixels[(10 * shown.width + x) * 4..][..4];
        for x in [5, 15, 25] {
            let [red, green, blue, alpha] = pixel(x) else { panic!("four") };
            assert_eq!(*alpha, 255, "at {x}");
            // It is told in percent.
            let is_near = |is: u8, was: u8| is.abs_diff(was) <= 3;
            assert!(is_near(*red, 200) && is_near(*green, 40) && is_near(*blue, 90), "at {x}");
        }
        assert_eq!(pixel(35)[3], 0);
    }
}
