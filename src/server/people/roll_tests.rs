//! Tests of the [roll](super).

use proptest::prelude::*;

use super::super::invitations::INVITED;
use super::*;
use crate::trust::Identity;

const OPENED: Uptime = Uptime(1_000);
/// As long after that as an invitation is good, a moment later, and then soon after a start.
const NOW: Moment = so_much_later(0, INVITED);
const LATER: Moment = so_much_later(1, INVITED);
const AT_START: Moment = so_much_later(1, Duration::ZERO);
/// When names are claimed.
const SINCE: Timestamp = Timestamp(1_800_000_000_123);

const fn so_much_later(millis: u64, running: Duration) -> Moment {
    let uptime = Uptime(OPENED.0 + INVITED.as_millis() as u64 + millis);
    Moment { wall: SINCE, uptime, running }
}

const FOR_EVER: Option<Ban> = Some(Ban { until: None });

fn key() -> PublicKey {
    Identity::generate().unwrap().public()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn invited(roll: &mut Roll, only: Option<&str>) -> Invite {
    let invite = Invite::generate();
    let terms = Terms { only: only.map(name), ..Terms::default() };
    roll.invite(invite.digest(), terms, Moment { uptime: OPENED, ..NOW }).unwrap();
    invite
}

#[test]
fn who_may_have_a_new_name_is_for_the_operator_to_say() {
    let (mut roll, johns) = (Roll::default(), key());
    let invite = invited(&mut roll, None);
    let admit = |roll: &Roll, registration, invite: Option<&Invite>, now| {
        roll.admit(&name("john"), &johns, invite, registration, now)
    };
    use Registration::{Closed, Open};
    assert_eq!(admit(&roll, Open, None, NOW), Ok(Welcome::New(None)));
    assert_eq!(admit(&roll, Closed, Some(&invite), NOW), Err(Unwelcome::Closed));
    let invited = |invite, now| admit(&roll, Registration::Invite, invite, now);
    let (unknown, other) = (Invite::generate(), key());
    assert_eq!(invited(None, NOW), Err(Unwelcome::Uninvited));
    assert_eq!(invited(Some(&unknown), NOW), Err(Unwelcome::StaleInvite));
    assert_eq!(invited(Some(&invite), LATER), Err(Unwelcome::StaleInvite));
    let cost = Some(invite.digest());
    assert_eq!(invited(Some(&invite), NOW), Ok(Welcome::New(cost)));
    assert_eq!(invited(Some(&invite), AT_START), Ok(Welcome::New(cost)));
    roll.enrol(name("john"), johns, cost, SINCE);
    let invited = |who: &str, key, invite| {
        roll.admit(&name(who), key, Some(invite), Registration::Invite, NOW)
    };
    assert_eq!(invited("john", &johns, &invite), Ok(Welcome::Back));
    assert_eq!(invited("john", &other, &invite), Err(Unwelcome::Taken));
    assert_eq!(invited("anna", &other, &invite), Err(Unwelcome::StaleInvite));
}

#[test]
fn a_key_is_banned_with_its_name() {
    let (mut roll, eves) = (Roll::default(), key());
    roll.enrol(name("eve"), eves, None, SINCE);
    roll.enrol(name("eve2"), eves, None, SINCE);
    let admit = |roll: &Roll, who| roll.admit(&name(who), &eves, None, Registration::Open, NOW);
    roll.set_ban(&name("eve"), FOR_EVER).unwrap();
    for who in ["eve", "eve2", "anna"] {
        assert_eq!(admit(&roll, who), Err(Unwelcome::Banned(None)), "{who}");
    }
    let other = roll.admit(&name("eve"), &key(), None, Registration::Open, NOW);
    assert_eq!(other, Err(Unwelcome::Taken));
    assert_eq!(roll.reset_key(&name("eve"), OPENED), Err(ChangeError::Banned(name("eve"))));
    roll.set_ban(&name("eve"), None).unwrap();
    assert_eq!(admit(&roll, "eve"), Ok(Welcome::Back));
    assert_eq!(roll.set_ban(&name("bob"), FOR_EVER), Err(ChangeError::Unknown(name("bob"))));
}

#[test]
fn a_ban_ends_by_itself_and_the_longest_of_one_key_counts() {
    let (mut roll, eves) = (Roll::default(), key());
    let (hour, end) = (Duration::from_secs(3_600), OPENED + Duration::from_secs(7_200));
    for (who, hours) in [("eve", 1), ("eve2", 2)] {
        roll.enrol(name(who), eves, None, SINCE);
        roll.set_ban(&name(who), Some(Ban::lasting(Some(hours * hour), OPENED))).unwrap();
    }
    let roll = Roll::parse(&roll.to_string()).unwrap();
    let standing = |now| roll.standing(&name("eve"), now);
    assert_eq!(standing(OPENED), Err(Unwelcome::Banned(Some(hour))));
    assert_eq!(standing(OPENED + hour), Err(Unwelcome::Banned(Some(hour))), "by her other name");
    assert_eq!(standing(end), Ok(eves));
    let told = Unwelcome::Banned(Some(hour)).to_string();
    assert_eq!(told, "the operator of this server has banned you for 1h more");
    let now = Moment { uptime: end, ..NOW };
    let admitted = roll.admit(&name("eve"), &eves, None, Registration::Closed, now);
    assert_eq!(admitted, Ok(Welcome::Back));
    assert_eq!((roll.bans(OPENED).len(), roll.bans(end).len()), (2, 0));
}

#[test]
fn a_name_that_was_reset_is_for_whom_the_operator_invites_to_it() {
    let (mut roll, old, new) = (Roll::default(), key(), key());
    roll.enrol(name("john"), old, None, SINCE);
    roll.reset_key(&name("john"), OPENED).unwrap();
    let (anybody, first) = (invited(&mut roll, None), invited(&mut roll, Some("john")));
    roll.reset_key(&name("john"), OPENED).unwrap();
    let second = invited(&mut roll, Some("john"));
    let admit =
        |key, invite| roll.admit(&name("john"), key, invite, Registration::Closed, NOW).map(|_| ());
    assert_eq!(admit(&old, None), Err(Unwelcome::Reset));
    assert_eq!(admit(&new, Some(&anybody)), Err(Unwelcome::StaleInvite));
    assert_eq!(admit(&new, Some(&first)), Err(Unwelcome::StaleInvite));
    assert_eq!(admit(&new, Some(&second)), Ok(()));
    let for_anna =
        roll.admit(&name("anna"), &new, Some(&second), Registration::Invite, NOW).unwrap_err();
    assert_eq!(for_anna, Unwelcome::StaleInvite);
}

#[test]
fn nobody_claims_a_name_that_is_mistaken_for_another() {
    let mut roll = Roll::default();
    roll.enrol(name("anna"), key(), None, SINCE);
    roll.enrol(name("axa"), key(), None, SINCE);
    let admit = |roll: &Roll, who: &str| {
        roll.admit(&name(who), &key(), None, Registration::Open, NOW).map(|_| ())
    };
    for (who, why) in [
        ("\u{430}nna", Unwelcome::Unclaimable(Unclaimable::Scripts)),
        ("$;*|", Unwelcome::Unclaimable(Unclaimable::Character('$'))),
        ("аха", Unwelcome::LooksLike(name("axa"))),
    ] {
        assert_eq!(admit(&roll, who), Err(why), "{who}");
    }
    // Of ASCII, as ever.
    roll.enrol(name("marn"), key(), None, SINCE);
    assert_eq!(admit(&roll, "mam"), Ok(()));
    roll.remove(&name("axa")).unwrap();
    assert_eq!(admit(&roll, "аха"), Ok(()), "what was removed gives its look back");
    let closed = roll.admit(&name("$"), &key(), None, Registration::Closed, NOW);
    assert_eq!(closed, Err(Unwelcome::Closed), "which is the reason that no other name helps with");
}

/// What is in people's books.
#[test]
fn who_has_a_name_that_is_refused_today_keeps_it() {
    let owner = key();
    let text = format!("ssh-ed25519 {owner} \u{430}nna\nssh-ed25519 {owner} anna\nreset $;*|\n");
    let mut roll = Roll::parse(&text).unwrap();
    let admit =
        |roll: &Roll, who: &str| roll.admit(&name(who), &owner, None, Registration::Open, NOW);
    assert_eq!(admit(&roll, "\u{430}nna"), Ok(Welcome::Back));
    assert_eq!(admit(&roll, "anna"), Ok(Welcome::Back));
    let again = invited(&mut roll, Some("$;*|"));
    let back = roll.admit(&name("$;*|"), &key(), Some(&again), Registration::Open, NOW);
    assert_eq!(back, Ok(Welcome::New(Some(again.digest()))), "so does who gets a new key");
    roll.remove(&name("\u{430}nna")).unwrap();
    assert_eq!(admit(&roll, "\u{430}nna"), Err(Unwelcome::Unclaimable(Unclaimable::Scripts)));
}

#[test]
fn it_is_known_who_came_by_which_invitation() {
    let (mut roll, invite) = (Roll::default(), Invite::generate());
    let (digest, now) = (invite.digest(), Moment { uptime: OPENED, ..NOW });
    roll.invite(digest, Terms { uses: 2, ..Terms::default() }, now).unwrap();
    for who in ["john", "marie"] {
        let cost = Some(digest);
        let admitted =
            roll.admit(&name(who), &key(), Some(&invite), Registration::Invite, now).unwrap();
        assert_eq!(admitted, Welcome::New(cost));
        roll.enrol(name(who), key(), cost, SINCE);
    }
    let refused = roll.admit(&name("bob"), &key(), Some(&invite), Registration::Invite, now);
    assert_eq!(refused, Err(Unwelcome::StaleInvite));
    let roll = Roll::parse(&roll.to_string()).unwrap();
    let (id, came) = (InviteId::of(&digest), vec![name("john"), name("marie")]);
    assert_eq!(roll.invitations(now), [Invited { id, terms: None, came }]);
}

#[test]
fn there_is_an_end_to_invitations() {
    let mut roll = Roll::default();
    for _ in 0..MAX_INVITES {
        invited(&mut roll, None);
    }
    let one_more = |roll: &mut Roll, now: Moment| {
        roll.invite(Invite::generate().digest(), Terms::default(), now)
    };
    assert_eq!(one_more(&mut roll, NOW), Err(ChangeError::TooMany));
    assert_eq!(one_more(&mut roll, LATER), Ok(()));
    assert_eq!(roll.invites.len(), 1);
}

/// What is on people's disks.
#[test]
fn an_invitation_of_an_earlier_version_is_good_since_the_server_counts() {
    let digest = Invite::generate().digest();
    let text = format!("invite 2026-01-01T00:00:00.000Z {digest} anna\n");
    let roll = Roll::parse(&text).unwrap();
    let left = |uptime| roll.invites.good(Moment { uptime, ..NOW }).map(|it| it.1.lasts).next();
    assert_eq!(left(Uptime(1_000)), Some(INVITED - Duration::from_secs(1)));
    assert_eq!(roll.to_string(), format!("invite 0 {digest} anna\n"));
}

#[test]
fn a_line_that_says_nothing_is_found() {
    let key = key();
    let good = format!("# mine\n\nssh-ed25519 {key} john\n");
    assert!(Roll::parse(&good).is_ok());
    for bad in [
        "rubbish",
        "reset",
        "banned",
        "since",
        "until never john",
        "limit speed=1 john",
        "by them john",
        "ban nowhere",
        "ban 192.0.2.0/24 never",
        "since john",
        "since yesterday john",
        "invite x y",
        &format!("invite 1 {} uses=0 for=1", Invite::generate().digest()),
        &format!("invite 1 {} for=1 uses=1", Invite::generate().digest()),
        &format!("invite tomorrow {}", Invite::generate().digest()),
        &format!("ssh-ed25519 {key} JOHN"),
        &format!("ssh-ed25519 {key}"),
        &format!("banned banned ssh-ed25519 {key} anna"),
        &format!("invite 2026-01-01T00:00:00Z {} anna more", Invite::generate().digest()),
    ] {
        assert_eq!(Roll::parse(&format!("{good}{bad}\n")), Err(4), "{bad}");
    }
}

#[test]
fn it_is_known_since_when_somebody_has_a_name_also_with_another_key() {
    let mut roll = Roll::default();
    roll.enrol(name("john"), key(), None, SINCE);
    assert!(roll.to_string().ends_with("since 2027-01-15T08:00:00.123Z john\n"), "{roll}");
    roll.reset_key(&name("john"), OPENED).unwrap();
    roll.enrol(name("john"), key(), None, Timestamp(1_900_000_000_000));
    assert_eq!(roll.member(&name("john")).unwrap().since, Some(SINCE));
    roll.remove(&name("john")).unwrap();
    roll.enrol(name("john"), key(), None, Timestamp(1_900_000_000_000));
    assert_ne!(roll.member(&name("john")).unwrap().since, Some(SINCE));
    // What an earlier version has written does not say it, and nobody is there of whom only this is said.
    let text = format!("since 2027-01-15T08:00:00.123Z bob\nssh-ed25519 {} anna\n", key());
    let roll = Roll::parse(&text).unwrap();
    assert_eq!((roll.members().count(), roll.member(&name("anna")).unwrap().since), (1, None));
}

proptest! {
    #[test]
    fn a_roll_survives_being_written_down(steps in prop::collection::vec((0..8u8, 0..4u8), 0..30)) {
        let keys = [key(), key()];
        let mut roll = Roll::parse("# a comment\n").unwrap();
        for (step, who) in steps {
            let name = name(["anna", "bob", "reset", "banned"][usize::from(who)]);
            let key = keys[usize::from(who % 2)];
            // What cannot be done is not.
            let _ = match step {
                0 => { roll.enrol(name, key, None, SINCE); Ok(()) },
                1 => roll.set_ban(&name, FOR_EVER),
                2 => roll.set_ban(&name, Some(Ban::lasting(Some(INVITED), OPENED))),
                3 => roll.reset_key(&name, OPENED),
                4 => roll.remove(&name),
                6 => roll.change_limits(&name, |it| it.change("strangers=3").unwrap()).map(drop),
                5 => roll.bar(IpNet::from(IpAddr::from([192, 0, 2, who])), Ban { until: None }, OPENED),
                _ => {
                    let terms = Terms { only: (who < 2).then_some(name), uses: 1 + u32::from(who % 2), ..Terms::default() };
                    roll.invite(Invite::generate().digest(), terms, Moment::START)
                },
            };
            prop_assert_eq!(Roll::parse(&roll.to_string()), Ok(roll.clone()));
        }
    }

    #[test]
    fn any_text_is_a_roll_or_is_not(text in "(ban |banned |reset |since |until |invite |ssh-ed25519 |\\PC{0,9}|\n){0,12}") {
        let _ = Roll::parse(&text);
    }
}
