//! How much of others' files comes without being asked for.
//!
//! Owned by nobody: plain data. What comes is counted in the store, against this.

const MIB: u64 = 1024 * 1024;

/// How much comes without being asked for, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unasked {
    /// One file; 0 for none.
    pub file: u64,
    /// All of one person that came by itself and was not freed.
    pub person: u64,
    /// The same of all people.
    pub all: u64,
}

impl Unasked {
    /// Pictures that friends send, for a while.
    pub const DEFAULT: Self = Self { file: 5 * MIB, person: 128 * MIB, all: 1024 * MIB };

    /// Nothing at all.
    pub const NONE: Self = Self { file: 0, person: 0, all: 0 };
}
