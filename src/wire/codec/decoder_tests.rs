//! The codec's properties: round trip, any split, no panic and no growth on arbitrary bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use smol_str::SmolStr;

use super::*;
use crate::message::{BlobId, Installation, Kind, Message, MessageId, Name, Origin, Timestamp};
use crate::trust::{Identity, Invite, PublicKey, Ticket};
use crate::wire::frame::*;
use crate::wire::limits::{MAX_BODY, MAX_BUNDLE, MAX_CHUNK, MAX_NUMBER, MAX_PROOF, MAX_SENTENCE};

fn encoded<F: Frame>(frames: &[F]) -> BytesMut {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| frame.encode(&mut out));
    out
}

/// Feeds pieces as a connection would: decode until more is wanted, then feed the next piece.
fn decoded<'a, F: Frame>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<F>, ProtocolError> {
    let mut decoder = Decoder::<F>::default();
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        while let Some(frame) = decoder.decode()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

fn decode_one(bytes: &[u8]) -> Result<Vec<ClientFrame>, ProtocolError> {
    decoded([bytes])
}

fn name() -> impl Strategy<Value = Name> {
    "[a-zäöüß0-9_]{1,32}".prop_filter_map("a name", |text| text.parse().ok())
}

fn kind() -> impl Strategy<Value = Kind> {
    "[a-z0-9-]{1,16}".prop_map(|text| text.parse().unwrap())
}

fn body_bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![vec(any::<u8>(), 0..80), vec(any::<u8>(), 60_000..=MAX_BODY)].prop_map(Bytes::from)
}

fn text() -> impl Strategy<Value = String> {
    "([a-zä.]{1,9}( [a-zä.]{1,9}){0,9})?"
}

fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let key = "[A-Za-z0-9+/=]{1,80}".prop_map(SmolStr::from);
    prop_oneof![
        (name(), key, any::<u64>(), presence(), any::<bool>()).prop_map(
            |(name, key, number, presence, invited)| {
                let installation = Installation::from_u64(number);
                let invite = invited.then(Invite::generate);
                ClientFrame::Hello { name, key, installation, presence, invite }
            }
        ),
        vec(any::<u8>(), 0..=MAX_PROOF)
            .prop_map(|signature| ClientFrame::Prove { signature: signature.into() }),
        (name(), 0..=MAX_NUMBER).prop_map(|(peer, settled)| ClientFrame::Talk { peer, settled }),
        name().prop_map(|peer| ClientFrame::Close { peer }),
        (name(), 1..=MAX_NUMBER, origin(), kind(), 0..=MAX_NUMBER, body_bytes()).prop_map(
            |(peer, n, origin, kind, version, body)| {
                ClientFrame::Message { peer, n, origin, kind, version, body }
            }
        ),
        (name(), 1..=MAX_NUMBER).prop_map(|(peer, seq)| ClientFrame::Ack { peer, seq }),
        (name(), any::<u64>(), 1..=MAX_NUMBER).prop_map(|(peer, number, n)| {
            ClientFrame::Read { peer, installation: Installation::from_u64(number), n }
        }),
        Just(ClientFrame::Online),
        name().prop_map(|peer| ClientFrame::Key { peer }),
        name().prop_map(|peer| ClientFrame::Devices { peer }),
        bundle().prop_map(|bundle| ClientFrame::List { bundle }),
        name().prop_map(|peer| ClientFrame::Block { peer }),
        name().prop_map(|peer| ClientFrame::Unblock { peer }),
        Just(ClientFrame::Blocks),
        Just(ClientFrame::Ticket),
        any::<bool>().prop_map(|_| ClientFrame::Carry { ticket: Ticket::generate() }),
        Just(ClientFrame::Ping),
        Just(ClientFrame::Pong),
        Just(ClientFrame::Quit),
    ]
}

fn bundle() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=MAX_BUNDLE).prop_map(Bytes::from)
}

fn blob() -> impl Strategy<Value = BlobId> {
    any::<u128>().prop_map(BlobId::from_u128)
}

fn chunk_bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![vec(any::<u8>(), 0..80), vec(any::<u8>(), 260_000..=MAX_CHUNK)]
        .prop_map(Bytes::from)
}

