//! Addresses in messages: shown whole before they are opened or copied.

use super::*;

#[test]
fn an_address_is_shown_whole_before_it_is_opened_or_copied() {
    let mut desk = Desk::busy((80, 24));
    desk.ctrl('o');
    assert!(
        desk.screen().contains("there is no address in this conversation"),
        "{}",
        desk.screen()
    );
    desk.says("marie", "see https://example.org/a and https://b.example/");
    let long = format!("https://example.org/{}", "x".repeat(200));
    desk.writes(&format!("no, {long}"));
    desk.ctrl('o');
    assert!(desk.screen().contains("> john: https://example.org/xxx"), "{}", desk.screen());
    desk.press(KeyCode::Enter);
    let shown: String = desk.screen().split(|c: char| c.is_whitespace() || c == '│').collect();
    assert!(shown.contains(&long), "{}", desk.screen());
    desk.effects.clear();
    desk.press(KeyCode::Enter);
    assert_eq!(desk.effects, [Effect::Open(long)]);
    desk.ctrl('o');
    desk.press(KeyCode::Down);
    desk.press(KeyCode::Enter);
    desk.effects.clear();
    desk.types("c");
    assert_eq!(desk.effects, [Effect::Copy("https://b.example/".into())]);
    assert!(desk.screen().contains("copied, if this terminal lets programs do so"));
}

#[test]
fn an_address_of_another_server_is_not_opened() {
    let mut desk = Desk::busy((80, 24));
    desk.says("marie", "come to tinychat://evil.example:7878");
    desk.ctrl('o');
    desk.press(KeyCode::Enter);
    assert!(desk.screen().contains("another TinyChat server. It is not opened here"));
    desk.effects.clear();
    desk.press(KeyCode::Enter);
    assert_eq!(desk.effects, []);
    desk.press(KeyCode::Esc);
    assert!(desk.screen().contains("> marie: tinychat://evil.example"));
    desk.press(KeyCode::Esc);
    assert!(!desk.screen().contains("Addresses"));
}

#[test]
fn pieces_of_one_address_lead_to_all_of_it() {
    let mut desk = Desk::busy((60, 12));
    let address = format!("https://example.org/{}", "x".repeat(60));
    desk.says("marie", &format!("see {address} now"));
    let canvas = desk.canvas(Theme { colours: true });
    let links: Vec<_> = (0..12).flat_map(|y| canvas.links(y)).collect();
    assert_eq!(links.len(), 3, "{}", desk.screen());
    let shown: String = links
        .iter()
        .flat_map(|link| link.x.clone().map(|x| canvas.buffer()[(x, link.y)].symbol()))
        .collect();
    assert_eq!(shown, address);
    assert!(links.iter().all(|link| link.address == address && link.id == links[0].id));
    desk.press(KeyCode::F(1));
    let canvas = desk.canvas(Theme { colours: true });
    assert_eq!((0..12).flat_map(|y| canvas.links(y)).count(), 0, "help is in front of them");
}
