//! TinyChat: a 1:1 chat over TCP where messages wait for people. This page is the map.
//!
//! # Rooms, from the top
//!
//! ```text
//! bin                                  both programs: flags, signals, exit codes
//! server, ui                           the server; the client's faces, and the table of commands
//! client, mailbox, args                the client without a face; the store of waiting messages; parsing of flags
//! blobs                                the store of waiting files
//! wire                                 the protocol and its transport
//! seal                                 messages and files that no server can read
//! trust, looks, clock                  keys and TLS; names that look alike; clocks, by which things age and waits end
//! manual, output, log_output, signals  manual pages; all that is printed; the log; what ends a program
//! message, folder, task                Name, SessionKey, MessageId, Message, Batch; data folders; starting of tasks
//! exit, text, time_text, zone, live    exit codes; text that may be shown; times as text; zones of IPv6; values that change
//! counting                             how often something happens, and how long it takes
//! ```
//!
//! A room imports only from the lines below its own. [`server`] and [`client`] do not know each other. Each folder's
//! `mod.rs` lists its own rooms in the same way, and a test (`tests/it/house.rs`) compares the lists with the imports.
//!
//! # The way of a message
//!
//! 1. A face parses what John typed into [`ui::typing::command::Input`] and gives the client a
//!    [`client::Command::Send`].
//! 2. The client's core (`client/core`) numbers it and writes it to the outbox (`client/store/outbox`, in SQLite).
//!    Only then may it be sent.
//! 3. It sends `MSG` ([`wire`] has the protocol) to the server.
//! 4. The read task of John's connection (`server/connection/reader.rs`) decodes what one read brought and
//!    offers it, as one batch, to the session `"john:marie"` (`server/sessions`). Under the session's lock
//!    the batch gets its positions and goes to the journal of the [`mailbox`] and, while its window
//!    has room, into the session's channel. A thread commits the journal with one fsync; then
//!    John is told `STORED`. If Marie is online and usually acknowledges soon, the commit waits a little longer
//!    than her acknowledgement usually takes (`server/sessions/pace.rs`), and mostly nothing is left to write.
//! 5. The write task of Marie's connection (`server/connection/writer.rs`) awaits that session
//!    (`server/sessions/delivery.rs`), because Marie has the reverse one open. It takes the batch out of
//!    the channel and writes it to her socket, numbered for this connection. If Marie is away, the batch
//!    waits where it is; what is not in the channel is read from the mailbox in its turn.
//! 6. Marie's client (`client/core/exchange/intake`) writes it to her history, tells her face, and answers `ACK`.
//! 7. The read task of Marie's connection removes it from the mailbox (if it was not committed yet, it
//!    never is) and marks John's link. John's write task looks up how far his messages have come and says
//!    `DELIVERED`; with that the message leaves John's outbox.
//!
//! # The way of a file
//!
//! John's core (`client/core/face/files`) writes down that a file is to be sent. Once there is a list of Marie's devices,
//! a thread (`client/files/carry`) seals it ([`seal`]) as it uploads it, on a connection of its own, which shows a
//! *ticket* from John's main connection. A thread of the server
//! (`server/files/carrier.rs`) writes it to a file of its own (`blobs`). Once all of it is synced, the file becomes a
//! message, which goes the way above. Marie's core writes down that there is a file, and fetches and opens it
//! likewise. When it is on her disk and its hash is the announced one, the server is told that it need not keep it.
//!
//! # Invariants
//!
//! - Parse once: a [`message::Name`] is valid, everywhere. The codec checks every length before it
//!   waits for the bytes behind it.
//! - A message is on its sender's disk before it is sent, and on its receiver's before it is
//!   acknowledged. Message ids are never reused; both sides drop what they already have.
//! - Positions decide the order of delivery, not the place where a message happens to be kept.
//! - Each connection has one reader and one writer. Others *mark* what they have to say and wait for
//!   nobody; so a slow peer costs one mark for each of its conversations.
//! - Costs are paid for each batch, not for each message: one read, one lock, one wake-up, one write.
//!   Bodies stay slices of the read buffer. An idle connection holds no buffer, and its rare futures are
//!   boxed, because a task is as large as the largest future that it may await.
//! - A connection that was replaced closes nothing that its successor opened: it compares ids before it
//!   undoes anything.
//! - Every queue has a bound and an answer to "full": see [`server::Quota`], and the constants in
//!   [`wire`] and beside each channel.
//! - One process owns a person's data folder, with the store and the line to the server; others ask it over a
//!   Unix socket (`client/beside`), and one of them becomes the owner when it ends.
//! - No guard of a map or lock lives across an await, but for a task's place in line (`server/connection/turn.rs`).
//!   Blocking work runs on named threads.
//! - No message waits behind a file: files have connections and threads of their own, which hold a chunk at a time.
//! - Text is data: all that is printed goes through [`output`], and so through [`text`].
//! - The mailbox's journal is one sequence: a commit is a prefix of it, wholly on disk or not at all.
//!
//! # Where to start reading
//!
//! - The protocol: [`wire`].
//! - The server: [`server::Server::run`], then `accept`, `connection/serve.rs` with its `reader.rs` and `writer.rs`,
//!   and `sessions/session`; `people` for names, presence, contacts and device lists; `files` for files.
//! - The client: [`client::Client`], then `client/core/life.rs`.
//! - Its faces: [`ui::plain`], and for the full screen [`ui::tui`] with its `app`: state and event in, effects out.
//! - The tests in `tests/it` tell all of it as stories.

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
mod counting;
pub mod exit;
pub mod folder;
mod live;
pub mod log_output;
pub mod looks;
pub mod mailbox;
pub mod manual;
pub mod message;
pub mod output;
pub mod seal;
pub mod server;
pub mod signals;
pub mod task;
pub mod text;
pub mod time_text;
pub mod trust;
pub mod ui;
pub mod wire;
mod zone;
