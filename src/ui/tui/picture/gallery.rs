//! The pictures that are in sight or were a moment ago, made for this terminal.
//!
//! Owned by the face; a thread beside it decodes, one picture after another. Invariants: what is asked for
//! and what is held are bounded; what is drawn was made for the area that was asked for last; what is in
//! sight is never given up for another.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use async_channel::{Receiver, Sender};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::capability::Capability;
use super::decode::{decode, guarded};
use super::make::Picture;
use super::refusal::Refusal;
use crate::task;

/// How many pictures are held, those that are being made and those that cannot be shown included. A screen
/// of more shows the first ones.
const HELD: usize = 16;

/// How many pictures wait to be made. One that has no place here is asked for again when the next is ready.
const QUEUE: usize = 8;

/// See the [module](self).
pub(crate) struct Gallery {
    capability: Capability,
    entries: HashMap<i64, Entry>,
    /// Counts the drawings.
    frame: u64,
    /// By what number the terminal knows the picture of the first place.
    first: u32,
    jobs: Sender<Job>,
    made: Receiver<Made>,
    ready: Receiver<()>,
}

struct Entry {
    /// At most so many columns and rows.
    area: (u16, u16),
    /// Which of those that are held it is. Whoever takes the place takes its number with the terminal too,
    /// which therefore never keeps more than are held here.
    place: usize,
    /// The drawing that it was last asked for in.
    seen: u64,
    state: State,
}

enum State {
    Making,
    Ready(Picture),
    /// It cannot be shown, and is not tried again.
    Refused(Refusal),
}

struct Job {
    id: i64,
    path: PathBuf,
    area: (u16, u16),
    place: usize,
    number: u32,
    capability: Capability,
}

struct Made {
    id: i64,
    area: (u16, u16),
    place: usize,
    picture: Result<Picture, Refusal>,
}

impl Gallery {
    /// Starts the thread. It ends after the picture that it is at when this is dropped.
    pub(crate) fn start(capability: Capability) -> io::Result<Self> {
        let (jobs, to_do) = async_channel::bounded(QUEUE);
        let (done, made) = async_channel::bounded(QUEUE);
        let (tell, ready) = async_channel::bounded(1);
        task::spawn_thread("pictures", move || work(&to_do, &done, &tell))?;
        // Another program on this terminal may number its pictures too.
        let first = fastrand::u32(0x0100_0000..0xff00_0000);
        let entries = HashMap::new();
        Ok(Self { capability, entries, frame: 0, first, jobs, made, ready })
    }

    /// Says that there is something to draw that was not there before.
    pub(crate) fn ready(&self) -> Receiver<()> {
        self.ready.clone()
    }

    /// To be called before each drawing: takes in what has been made. What was in sight in the drawing
    /// before may be given up from now on.
    pub(crate) fn next_frame(&mut self) {
        self.frame += 1;
        while let Ok(made) = self.made.try_recv() {
            // Whoever it was made for may be gone, or want another size now.
            if let Some(entry) = self.entries.get_mut(&made.id)
                && (entry.area, entry.place) == (made.area, made.place)
            {
                entry.state = made.picture.map_or_else(State::Refused, State::Ready);
            }
        }
    }

    /// Has a message's picture made for at most so many columns and rows, if it is not there yet. To be
    /// called in every drawing that it is to be seen in.
    pub(crate) fn want(&mut self, id: i64, path: &Path, area: (u16, u16)) {
        if let Some(entry) = self.entries.get_mut(&id)
            && entry.area == area
        {
            entry.seen = self.frame;
            return;
        }
        if self.jobs.is_full() {
            return;
        }
        let Some(place) = self.place(id) else { return };
        let number = self.first + u32::try_from(place).unwrap_or_default();
        let capability = self.capability;
        let job = Job { id, path: path.into(), area, place, number, capability };
        if self.jobs.try_send(job).is_ok() {
            let entry = Entry { area, place, seen: self.frame, state: State::Making };
            self.entries.insert(id, entry);
        }
    }

