//! How help is drawn.

use ratatui::widgets::Paragraph;

use super::front::draw_box;
use crate::ui::tui::display::canvas::Canvas;
use crate::ui::tui::help;
use crate::ui::tui::theme::Theme;

pub(super) fn draw_help(canvas: &mut Canvas, rows: u16, mouse: bool, theme: Theme) {
    let title = " Help: Esc closes; PgUp, PgDn, Home and End scroll ";
    let inside = draw_box(canvas, canvas.area(), title, theme);
    let lines = help::lines(inside.width, mouse, theme);
    canvas.render_widget(Paragraph::new(lines).scroll((rows, 0)), inside);
}
