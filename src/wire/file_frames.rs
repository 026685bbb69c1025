//! The verbs of a connection that carries files, in both directions.

use bytes::{Bytes, BytesMut};

use super::codec::{Frame, ProtocolError, Verb, Words, body, line, sentence};
use super::codes::FileError;
use super::frame::{FileReply, FileRequest};
use super::limits::MAX_CHUNK;

impl Frame for FileRequest {
    const VERBS: &'static [Verb<Self>] = &[
        Verb { word: "CHUNK", body: Some(MAX_CHUNK), parse: request_chunk },
        Verb { word: "OFFER", body: None, parse: offer },
        Verb { word: "RESUME", body: None, parse: resume },
        Verb { word: "FETCH", body: None, parse: fetch },
        Verb { word: "DROP", body: None, parse: drop_blob },
    ];

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Offer { peer, size } => line(out, format_args!("OFFER {peer} {size}")),
            Self::Resume { blob } => line(out, format_args!("RESUME {blob}")),
            Self::Chunk { offset, body: bytes } => chunk(out, *offset, bytes),
            Self::Fetch { blob, offset } => line(out, format_args!("FETCH {blob} {offset}")),
            Self::Drop { blob } => line(out, format_args!("DROP {blob}")),
        }
    }
}

impl Frame for FileReply {
    const VERBS: &'static [Verb<Self>] = &[
        Verb { word: "CHUNK", body: Some(MAX_CHUNK), parse: reply_chunk },
        Verb { word: "HAVE", body: None, parse: have },
        Verb { word: "KEPT", body: None, parse: kept },
        Verb { word: "GONE", body: None, parse: gone },
        Verb { word: "ERR", body: None, parse: error },
    ];

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Have { blob, size, hash: None } => line(out, format_args!("HAVE {blob} {size}")),
            Self::Have { blob, size, hash: Some(hash) } => {
                line(out, format_args!("HAVE {blob} {size} {hash}"));
            }
            Self::Kept { blob } => line(out, format_args!("KEPT {blob}")),
            Self::Chunk { offset, body: bytes } => chunk(out, *offset, bytes),
            Self::Gone { blob } => line(out, format_args!("GONE {blob}")),
            Self::Error { code, text } => {
                line(out, format_args!("ERR {} {}", code.as_str(), sentence(text)));
            }
        }
    }
}

fn chunk(out: &mut BytesMut, offset: u64, bytes: &Bytes) {
    chunk_line(out, offset, bytes.len());
    body(out, bytes);
}

/// Appends the header of a `CHUNK`, for those who put its body and CR LF behind it themselves.
pub fn chunk_line(out: &mut BytesMut, offset: u64, length: usize) {
    line(out, format_args!("CHUNK {offset} {length}"));
}

fn offer(words: &mut Words<'_>, _: Bytes) -> Result<FileRequest, ProtocolError> {
    Ok(FileRequest::Offer { peer: words.name()?, size: words.number("a size")? })
}

fn resume(words: &mut Words<'_>, _: Bytes) -> Result<FileRequest, ProtocolError> {
    Ok(FileRequest::Resume { blob: words.parse("the id of a file")? })
}

fn request_chunk(words: &mut Words<'_>, body: Bytes) -> Result<FileRequest, ProtocolError> {
    Ok(FileRequest::Chunk { offset: words.number("an offset")?, body })
}

fn fetch(words: &mut Words<'_>, _: Bytes) -> Result<FileRequest, ProtocolError> {
    let blob = words.parse("the id of a file")?;
    Ok(FileRequest::Fetch { blob, offset: words.number("an offset")? })
}

fn drop_blob(words: &mut Words<'_>, _: Bytes) -> Result<FileRequest, ProtocolError> {
    Ok(FileRequest::Drop { blob: words.parse("the id of a file")? })
}

fn reply_chunk(words: &mut Words<'_>, body: Bytes) -> Result<FileReply, ProtocolError> {
    Ok(FileReply::Chunk { offset: words.number("an offset")?, body })
}

fn have(words: &mut Words<'_>, _: Bytes) -> Result<FileReply, ProtocolError> {
    Ok(FileReply::Have {
        blob: words.parse("the id of a file")?,
        size: words.number("a size")?,
        hash: words.optional("a hash")?,
    })
}

fn kept(words: &mut Words<'_>, _: Bytes) -> Result<FileReply, ProtocolError> {
    Ok(FileReply::Kept { blob: words.parse("the id of a file")? })
}

fn gone(words: &mut Words<'_>, _: Bytes) -> Result<FileReply, ProtocolError> {
    Ok(FileReply::Gone { blob: words.parse("the id of a file")? })
}

fn error(words: &mut Words<'_>, _: Bytes) -> Result<FileReply, ProtocolError> {
    let code = FileError::from_word(words.word("a code")?);
    Ok(FileReply::Error { code, text: words.sentence() })
}