    /// How many columns and rows a picture takes. None while that is not known, if it cannot be shown, and
    /// if it has no room in so many.
    pub(crate) fn size(&self, id: i64, max_columns: u16, max_rows: u16) -> Option<(u16, u16)> {
        let State::Ready(picture) = &self.entries.get(&id)?.state else { return None };
        let size = picture.size();
        (size.width <= max_columns && size.height <= max_rows).then_some((size.width, size.height))
    }

    /// Why a picture is not shown, if that is known.
    pub(crate) fn refusal(&self, id: i64) -> Option<String> {
        let State::Refused(refusal) = &self.entries.get(&id)?.state else { return None };
        Some(refusal.to_string())
    }

    /// Draws a picture at the top left of an area, without so many of its upper rows: those that have been
    /// scrolled out. What the area is too small for is left out as well. For iTerm2 and as Sixels it is
    /// drawn wholly or not at all. Says whether it was drawn; if not, the area is left as it was.
    ///
    /// Nothing may be drawn over it in the same drawing: the terminal may only be told once what it looks
    /// like.
    pub(crate) fn draw(&mut self, id: i64, skip: u16, area: Rect, buffer: &mut Buffer) -> bool {
        let Some(Entry { seen, state: State::Ready(picture), .. }) = self.entries.get_mut(&id)
        else {
            return false;
        };
        *seen = self.frame;
        let area = area.intersection(buffer.area);
        !area.is_empty() && picture.draw(skip, area, buffer)
    }

    /// Gives all of them up, so that they are made and told to the terminal anew: for when what is on the
    /// screen is not what should be.
    pub(crate) fn forget(&mut self) {
        self.entries.clear();
    }

    /// To be called when the window has changed: if a cell has other pixels now, all are made anew.
    pub(crate) fn measure(&mut self) {
        let measured = self.capability.measured();
        if measured != self.capability {
            self.capability = measured;
            self.forget();
        }
    }

    /// The place for a message's picture. None if all are taken by what is in sight.
    fn place(&mut self, id: i64) -> Option<usize> {
        if let Some(entry) = self.entries.get(&id) {
            return Some(entry.place);
        }
        if self.entries.len() >= HELD {
            let out_of_sight = self.entries.iter().filter(|(_, it)| it.seen < self.frame);
            let (oldest, _) = out_of_sight.min_by_key(|(_, it)| it.seen)?;
            let oldest = *oldest;
            self.entries.remove(&oldest);
        }
        (0..HELD).find(|place| self.entries.values().all(|it| it.place != *place))
    }
}

/// What the thread does.
fn work(jobs: &Receiver<Job>, done: &Sender<Made>, tell: &Sender<()>) {
    while let Ok(job) = jobs.recv_blocking() {
        let picture = guarded(|| make(&job));
        let Job { id, area, place, .. } = job;
        if done.send_blocking(Made { id, area, place, picture }).is_err() {
            return;
        }
        // If there is no room, it has been told and not heard yet.
        let _ = tell.try_send(());
    }
}

