//! Frames as data: a row describes a frame completely, and all code for it is generated from there.
//!
//! Pure data. Invariant: what a row writes it can read back. The tables are in [`frame`](crate::wire::frame); tests
//! compare them with the [specification](crate::wire) and the fuzzers' dictionary.

use std::fmt::Write as _;

use bytes::BytesMut;

use super::error::ProtocolError;
use super::part::Part;
use super::words::Words;

/// What one side may say: [`ClientFrame`](crate::wire::frame::ClientFrame) or
/// [`ServerFrame`](crate::wire::frame::ServerFrame); and on a connection that carries files
/// [`FileRequest`](crate::wire::frame::FileRequest) or [`FileReply`](crate::wire::frame::FileReply).
pub trait Frame: Sized + 'static {
    /// Every verb of this direction, the most frequent first.
    const VERBS: &'static [Verb<Self>];

    /// The row of this frame.
    fn verb(&self) -> &'static Verb<Self>;

    /// Appends the frame's bytes to `out`.
    fn encode(&self, out: &mut BytesMut);
}

/// One row of a direction's table.
pub struct Verb<F> {
    pub(crate) word: &'static str,
    pub(crate) parts: &'static [Described],
    /// What may follow a verb that several rows have, if this is not the last of them: each begins with a code.
    pub(crate) forms: &'static [&'static str],
    /// The longest body, for a verb that has one.
    pub(crate) body: Option<usize>,
    pub(crate) when: When,
    pub(crate) counts: Counts,
    pub(crate) parse: fn(&mut Words<'_>) -> Result<F, ProtocolError>,
}

/// When a frame is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Until somebody has signed in.
    SigningIn,
    /// From then on.
    SignedIn,
    /// On a connection that carries files.
    Carrying,
    /// Until somebody has signed in, and from then on.
    Always,
}

/// How a frame counts against its sender's rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// Nothing: it is an answer, or is counted with something else.
    Nothing,
    /// One sign-in, as all that a signature is verified for.
    SignIn,
    /// A message without a body.
    Message,
    /// The message that it is.
    Itself,
    /// Nothing if it acknowledges something, for that was counted when it was written; else a message.
    Acknowledgement,
    /// A message with a body of the names of all who are online.
    Everybody,
    /// A message with a body of all names that its sender blocks.
    Blocked,
    /// A message with a body of the device list that is the answer.
    Statement,
    /// The bytes of a file; and a message, if they are few.
    Chunk,
}

impl<F> Verb<F> {
    /// The word itself.
    pub fn word(&self) -> &'static str {
        self.word
    }

    /// When it is allowed.
    pub fn when(&self) -> When {
        self.when
    }

    /// How it counts.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How the specification writes it: once, or once for each of its codes.
    pub fn spellings(&self) -> Vec<String> {
        if self.forms.is_empty() {
            return vec![self.spelling()];
        }
        self.forms.iter().map(|form| format!("{} {form}", self.word)).collect()
    }

    fn spelling(&self) -> String {
        let mut text = self.word.to_owned();
        for Described { name, optional } in self.parts {
            // Writing into a text cannot fail.
            let _ = if *optional { write!(text, " [{name}]") } else { write!(text, " {name}") };
        }
        if self.body.is_some() {
            text.push_str(", body");
        }
        text
    }

    /// Whether this row is meant, among those with its verb, by what follows the verb.
    pub(super) fn is_meant(&self, rest: Option<&str>) -> bool {
        let first = |text: &str| text.split(' ').next() == rest.and_then(|it| it.split(' ').next());
        self.forms.is_empty() || self.forms.iter().any(|form| first(form))
    }
}

/// A part of a frame as the specification writes it.
pub(crate) struct Described {
    name: &'static str,
    optional: bool,
}

impl Described {
    /// A part with its field's name, unless it has one of its own.
    pub(crate) const fn of<P: Part>(field: &'static str) -> Self {
        let name = match P::SPELLED {
            Some(spelled) => spelled,
            None => field,
        };
        Self { name, optional: P::OPTIONAL }
    }
}

/// The longest body of a frame: its last part may be one.
pub(crate) const fn longest_body(parts: &[Option<usize>]) -> Option<usize> {
    match parts {
        [.., last] => *last,
        [] => None,
    }
}

