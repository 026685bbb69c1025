//! Any bytes to the codec, as either side: it never panics, however the bytes are split it gives the same
//! frames and the same error, and what it writes of them it reads again and writes the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tinychat::wire::codec::{Decoder, Frame, ProtocolError};
use tinychat::wire::frame::{ClientFrame, FileReply, FileRequest, ServerFrame};

fuzz_target!(|data: &[u8]| {
    let Some((step, bytes)) = data.split_first() else { return };
    check::<ClientFrame>(bytes, usize::from(*step) + 1);
    check::<ServerFrame>(bytes, usize::from(*step) + 1);
    check::<FileRequest>(bytes, usize::from(*step) + 1);
    check::<FileReply>(bytes, usize::from(*step) + 1);
});

fn check<F: Frame + PartialEq + std::fmt::Debug>(bytes: &[u8], step: usize) {
    let whole = decoded::<F>([bytes]);
    assert_eq!(whole, decoded(bytes.chunks(step)), "split by {step}");
    // What is too long for a sentence is cut by whoever writes it.
    let written = encoded(&whole.0);
    let (again, error) = decoded::<F>([&written[..]]);
    assert_eq!((again.len(), error), (whole.0.len(), None));
    assert_eq!(encoded(&again), written);
}

fn encoded<F: Frame>(frames: &[F]) -> Vec<u8> {
    let mut out = Default::default();
    frames.iter().for_each(|frame| frame.encode(&mut out));
    out.to_vec()
}

/// The frames up to the first error that ends a connection.
fn decoded<'a, F: Frame>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<F>, Option<ProtocolError>) {
    let mut decoder = Decoder::<F>::default();
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.decode() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) if error.is_fatal() => return (frames, Some(error)),
                Err(_) => {}
            }
        }
    }
    (frames, None)
}