fn make(job: &Job) -> Result<Picture, Refusal> {
    let Job { path, area, number, capability, .. } = job;
    let (width, height) = capability.pixels(*area);
    Picture::of(decode(path, width, height)?, *capability, *number)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_std::future::timeout;
    use async_std::task::block_on;
    use image::{Rgb, RgbImage};
    use ratatui::style::Color;
    use tempfile::TempDir;

    use super::super::capability::{BLOCKS_CELL, Protocol};
    use super::*;

    const RED: Color = Color::Rgb(255, 0, 0);
    const BLUE: Color = Color::Rgb(0, 0, 255);

    fn gallery(protocol: Protocol) -> Gallery {
        let cell = if protocol == Protocol::Blocks { BLOCKS_CELL } else { (10, 20) };
        let capability = Capability { protocol, cell, in_tmux: false, few_colours: false };
        Gallery::start(capability).unwrap()
    }

    /// The upper half is red, the lower one blue.
    fn picture(width: u32, height: u32) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a picture");
        let colour = |y| if y < height / 2 { Rgb([255, 0, 0]) } else { Rgb([0, 0, 255]) };
        let image = RgbImage::from_fn(width, height, |_, y| colour(y));
        image.save_with_format(&path, image::ImageFormat::Png).unwrap();
        (folder, path)
    }

    /// Wants it, and waits until something is ready.
    fn show(gallery: &mut Gallery, id: i64, path: &Path, area: (u16, u16)) {
        gallery.want(id, path, area);
        let ready = gallery.ready();
        block_on(timeout(Duration::from_secs(60), ready.recv())).unwrap().unwrap();
        gallery.next_frame();
        gallery.want(id, path, area);
    }

    fn drawn(gallery: &mut Gallery, skip: u16, area: Rect) -> (bool, Buffer) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 8));
        (gallery.draw(7, skip, area, &mut buffer), buffer)
    }

    #[test]
    fn blocks_have_the_colours_of_the_picture() {
        let (_folder, path) = picture(4, 6);
        let mut gallery = gallery(Protocol::Blocks);
        assert_eq!(gallery.size(7, 80, 20), None, "nobody has asked for it");
        show(&mut gallery, 7, &path, (80, 20));
        assert_eq!(gallery.size(7, 80, 20), Some((4, 3)));
        assert_eq!(gallery.size(7, 80, 2), None);
        let (is_drawn, buffer) = drawn(&mut gallery, 0, Rect::new(1, 1, 80, 20));
        assert!(is_drawn);
        let cell = |x, y| (buffer[(x, y)].symbol(), buffer[(x, y)].fg, buffer[(x, y)].bg);
        for x in 1..5 {
            assert_eq!((buffer[(x, 1)].symbol(), buffer[(x, 1)].bg), (" ", RED));
            assert_eq!(cell(x, 2), ("▀", RED, BLUE), "the border is within the cell");
            assert_eq!((buffer[(x, 3)].symbol(), buffer[(x, 3)].bg), (" ", BLUE));
        }
        for outside in [(0, 1), (5, 1), (1, 0), (1, 4)] {
            assert_eq!(buffer[outside], ratatui::buffer::Cell::default());
        }
    }

    #[test]
    fn blocks_are_drawn_in_part() {
        let (_folder, path) = picture(4, 6);
        let mut gallery = gallery(Protocol::Blocks);
        show(&mut gallery, 7, &path, (80, 20));
        let (is_drawn, buffer) = drawn(&mut gallery, 1, Rect::new(0, 0, 2, 1));
        assert!(is_drawn);
        assert_eq!(buffer[(1, 0)].symbol(), "▀", "the second row is the first now");
        assert_eq!(buffer[(2, 0)].symbol(), " ");
        assert_eq!(buffer[(0, 1)].bg, Color::Reset, "the third has no room");
        for skip in [3, 4, u16::MAX] {
            let (is_drawn, buffer) = drawn(&mut gallery, skip, Rect::new(0, 0, 12, 8));
            assert!(!is_drawn && buffer == Buffer::empty(buffer.area));
        }
        assert!(!drawn(&mut gallery, 0, Rect::new(40, 40, 9, 9)).0, "off the screen");
    }

    #[test]
    fn kitty_is_told_of_a_picture_once_and_of_its_rows_each_time() {
        let (_folder, path) = picture(40, 60);
        let mut gallery = gallery(Protocol::Kitty);
        show(&mut gallery, 7, &path, (80, 20));
        assert_eq!(gallery.size(7, 80, 20), Some((4, 3)));
        let (is_drawn, buffer) = drawn(&mut gallery, 0, Rect::new(0, 0, 12, 8));
        let number = gallery.first;
        let first = buffer[(0, 0)].symbol();
        assert!(is_drawn && first.starts_with(&format!("\x1b_Gq=2,i={number},a=T,U=1,f=32")));
        let [_, red, green, blue] = number.to_be_bytes();
        assert_eq!(buffer[(3, 2)].fg, Color::Rgb(red, green, blue));
        let (_, again) = drawn(&mut gallery, 1, Rect::new(0, 0, 12, 8));
        assert!(again[(0, 0)].symbol().starts_with("\u{10eeee}\u{30d}"), "the second row");
        assert_eq!(again[(0, 2)].symbol(), " ");
        // Anew, after the screen was damaged.
        gallery.forget();
        show(&mut gallery, 7, &path, (80, 20));
        let (_, anew) = drawn(&mut gallery, 0, Rect::new(0, 0, 12, 8));
        assert_eq!(anew[(0, 0)].symbol(), first);
    }

    #[test]
    fn what_cannot_be_cut_is_drawn_wholly_or_not_at_all() {
        let (_folder, path) = picture(40, 60);
        for (protocol, begin) in [(Protocol::Iterm, "\x1b]1337;File="), (Protocol::Sixel, "\x1bP")]
        {
            let mut gallery = gallery(protocol);
            show(&mut gallery, 7, &path, (80, 20));
            assert_eq!(gallery.size(7, 80, 20), Some((4, 3)));
            let (is_drawn, buffer) = drawn(&mut gallery, 0, Rect::new(2, 1, 4, 3));
            assert!(is_drawn && buffer[(2, 1)].symbol().contains(begin));
            for (skip, height) in [(0, 2), (1, 3)] {
                let (is_drawn, buffer) = drawn(&mut gallery, skip, Rect::new(2, 1, 4, height));
                assert!(!is_drawn && buffer == Buffer::empty(buffer.area), "{protocol:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_shown_is_not_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("letter.png");
        std::fs::write(&path, "Dear Marie").unwrap();
        let mut gallery = gallery(Protocol::Blocks);
        show(&mut gallery, 7, &path, (80, 20));
        let why = "it is no picture; what is shown is PNG, JPEG, GIF and WebP";
        assert_eq!(gallery.refusal(7).as_deref(), Some(why));
        assert_eq!(gallery.size(7, 80, 20), None);
        assert!(!drawn(&mut gallery, 0, Rect::new(0, 0, 9, 9)).0);
        assert!(gallery.jobs.is_empty());
    }

    #[test]
    fn another_area_is_another_picture() {
        let (_folder, path) = picture(40, 60);
        let mut gallery = gallery(Protocol::Blocks);
        show(&mut gallery, 7, &path, (80, 30));
        assert_eq!(gallery.size(7, 80, 30), Some((40, 30)));
        gallery.want(7, &path, (80, 10));
        assert_eq!(gallery.size(7, 80, 30), None, "it is being made");
        show(&mut gallery, 7, &path, (80, 10));
        assert_eq!(gallery.size(7, 80, 30), Some((14, 10)));
    }

    #[test]
    fn so_many_are_held_and_the_one_that_was_drawn_least_recently_goes_first() {
        let (_folder, path) = picture(2, 2);
        let mut gallery = gallery(Protocol::Blocks);
        let held = i64::try_from(HELD).unwrap();
        for id in 0..held {
            show(&mut gallery, id, &path, (8, 8));
        }
        gallery.next_frame();
        let mut buffer = Buffer::empty(Rect::new(0, 0, 9, 9));
        for id in (0..held).filter(|id| *id != 5) {
            assert!(gallery.draw(id, 0, buffer.area, &mut buffer));
        }
        show(&mut gallery, 100, &path, (8, 8));
        assert_eq!(gallery.entries.len(), HELD);
        assert!(gallery.size(5, 8, 8).is_none() && gallery.size(100, 8, 8).is_some());
        // All are in sight: there is no place for one more until the next drawing.
        for id in (0..held).filter(|id| *id != 5) {
            gallery.want(id, &path, (8, 8));
        }
        gallery.want(101, &path, (8, 8));
        assert!(!gallery.entries.contains_key(&101) && gallery.size(0, 8, 8).is_some());
        gallery.next_frame();
        show(&mut gallery, 101, &path, (8, 8));
        assert_eq!((gallery.entries.len(), gallery.size(101, 8, 8)), (HELD, Some((2, 1))));
        let places: std::collections::HashSet<_> =
            gallery.entries.values().map(|it| it.place).collect();
        assert_eq!(places.len(), HELD);
    }

    #[test]
    fn what_finds_the_queue_full_is_asked_for_again() {
        let (_folder, path) = picture(2, 2);
        let (jobs, to_do) = async_channel::bounded(1);
        let mut gallery = Gallery { jobs, ..gallery(Protocol::Blocks) };
        gallery.want(1, &path, (8, 8));
        gallery.want(2, &path, (8, 8));
        assert!(gallery.entries.contains_key(&1) && !gallery.entries.contains_key(&2));
        to_do.try_recv().unwrap();
        gallery.want(2, &path, (8, 8));
        assert_eq!(to_do.try_recv().unwrap().id, 2);
    }
}
