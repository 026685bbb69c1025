//! A path in JSON: a string, or its bytes where it is no UTF-8.
//!
//! Owned by nobody. Pure. Invariant: any path is read as it was written.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Bytes(Vec<u8>),
}

pub(super) fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    let text = path.to_str().map(|text| Form::Text(text.into()));
    text.unwrap_or_else(|| Form::Bytes(path.as_os_str().as_bytes().into())).serialize(to)
}

pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<PathBuf, D::Error> {
    Ok(match Form::deserialize(from)? {
        Form::Text(text) => text.into(),
        Form::Bytes(bytes) => OsString::from_vec(bytes).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::words::Request;
    use super::*;

    #[test]
    fn any_path_is_read_as_it_was_written() {
        for (path, form) in [(&b"/tmp/\xc3\xbc"[..], "\"/tmp/ü\""), (b"/\xff", "[47,255]")] {
            let path = PathBuf::from(OsString::from_vec(path.into()));
            let (token, to) = ("t".into(), "marie".into());
            let request = Request::SendFile { token, to, path, caption: None };
            let json = serde_json::to_string(&request).unwrap();
            assert!(json.contains(form), "{json}");
            assert_eq!(serde_json::from_str::<Request>(&json).unwrap(), request);
        }
    }
}
