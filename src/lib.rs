//! TinyChat: a 1:1 chat over TCP where messages wait for people. This page is the map.
//!
//! # Rooms, from the top
//!
//! ```text
//! bin                                  both programs: flags, signals, exit codes
//! server, ui                           the server; the client's faces, and a table of commands
//! client, mailbox, args                the client without a face; what keeps messages; how flags are read
//! blobs                                what keeps files until their receivers have them
//! wire                                 the protocol, and what carries it
//! trust, looks, clock                  keys and TLS; names that look alike; by which time things age
//! manual, output, log_output, signals  manual pages; all that is printed, and logged; what ends a program
//! message, folder, task                Name, SessionKey, MessageId, Message, Batch; data folders; how a task is started
//! exit, text, time_text, zone          exit codes; what may be shown; times as text; on which link an address is
//! ```
//!
//! A room imports from those below it, and from nothing on its own line: so [`server`] and [`client`] never import each
//! other. Each folder's `mod.rs` lists its own rooms in the same way, and a test (`tests/it/house.rs`) holds the lists
//! against the imports.
//!
//! # The way of a message
//!
//! 1. A face parses what John typed into [`ui::typing::command::Input`] and gives the client a
//!    [`client::Command::Send`].
//! 2. The client's core (`client/core`) numbers it and writes it to the outbox (`client/store/outbox`, in SQLite); only
//!    then it may leave.
//! 3. It sends `MSG` ([`wire`] has the protocol) to the server.
//! 4. The read task of John's connection (`server/connection/reader.rs`) decodes what one read brought and
//!    offers it, as one batch, to the session `"john:marie"` (`server/sessions`). Under the session's lock
//!    the batch gets its positions, goes to the journal of the [`mailbox`] and, as long as its window
//!    has room, into the session's channel. A thread commits what the journal has, with one fsync; then
//!    John is told `STORED`. If Marie is there and usually acknowledges soon, the commit waits for that a
//!    little longer than it takes (`server/sessions/pace.rs`), and mostly there is nothing left to write.
//! 5. The write task of Marie's connection (`server/connection/writer.rs`) has awaited that session
//!    (`server/sessions/delivery.rs`), because Marie has the reverse one open. It takes the batch out of
//!    the channel and writes it to her socket, numbered for this connection. If Marie is away the batch
//!    waits where it is; what the channel does not have is read from the mailbox in its turn.
//! 6. Marie's client (`client/core/exchange/intake`) writes it to her history, tells her face, and answers `ACK`.
//! 7. The read task of Marie's connection removes it from the mailbox (if it was not committed yet, it
//!    never is) and marks John's link; John's write task looks up how far things are and says `DELIVERED`. John's outbox lets go.
//!
//! # The way of a file
//!
//! John's core (`client/core/face/files`) writes down that a file is to go. A thread (`client/files/carry`) takes it over a
//! connection of its own, which shows the *ticket* of John's other one, to a thread of the server (`server/files/carrier.rs`), which writes
//! it to a file of its own (`blobs`). Once all of it is synced there the file becomes a message, which goes the way above. Marie's
//! core writes down that there is a file, and fetches it likewise; when it is here and hashes to what was told, the server is
//! told that it need not keep it.
//!
//! # Invariants
//!
//! - Parse once: a [`message::Name`] is valid, everywhere. The codec checks every length before it
//!   waits for what is behind it.
//! - A message is on its sender's disk before it is sent, and on its receiver's before it is
//!   acknowledged. Message ids are never reused; both sides drop what they already have.
//! - Positions decide the order of delivery, not where a message happens to lie.
//! - Each connection has one reader and one writer. Others *mark* what they have to say and wait for
//!   nobody; so a slow peer costs one mark for each of its conversations.
//! - Costs are paid for each batch, not for each message: one read, one lock, one wake-up, one write.
//!   Bodies stay slices of what was read. A connection that waits holds no buffer, and boxes what is
//!   rare, for each task holds room for the most that it may ever wait for.
//! - A connection that was replaced closes nothing that its successor opened: everything it undoes is
//!   compared by id.
//! - Every queue has a bound and an answer to "full": see [`server::Quota`], and the constants in
//!   [`wire`] and beside each channel.
//! - One process owns a person's data folder, with the store and the line to the server; others ask it over a
//!   Unix socket (`client/beside`), and become the owner when it goes.
//! - No guard of a map or lock lives across an await. What blocks has a named thread.
//! - No message waits behind a file: files have connections and threads of their own, which hold a chunk at a time.
//! - Text is data: all that is printed goes through [`output`], and so through [`text`].
//! - The mailbox's journal is one sequence: a commit is a prefix of it, wholly on disk or not at all.
//!
//! # Where to start reading
//!
//! [`wire`] for the protocol; [`server`] for its rooms: [`server::Server::run`], then `accept`,
//! `connection/serve.rs` with its `reader.rs` and `writer.rs`, and `sessions/session`; `people` for who may come and
//! whom people want to hear; `files` for files; [`client::Client`], then `client/core/life.rs`;
//! [`ui::plain`], and for the full screen [`ui::tui`] with its `app`: state and event in, effects
//! out. The tests in `tests/it` tell it as stories.

#![cfg_attr(
    not(test),
    warn(
        clippy::disallowed_methods,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::too_many_lines
    )
)]

pub mod args;
mod blobs;
pub mod client;
pub mod clock;
pub mod exit;
pub mod folder;
pub mod log_output;
pub mod looks;
pub mod mailbox;
pub mod manual;
pub mod message;
pub mod output;
pub mod server;
pub mod signals;
pub mod task;
pub mod text;
pub mod time_text;
pub mod trust;
pub mod ui;
pub mod wire;
mod zone;
