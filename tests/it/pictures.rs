//! Pictures on the full screen: how they are shown by which terminal, and what is said instead.

use crate::files::{marie_writes, own_file, send};
use crate::programs::Launch;
use crate::screen::{Desk, desk};
use crate::sealed::comes;
use crate::world::{World, story};

/// What is red in a picture.
const RED: (u8, u8, u8) = (255, 0, 0);

/// Where kitty is to show a part of a picture.
const PLACEHOLDER: &str = "\u{10eeee}";

/// The terminal is asked which version it is.
const QUESTION: &str = "\u{1b}[>0q";

/// A picture: one colour above blue.
fn picture(above: [u8; 3]) -> Vec<u8> {
    let pixel = |_, y| image::Rgb(if y < 20 { above } else { [0, 0, 255] });
    let mut bytes = std::io::Cursor::new(Vec::new());
    let image = image::RgbImage::from_fn(40, 40, pixel);
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The same, and it says to be so large that nobody could hold it.
fn bomb() -> Vec<u8> {
    let mut bytes = picture([0; 3]);
    bytes[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let checksum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// As PNG has it (ISO/IEC 15948, Annex D).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 }
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[test]
fn a_picture_is_seen_and_one_that_means_harm_only_named() {
    story(async |world| {
        comes(world, "marie").await;
        marie_writes(world).await;
        send(world, &own_file(world, "flag.png", &picture([255, 0, 0])), &["red and blue"])
            .await
            .exited(0);
        let marie = desk(world, "marie", "john");
        marie.sees("[file 1: flag.png, image/png, ");
        marie.sees_colour(RED);
        marie.sees_colour((0, 0, 255));
        send(world, &own_file(world, "bomb.png", &bomb()), &[]).await.exited(0);
        marie.sees("[file 2: bomb.png, image/png, ");
        marie.sees("(/SAVE 2)");
        marie.sees("(picture not shown: 50000 x 50000 pixels are");
        send(world, &own_file(world, "after.png", &picture([0, 255, 0])), &[]).await.exited(0);
        marie.sees("[file 3: after.png, image/png, ");
        marie.sees_colour((0, 255, 0));
    });
}

/// What a terminal says that is asked for its version.
fn version(of: &str) -> String {
    format!("\u{1b}P>|{of}\u{1b}\\")
}

/// Marie at a terminal that says such things of itself, with what it says when her client begins.
fn marie(world: &World, variables: &[(&str, &str)], ahead: &str) -> Desk {
    let launch = Launch::of(world, "marie").to("john");
    let launch = variables.iter().fold(launch, |it, (name, value)| it.variable(name, value));
    Desk::open_measured(launch, ahead)
}

#[test]
fn a_terminal_gets_pictures_as_it_is_known_to_take_them() {
    story(async |world| {
        comes(world, "marie").await;
        marie_writes(world).await;
        send(world, &own_file(world, "flag.png", &picture([255, 0, 0])), &[]).await.exited(0);
        let kitty = [("TERM", "xterm-kitty")];
        let inherited = [("TERM", "rxvt-unicode-256color"), ("KITTY_WINDOW_ID", "1")];
        let configured = [("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")];
        for (variables, ahead, is_asked, has_placeholders) in [
            (&inherited[..], String::new(), false, false),
            (&kitty, version("kitty(0.26.5)"), true, false),
            (&kitty, version("kitty(0.32.2)"), true, true),
            (&configured, version("kitty(0.32.2)"), true, true),
            (&configured, version("foot(1.13.1)"), true, false),
        ] {
            let mut marie = marie(world, variables, &format!("typed {ahead}ahead"));
            marie.sees("[file 1: flag.png, image/png, ");
            marie.sees("typed ahead");
            match has_placeholders {
                true => marie.sees(PLACEHOLDER),
                false => marie.sees_colour(RED),
            }
            marie.presses("\u{3}\u{3}\u{3}");
            let raw = marie.ends(0);
            assert_eq!(raw.contains(QUESTION), is_asked, "{variables:?}");
            assert_eq!(raw.contains("\u{1b}_G"), has_placeholders, "{variables:?} {ahead:?}");
        }
    });
}

#[test]
fn a_terminal_that_does_not_say_what_it_is_is_not_waited_for_and_an_answer_is_never_typed() {
    story(async |world| {
        comes(world, "marie").await;
        marie_writes(world).await;
        send(world, &own_file(world, "flag.png", &picture([255, 0, 0])), &[]).await.exited(0);
        let mut marie = marie(world, &[("TERM", "xterm-kitty")], "half a thought");
        marie.sees("half a thought");
        marie.sees_colour(RED);
        marie.presses(&version("kitty(0.32.2)"));
        marie.presses(", and more");
        marie.sees("half a thought, and more");
        marie.presses("\u{3}\u{3}\u{3}");
        assert!(!marie.ends(0).contains("kitty(0"));
    });
}

#[test]
fn a_person_who_says_so_has_pictures_for_kitty_and_nobody_is_asked() {
    story(async |world| {
        comes(world, "marie").await;
        marie_writes(world).await;
        send(world, &own_file(world, "flag.png", &picture([255, 0, 0])), &[]).await.exited(0);
        let launch = Launch::of(world, "marie").to("john").with(&["--pictures", "kitty"]);
        let mut marie = Desk::open_measured(launch, "");
        marie.sees(PLACEHOLDER);
        marie.presses("\u{3}\u{3}");
        assert!(!marie.ends(0).contains(QUESTION));
    });
}
