//! Where each part of the screen is. Pure.

use ratatui::layout::Rect;

/// Narrower screens have no list of conversations.
pub(super) const LIST_FROM: u16 = 60;

/// The widest that the list gets.
const LIST: u16 = 22;

/// The most rows of what one is writing.
const INPUT: u16 = 8;

/// The most files on their way that are shown.
const TRANSFERS: u16 = 3;

/// Where each part of the screen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Areas {
    pub(super) list: Rect,
    pub(super) messages: Rect,
    pub(super) panel: Rect,
    pub(super) transfers: Rect,
    pub(super) status: Rect,
    pub(super) input: Rect,
}

/// What is on the screen beside messages and what one is writing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contents {
    /// There is no list.
    pub(super) bare: bool,
    /// So many files are on their way.
    pub(super) transfers: usize,
}

impl Areas {
    /// On a screen of this size; what one is writing and what was told take so many rows at a width.
    pub(super) fn of(
        (width, height): (u16, u16),
        Contents { bare, transfers }: Contents,
        input: impl Fn(u16) -> usize,
        panel: impl Fn(u16) -> usize,
    ) -> Self {
        let list = if bare || width < LIST_FROM { 0 } else { LIST.min(width / 4) };
        let rest = width - list;
        let rows = |rows: usize| u16::try_from(rows).unwrap_or(u16::MAX);
        // The cursor needs a cell behind the last letter.
        let input = rows(input(rest.saturating_sub(1)));
        let input = input.clamp(1, INPUT.min(height / 3).max(1)).min(height);
        let status = height.saturating_sub(input).min(1);
        let transfers = rows(transfers).min(TRANSFERS.min(height / 6));
        let above = height.saturating_sub(input + status + transfers);
        let panel = match rows(panel(rest)) {
            0 => 0,
            // And what stands above them.
            rows => rows.saturating_add(1).min(above.div_ceil(2)),
        };
        let messages = above - panel;
        let transfers = height - input - status - above;
        Self {
            list: Rect::new(0, 0, list, height),
            messages: Rect::new(list, 0, rest, messages),
            panel: Rect::new(list, messages, rest, panel),
            transfers: Rect::new(list, above, rest, transfers),
            status: Rect::new(list, above + transfers, rest, status),
            input: Rect::new(list, height - input, rest.saturating_sub(1), input),
        }
    }
}