/// Generates a direction's frames from a table. Its rows, the most frequent first, are
///
/// ```text
/// /// What it means.
/// VERB [constant] when SignedIn counts Message => Variant {
///     /// What it means.
///     field: Type as Part,
/// },
/// ```
///
/// where the [`Part`] says how a field is read and written: the type itself, if it is left out. The `[constant]` is a
/// part without a field; what `counts` nothing does not say so. A frame whose words come in no fixed order has `by
/// module` in front of `when`: there are its `FORMS`, `take` and `put`.
macro_rules! frames {
    ($(#[$doc:meta])* $name:ident {$(
        $(#[$row_doc:meta])*
        $verb:ident $([$constant:ty])? $(by $hand:ident)? when $when:ident $(counts $counts:ident)?
        => $variant:ident $({$(
            $(#[$field_doc:meta])*
            $field:ident: $type:ty $(as $part:ty)?
        ),* $(,)?})?
    ),* $(,)?}) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {$(
            $(#[$row_doc])*
            $variant $({ $($(#[$field_doc])* $field: $type),* })?
        ),*}

        const _: () = {
            use bytes::{BufMut, BytesMut};
            use $crate::wire::codec::{Counts, Described, Frame, Part, Verb, When, longest_body};

            /// Where the rows stand in the table.
            enum Row { $($variant),* }

            impl Frame for $name {
                const VERBS: &'static [Verb<Self>] = &[$(
                    frames!(@row $name $verb $variant [$($constant)?] [$($hand)?] $when
                        [$($counts)?] [$($($field [$type $(as $part)?])*)?])
                ),*];

                fn verb(&self) -> &'static Verb<Self> {
                    match self {
                        $(Self::$variant { .. } => &Self::VERBS[Row::$variant as usize]),*
                    }
                }

                fn encode(&self, out: &mut BytesMut) {
                    match self {
                        $(Self::$variant { $($($field),*)? } => {
                            frames!(@put out $verb [$($constant)?] [$($hand)?]
                                [$($($field [$type $(as $part)?])*)?]);
                        })*
                    }
                }
            }
        };
    };
    (@row $name:ident $verb:ident $variant:ident [$($constant:ty)?] [] $when:ident
        [$($counts:ident)?] [$($field:ident $part:tt)*]) => {
        Verb {
            word: stringify!($verb),
            parts: &[
                $(Described::of::<$constant>(""),)?
                $(Described::of::<frames!(@part $part)>(stringify!($field))),*
            ],
            forms: &[],
            body: longest_body(&[$(<frames!(@part $part) as Part>::BODY),*]),
            when: When::$when,
            counts: frames!(@counts $($counts)?),
            parse: |words| {
                $(<$constant as Part>::take(words)?;)?
                $(let $field = <frames!(@part $part) as Part>::take(words)?;)*
                words.end().map(|()| $name::$variant { $($field),* })
            },
        }
    };
    (@row $name:ident $verb:ident $variant:ident [] [$hand:ident] $when:ident
        [$($counts:ident)?] [$($field:ident $part:tt)*]) => {
        Verb {
            word: stringify!($verb),
            parts: &[],
            forms: $hand::FORMS,
            body: None,
            when: When::$when,
            counts: frames!(@counts $($counts)?),
            parse: |words| {
                let ($($field),*) = $hand::take(words)?;
                words.end().map(|()| $name::$variant { $($field),* })
            },
        }
    };
    (@put $out:ident $verb:ident [$($constant:ty)?] [] [$($field:ident $part:tt)*]) => {
        $out.put_slice(stringify!($verb).as_bytes());
        $(<$constant as Part>::put(&(), $out);)?
        $(<frames!(@part $part) as Part>::put($field, $out);)*
        $out.put_slice(b"\r\n");
        $(<frames!(@part $part) as Part>::put_body($field, $out);)*
    };
    (@put $out:ident $verb:ident [] [$hand:ident] [$($field:ident $part:tt)*]) => {
        $hand::put($out, $($field),*)
    };
    (@part [$type:ty]) => { $type };
    (@part [$type:ty as $part:ty]) => { $part };
    (@counts) => { Counts::Nothing };
    (@counts $counts:ident) => { Counts::$counts };
}

pub(crate) use frames;
