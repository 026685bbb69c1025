//! What is said of people's keys and device lists: the same for every face.
//!
//! Pure.

use crate::client::{Doubt, KeyAnswer, Target, Trust, Verification};
use crate::message::Name;
use crate::trust::{Fingerprint, Pair};

/// Somebody's key, or one's own.
pub(crate) fn key(user: &Name, told: &KeyAnswer) -> Vec<String> {
    let KeyAnswer { name, key, current, pair, verified } = told;
    let sure = if *verified { "verified " } else { "" };
    let whose = if name == user { "your key".into() } else { format!("{name}'s {sure}key") };
    let seen = if *current { "" } else { ", as last seen, for the server is away" };
    let Some(key) = key else {
        return vec![match current {
            true => format!("nobody has the name {name} yet"),
            false => format!("{name}'s key is not known, and the server is away"),
        }];
    };
    let lines = [format!("{whose}{seen}: {key}"), format!("to read aloud: {}", key.spoken())];
    let digits = pair.iter().flat_map(|pair| digits(user, name, pair));
    let hint = pair.iter().filter(|_| !verified).map(|_| {
        format!("if {name} reads the same ones to you, not through this server: /VERIFY {name} and those digits")
    });
    lines.into_iter().chain(digits).chain(hint).collect()
}

/// What both people see alike.
fn digits(user: &Name, peer: &Name, pair: &Pair) -> [String; 2] {
    let what = format!("the digits of you both, which /FINGERPRINT {user} has to show to {peer}:");
    [what, pair.digits().to_string()]
}

/// An address with one's own key in it.
pub(crate) fn card(user: &Name, card: &Target) -> [String; 2] {
    let what = format!(
        "your card: who joins with --server and this address has you, and nobody else, as {user}:"
    );
    [what, card.to_string()]
}

/// Somebody's name belongs to another key, or to none, than the one that `was` trusted, and maybe verified.
pub(crate) fn changed_key(
    peer: &Name,
    (was, verified): (Fingerprint, bool),
    now: Option<Fingerprint>,
) -> Vec<String> {
    if verified {
        return not_verified(peer, was, now);
    }
    let Some(now) = now else {
        return vec![
            format!("NOBODY HAS THE NAME {peer} ANY MORE."),
            format!("  before: {was}"),
            format!(
                "The server's operator took it from {peer}, or took the key. Whoever claims it next"
            ),
            format!(
                "would read what you write. It stays here until you accept that: /TRUST {peer}"
            ),
        ];
    };
    vec![
        format!("THE KEY OF {peer} HAS CHANGED."),
        format!("  before: {was}"),
        format!("  now:    {now}"),
        format!("Either {peer} lost the old one and the server's operator gave the name again, or"),
        format!(
            "somebody else has the name now. Compare the new key by voice: /FINGERPRINT {peer}"
        ),
        format!("What you write to {peer} stays here until you accept it: /TRUST {peer}"),
    ]
}

/// The same of a key that was verified.
fn not_verified(peer: &Name, verified: Fingerprint, now: Option<Fingerprint>) -> Vec<String> {
    let Some(now) = now else {
        return vec![
            format!("NOBODY HAS THE NAME {peer} ANY MORE."),
            format!("  verified: {verified}"),
            format!(
                "The server's operator took it from {peer}, or took the key. What you write stays here,"
            ),
            format!(
                "for you verified the key. To give it to whoever claims the name: /TRUST {peer} NOBODY"
            ),
        ];
    };
    vec![
        format!("THE KEY OF {peer} IS NOT THE ONE THAT YOU VERIFIED."),
        format!("  verified: {verified}"),
        format!("  now:      {now}"),
        format!("Either {peer} lost the old one and the server's operator gave the name again, or"),
        format!("somebody else has the name now. What you write to {peer} stays here until you"),
        format!("compare the digits of the new key, not through this server: /VERIFY {peer}"),
    ]
}

/// A device list that the server shows is not believed.
pub(crate) fn doubted_list(peer: &Name, doubt: &Doubt) -> Vec<String> {
    let accepted =
        format!("What you write to {peer} stays here until you accept it: /TRUST {peer}");
    let other = format!("What you write to {peer} stays here until the server shows another.");
    match doubt {
        Doubt::Other { version } => vec![
            format!(
                "THE SERVER SHOWS ANOTHER DEVICE LIST OF {peer} than before, both version {version}."
            ),
            format!("Either it shows one to you and another to others, or {peer} signed two."),
            accepted,
        ],
        Doubt::Signer { key, signer } => vec![
            format!("THE DEVICE LIST OF {peer} IS SIGNED WITH ANOTHER KEY."),
            format!("  {peer}'s key: {}", key.map_or("not known".into(), |key| key.to_string())),
            format!("  signed with: {signer}"),
            other,
        ],
        Doubt::Older { shown, known, because } => vec![
            format!(
                "THE SERVER SHOWS AN OLDER DEVICE LIST OF {peer}, and does not take the newer one."
            ),
            format!("  known: version {known}"),
            format!(
                "  shown: {}",
                if *shown == 0 { "none".into() } else { format!("version {shown}") }
            ),
            format!("It was offered the newer one, and said: {because}"),
            if *shown == 0 { other } else { accepted },
        ],
        Doubt::Invalid { because } => vec![
            format!("WHAT THE SERVER SHOWS AS THE DEVICE LIST OF {peer} IS NONE."),
            format!("  for {because}"),
            other,
        ],
    }
}