fn file_request() -> impl Strategy<Value = FileRequest> {
    let number = || 0..=MAX_NUMBER;
    prop_oneof![
        (name(), number()).prop_map(|(peer, size)| FileRequest::Offer { peer, size }),
        blob().prop_map(|blob| FileRequest::Resume { blob }),
        (number(), chunk_bytes()).prop_map(|(offset, body)| FileRequest::Chunk { offset, body }),
        (blob(), number()).prop_map(|(blob, offset)| FileRequest::Fetch { blob, offset }),
        blob().prop_map(|blob| FileRequest::Drop { blob }),
        Just(FileRequest::Ping),
        Just(FileRequest::Pong),
    ]
}

fn file_reply() -> impl Strategy<Value = FileReply> {
    let number = || 0..=MAX_NUMBER;
    let hash = prop::option::of(any::<[u8; 32]>().prop_map(blake3::Hash::from_bytes));
    let code = prop::sample::select(FileError::ALL);
    prop_oneof![
        (blob(), number(), hash).prop_map(|(blob, size, hash)| FileReply::Have {
            blob,
            size,
            hash
        }),
        blob().prop_map(|blob| FileReply::Kept { blob }),
        (number(), chunk_bytes()).prop_map(|(offset, body)| FileReply::Chunk { offset, body }),
        blob().prop_map(|blob| FileReply::Gone { blob }),
        Just(FileReply::Ping),
        Just(FileReply::Pong),
        (code, text()).prop_map(|(code, text)| FileReply::Error { code, peer: None, text }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    (any::<u64>(), 1..=MAX_NUMBER, origin(), 0..=MAX_NUMBER, kind(), body_bytes()).prop_map(
        |(installation, n, origin, time, kind, body)| Message {
            id: MessageId { installation: Installation::from_u64(installation), n },
            origin,
            time: Timestamp(time),
            kind,
            body,
        },
    )
}

fn origin() -> impl Strategy<Value = Origin> {
    any::<[u8; 16]>().prop_map(Origin::from_bytes)
}

fn presence() -> impl Strategy<Value = Presence> {
    prop_oneof![Just(Presence::Online), Just(Presence::Away)]
}

fn key() -> impl Strategy<Value = Option<PublicKey>> {
    let fresh = || Some(Identity::generate().unwrap().public());
    any::<bool>().prop_map(move |owned| owned.then(fresh).flatten())
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        Just(Refusal::Full),
        Just(Refusal::Store),
        Just(Refusal::Owner),
        (0..=MAX_NUMBER).prop_map(|version| Refusal::Devices { version }),
        (0..=MAX_NUMBER).prop_map(|seconds| Refusal::Slow { seconds }),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    vec(0..=MAX_NUMBER, LIMIT_WORDS.len()).prop_map(|values| {
        let mut limits = Limits::default();
        for ((_, field), value) in LIMIT_WORDS.iter().zip(values) {
            *field(&mut limits) = value;
        }
        limits
    })
}

fn server_frame() -> impl Strategy<Value = ServerFrame> {
    let own = prop::array::uniform3(0..=MAX_NUMBER)
        .prop_map(|[have, stored, delivered]| Watermarks { have, stored, delivered });
    let code = prop::sample::select(ErrorCode::ALL);
    let reason = prop::sample::select(ByeReason::ALL);
    let plain = prop_oneof![
        "[0-9a-f]{64}".prop_map(|nonce| ServerFrame::Challenge { nonce: nonce.into() }),
        (name(), 0..=MAX_NUMBER).prop_map(|(peer, count)| ServerFrame::Waiting { peer, count }),
        (name(), 1..=MAX_NUMBER).prop_map(|(peer, n)| ServerFrame::Stored { peer, n }),
        (name(), 1..=MAX_NUMBER).prop_map(|(peer, n)| ServerFrame::Delivered { peer, n }),
        (name(), 1..=MAX_NUMBER).prop_map(|(peer, n)| ServerFrame::Read { peer, n }),
        (name(), 1..=MAX_NUMBER).prop_map(|(peer, n)| ServerFrame::Expired { peer, n }),
        name().prop_map(|peer| ServerFrame::Room { peer }),
        name().prop_map(|peer| ServerFrame::Blocked { peer }),
        name().prop_map(|peer| ServerFrame::Unblocked { peer }),
        vec(name(), 0..20).prop_map(|names| ServerFrame::Blocks { names }),
        (name(), key()).prop_map(|(peer, key)| ServerFrame::Key { peer, key }),
        (name(), presence()).prop_map(|(peer, presence)| ServerFrame::Presence { peer, presence }),
        any::<bool>().prop_map(|_| ServerFrame::Ticket { ticket: Ticket::generate() }),
        Just(ServerFrame::Ping),
        Just(ServerFrame::Pong),
    ];
    prop_oneof![
        plain,
        (name(), limits()).prop_map(|(name, limits)| ServerFrame::Welcome { name, limits }),
        (name(), presence(), own, 0..=MAX_NUMBER, 0..=MAX_NUMBER).prop_map(
            |(peer, presence, own, waiting, version)| {
                ServerFrame::Talking { peer, presence, own, waiting, version }
            }
        ),
        (name(), 0..=MAX_NUMBER).prop_map(|(peer, version)| ServerFrame::Listed { peer, version }),
        (name(), 0..=MAX_NUMBER).prop_map(|(peer, version)| ServerFrame::Changed { peer, version }),
        (name(), 0..=MAX_NUMBER, bundle())
            .prop_map(|(peer, version, bundle)| { ServerFrame::Devices { peer, version, bundle } }),
        (name(), 1..=MAX_NUMBER, refusal(), text())
            .prop_map(|(peer, n, refusal, text)| ServerFrame::Refused { peer, n, refusal, text }),
        (name(), 1..=MAX_NUMBER, message()).prop_map(|(peer, seq, message)| ServerFrame::Message {
            peer,
            seq,
            message
        }),
        (0..=MAX_NUMBER, vec(name(), 0..20))
            .prop_map(|(count, names)| ServerFrame::Online { count, names }),
        (code, prop::option::of(name()), text())
            .prop_map(|(code, peer, text)| ServerFrame::Error { code, peer, text }),
        (reason, text()).prop_map(|(reason, text)| ServerFrame::Bye { reason, text }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_a_client_says_is_heard(frames in vec(client_frame(), 0..6)) {
        prop_assert_eq!(decoded::<ClientFrame>([&encoded(&frames)[..]]), Ok(frames));
    }

    #[test]
    fn what_a_server_says_is_heard(frames in vec(server_frame(), 0..6)) {
        prop_assert_eq!(decoded::<ServerFrame>([&encoded(&frames)[..]]), Ok(frames));
    }

    #[test]
    fn what_is_said_of_files_is_heard(
        requests in vec(file_request(), 0..4),
        replies in vec(file_reply(), 0..4),
        step in 1usize..70_000,
    ) {
        let bytes = encoded(&requests);
        prop_assert_eq!(decoded::<FileRequest>(bytes.chunks(step)), Ok(requests));
        let bytes = encoded(&replies);
        prop_assert_eq!(decoded::<FileReply>(bytes.chunks(step)), Ok(replies));
    }

    #[test]
    fn a_connection_for_files_reads_on_where_it_was_greeted(requests in vec(file_request(), 0..4)) {
        let greeting = ClientFrame::Carry { ticket: Ticket::generate() };
        let mut bytes = encoded(std::slice::from_ref(&greeting));
        bytes.extend_from_slice(&encoded(&requests));
        let mut decoder = Decoder::<ClientFrame>::default();
        decoder.feed(&bytes);
        prop_assert_eq!(decoder.decode(), Ok(Some(greeting)));
        let mut decoder = decoder.switch::<FileRequest>();
        for request in requests {
            prop_assert_eq!(decoder.decode(), Ok(Some(request)));
        }
        prop_assert_eq!(decoder.decode(), Ok(None));
    }

    #[test]
    fn no_header_line_is_too_long(frame in server_frame()) {
        let bytes = encoded(&[frame]);
        prop_assert!(memchr(b'\n', &bytes).unwrap() < MAX_HEADER);
    }

    #[test]
    fn any_split_gives_the_same_frames(frames in vec(client_frame(), 0..4), step in 1usize..700) {
        let bytes = encoded(&frames);
        prop_assert_eq!(decoded::<ClientFrame>(bytes.chunks(step)), Ok(frames));
    }

    #[test]
    fn any_split_gives_the_same_error(bytes in vec(any::<u8>(), 0..600), step in 1usize..40) {
        let whole = decoded::<ClientFrame>([&bytes[..]]);
        prop_assert_eq!(decoded::<ClientFrame>(bytes.chunks(step)), whole);
    }

    #[test]
    fn text_that_is_almost_a_frame_never_panics(
        text in "(MSG|ACK|TALK|KEY|LIST|DEVICES|HELLO|ERR|WELCOME|ONLINE|PROVE|CHUNK|HAVE|FETCH|X)( [a-z0-9:=-]{0,9}){0,7}\r\n[a-z]{0,9}\r\n",
    ) {
        let _ = decoded::<ClientFrame>([text.as_bytes()]);
        let _ = decoded::<ServerFrame>([text.as_bytes()]);
        let _ = decoded::<FileRequest>([text.as_bytes()]);
        let _ = decoded::<FileReply>([text.as_bytes()]);
    }

    #[test]
    fn a_decoder_holds_at_most_one_frame_beside_what_it_was_fed(
        start in "MSG marie 1 [0-9a-f]{32} text 0 (81920|60000|90000|9999999999|1)\r\n",
        piece in vec(any::<u8>(), 1000),
    ) {
        let mut decoder = Decoder::<ClientFrame>::default();
        decoder.feed(start.as_bytes());
        for _ in 0..100 {
            if decoder.decode().is_err() {
                break;
            }
            decoder.feed(&piece);
            let held = decoder.whole.len() + decoder.begun.len();
            prop_assert!(held <= MAX_HEADER + MAX_BODY + 2 + piece.len());
        }
    }
}

#[test]
fn bad_bytes_get_the_code_that_the_specification_names() {
    let long_line = "x".repeat(MAX_HEADER);
    for (bytes, code) in [
        (long_line.as_bytes(), ErrorCode::Line),
        (b"\r\n", ErrorCode::Verb),
        (b"GET / HTTP/1.1\r\n", ErrorCode::Verb),
        (b"msg marie 1 text 0 0\r\n\r\n", ErrorCode::Verb),
        (b"PING\n", ErrorCode::Bad),
        (b"PI\x07NG\r\n", ErrorCode::Bad),
        (b"TALK mar\xffie 0\r\n", ErrorCode::Bad),
        (b"TALK  marie 0\r\n", ErrorCode::Bad),
        (b"TALK marie\r\n", ErrorCode::Bad),
        (b"TALK marie 00\r\n", ErrorCode::Bad),
        (b"TALK marie 0 0\r\n", ErrorCode::Bad),
        (b"TALK mar:ie 0\r\n", ErrorCode::Name),
        (b"ACK marie 0\r\n", ErrorCode::Bad),
        (b"ACK marie 9223372036854775808\r\n", ErrorCode::Bad),
        (b"MSG marie 1 000000000000000000000000000000b1 Text 0 0\r\n\r\n", ErrorCode::Bad),
        (b"MSG marie 1 000000000000000000000000000000b1 text 0 -1\r\n", ErrorCode::Bad),
        (b"MSG marie 1 000000000000000000000000000000b1 text 0 81921\r\n", ErrorCode::Body),
        (b"MSG marie 1 000000000000000000000000000000b1 text 5\r\nhello\r\n", ErrorCode::Bad),
        (b"MSG marie 1 000000000000000000000000000000b1 text 07 5\r\nhello\r\n", ErrorCode::Bad),
        (b"MSG marie 1 000000000000000000000000000000b1 text 0 2\r\nhello\r\n", ErrorCode::Bad),
        (b"PROVE 2049\r\n", ErrorCode::Body),
        (b"LIST 21505\r\n", ErrorCode::Body),
        (b"DEVICES -\r\n", ErrorCode::Name),
        (b"RETRACT marie 1\r\n", ErrorCode::Verb),
        (b"CHUNK 0 1\r\n", ErrorCode::Verb),
        (b"CARRY tinychat/1 what ever\r\n", ErrorCode::Version),
        (b"CARRY tinychat/2 0123\r\n", ErrorCode::Bad),
        (b"HELLO tinychat/1 what ever\r\n", ErrorCode::Version),
        (b"HELLO tinychat/2 john AAAA 0000000000000001\r\n", ErrorCode::Bad),
        (b"HELLO tinychat/2 john AAAA 0000000000000001 x\r\n", ErrorCode::Bad),
        (b"HELLO tinychat/2 john AAAA 0000000000000001 away x\r\n", ErrorCode::Bad),
        (b"HELLO tinychat/2 jo:hn AAAA 0000000000000001\r\n", ErrorCode::Name),
    ] {
        let error = decode_one(bytes).unwrap_err();
        assert_eq!(error.code(), code, "{:?}: {error}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn after_a_bad_name_the_next_frame_is_found() {
    let mut decoder = Decoder::<ClientFrame>::default();
    decoder.feed(b"MSG mar:ie 1 000000000000000000000000000000b1 text 0 4\r\nPING\r\nPONG\r\n");
    let error = decoder.decode().unwrap_err();
    assert!(!error.is_fatal());
    assert_eq!(decoder.decode(), Ok(Some(ClientFrame::Pong)));
    assert!(decoder.is_empty());
}

#[test]
fn whoever_said_no_name_is_told_which_and_whoever_speaks_another_version_which_is_spoken() {
    let long = "ü".repeat(100);
    for (said, told) in [
        ("TALK mar:ie 0\r\n".to_owned(), "TALK mar:ie ".to_owned()),
        ("MSG mar/ie 1 text 0\r\n\r\n".into(), "MSG mar/ie ".into()),
        (format!("KEY {long}\r\n"), format!("KEY {} ", "ü".repeat(64))),
        ("HELLO tinychat/3 of whatever form\r\n".into(), "tinychat/2 ".into()),
    ] {
        let error = decode_one(said.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(&told) && error.len() <= MAX_SENTENCE, "{said}: {error}");
    }
}

#[test]
fn a_nonce_has_one_form() {
    let good = "0123456789abcdef".repeat(4);
    let heard = |nonce: &str| decoded::<ServerFrame>([format!("CHALLENGE {nonce}\r\n").as_bytes()]);
    assert!(heard(&good).is_ok());
    for bad in [&good[1..], &format!("{good}0"), &good.to_uppercase(), &good.replace('f', "g")] {
        assert!(heard(bad).is_err(), "{bad}");
    }
}

#[test]
fn of_what_a_later_server_announces_the_rest_is_heard() {
    let heard =
        |words: &str| decoded::<ServerFrame>([format!("WELCOME john {words}\r\n").as_bytes()]);
    let limits = Limits { body: 7, ping: 9, ..Limits::default() };
    let welcome = ServerFrame::Welcome { name: "john".parse().unwrap(), limits };
    let heard_one = heard("body=7 colour=blue shiny size=-1 x=y=z ping=9");
    assert_eq!(heard_one, Ok(vec![welcome]));
    for bad in ["body", "body=", "body=many", "body=07"] {
        assert!(heard(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_sentence_cannot_break_out_of_its_line() {
    let text = format!("one\r\nQUIT\r\n{}", "ü".repeat(400));
    let bytes = encoded(&[ServerFrame::Bye { reason: ByeReason::Idle, text }]);
    assert_eq!(memchr::memchr_iter(b'\n', &bytes).count(), 1);
    assert!(bytes.len() <= MAX_HEADER);
}

#[test]
fn an_online_list_that_does_not_fit_is_cut_and_says_the_whole_count() {
    let names: Vec<Name> =
        (0..50_000).map(|i| format!("somebody-with-a-long-name-{i:06}").parse().unwrap()).collect();
    let bytes = encoded(&[ServerFrame::Online { count: 50_000, names: names.clone() }]);
    let frames = decoded::<ServerFrame>([&bytes[..]]).unwrap();
    let [ServerFrame::Online { count: 50_000, names: some }] = &frames[..] else {
        panic!("not one ONLINE");
    };
    assert!(some.len() > 30_000 && names.starts_with(some));
}