pub(crate) fn trusted(peer: &Name, trust: Trust) -> String {
    match trust {
        Trust::Accepted(key) => format!("you trust {peer}'s key {key} from now on"),
        Trust::Released => format!(
            "{peer}'s key is forgotten: what you write waits for whoever claims the name, and is trusted then"
        ),
        Trust::Verified => format!(
            "you verified {peer}'s key, and another one is trusted by its digits alone: /VERIFY {peer} shows them; nothing was changed"
        ),
        Trust::VerifiedGone => format!(
            "you verified {peer}'s key, and nobody has the name any more: /TRUST {peer} NOBODY trusts whoever claims it; nothing was changed"
        ),
        Trust::Somebody => format!(
            "the server has not said that nobody has the name {peer} any more; nothing was changed"
        ),
        Trust::List => {
            format!("you believe {peer}'s device list from now on, as the server shows it")
        }
        Trust::Unchanged(key) => {
            format!("{peer}'s key has not changed, by what the server said last: {key}")
        }
        Trust::Unknown => format!(
            "{peer}'s key is not known: the server has not told one; the first that it tells is trusted"
        ),
        Trust::Stranger => {
            format!("nothing was said between you and {peer} yet, and no key of {peer} is known")
        }
        Trust::Oneself => format!("{peer} is you; your own key needs nobody's trust here"),
    }
}

pub(crate) fn verified(peer: &Name, verification: Verification) -> String {
    match verification {
        Verification::Verified(key) => {
            format!("{peer}'s key {key} is verified: another one is trusted by its digits alone")
        }
        Verification::Accepted(key) => {
            format!("{peer}'s new key {key} is verified, and you trust it from now on")
        }
        Verification::Former => format!(
            "these are the digits of {peer}'s key before, and the server shows another one now: compare again; nothing was changed"
        ),
        Verification::Different => format!(
            "THESE ARE NOT THE DIGITS OF {peer} AND YOU. If they are typed as {peer} sees them, the server shows one of you a false key; nothing was changed"
        ),
        Verification::Unknown => {
            format!("{peer}'s key is not known: the server has not told one; nothing was changed")
        }
        Verification::Oneself => format!("{peer} is you; your own key needs no digits here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::PublicKey;
    use crate::trust::digits::Owner;

    #[test]
    fn each_answer_is_another_sentence() {
        let peer: Name = "carl".parse().unwrap();
        let key = Fingerprint::of(b"key");
        let trust = [
            Trust::Accepted(key),
            Trust::Released,
            Trust::Verified,
            Trust::VerifiedGone,
            Trust::Somebody,
            Trust::List,
            Trust::Unchanged(key),
            Trust::Unknown,
            Trust::Stranger,
            Trust::Oneself,
        ];
        let verification = [
            Verification::Verified(key),
            Verification::Accepted(key),
            Verification::Former,
            Verification::Different,
            Verification::Unknown,
            Verification::Oneself,
        ];
        let trusted = trust.map(|trust| trusted(&peer, trust));
        let verified = verification.map(|it| verified(&peer, it));
        let all: Vec<&String> = trusted.iter().chain(&verified).collect();
        let different: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
        assert!(all.iter().all(|it| it.contains("carl")), "{all:?}");
    }

    #[test]
    fn both_people_are_shown_the_same_digits() {
        let [john, marie] = [("john", 1), ("marie", 2)].map(|(name, key)| Owner {
            name: name.parse().unwrap(),
            key: PublicKey::from_bytes([key; 32]),
        });
        let told = |own: &Owner, peer: &Owner| {
            let pair = Some(Pair { server: None, one: own.clone(), other: peer.clone() });
            let (name, key) = (peer.name.clone(), Some(peer.key.fingerprint()));
            let verified = own == &marie;
            super::key(&own.name, &KeyAnswer { name, key, current: true, pair, verified })
        };
        let [hers, his] = [told(&marie, &john), told(&john, &marie)];
        assert_ne!(hers[0], his[0]);
        assert_eq!(hers[3], his[3]);
        assert!(his[2].contains("/FINGERPRINT john") && his[2].contains("marie"), "{his:?}");
        assert!(his[4].contains("/VERIFY marie"), "{his:?}");
        assert!(hers.len() == 4 && hers[0].starts_with("john's verified key"), "{hers:?}");
    }

    #[test]
    fn who_verified_a_key_is_told_another_way_to_accept_a_new_one() {
        let peer: Name = "carl".parse().unwrap();
        let [was, now] = [b"one", b"two"].map(|key| Fingerprint::of(key));
        for (verified, now, way) in [
            (false, Some(now), "/TRUST carl"),
            (false, None, "/TRUST carl"),
            (true, Some(now), "/VERIFY carl"),
            (true, None, "/TRUST carl NOBODY"),
        ] {
            let lines = changed_key(&peer, (was, verified), now);
            assert!(lines.last().unwrap().ends_with(way), "{lines:?}");
            assert!(lines.concat().contains(&was.to_string()), "{lines:?}");
        }
    }

    #[test]
    fn who_doubts_a_list_is_told_what_can_be_done() {
        let peer: Name = "carl".parse().unwrap();
        let signer = Fingerprint::of(b"another key");
        let because = || "no".into();
        let (other, foreign) = (Doubt::Other { version: 3 }, Doubt::Signer { key: None, signer });
        let older = |shown| Doubt::Older { shown, known: 3, because: because() };
        let invalid = Doubt::Invalid { because: because() };
        for (doubt, told, can_be_accepted) in [
            (other, "version 3", true),
            (foreign, &*signer.to_string(), false),
            (older(2), "shown: version 2", true),
            (older(0), "shown: none", false),
            (invalid, "for no", false),
        ] {
            let lines = doubted_list(&peer, &doubt).join("\n");
            assert!(lines.contains(told) && lines.contains("carl"), "{lines}");
            assert_eq!(lines.contains("/TRUST carl"), can_be_accepted, "{lines}");
        }
    }
}
