//! The protocol, `tinychat/2`: this page is its specification, exact enough to write a client in another language from it
//! alone. The modules below implement it: [`frame`] has a table of what each side may say, from which [`codec`] turns
//! bytes into frames and back without any I/O; [`stream`] runs the codec on a connection, and [`transport`] carries it.
//!
//! # Form
//!
//! A connection carries *frames* both ways. A frame is a *header line*: words separated by exactly one space, ended by CR
//! LF; UTF-8 without other control characters; at most [`MAX_HEADER`] (512) bytes with its CR LF. The first word is the
//! *verb*, in capitals. Some verbs carry a *body*: the last word of their header is the body's length in bytes, and the
//! body follows, ended by CR LF again (which the length does not count):
//!
//! ```text
//! MSG marie 7 2f1c8e5ab0d94e7f9a63c1d2e4f50718 text 0 5␍␊hello␍␊
//! ```
//!
//! How the bytes are split into packets or records has no meaning. Words are:
//!
//! | word | form |
//! |---|---|
//! | *name*, *peer* | RFC 8265 `UsernameCaseMapped`, 1 to 32 characters, no `:`, no `/`, not beginning with `-` or `.` ([`Name`](crate::message::Name)). Case does not matter; the server answers in the mapped spelling |
//! | *n*, *seq*, *count* and other numbers | decimal digits without a leading zero, at most 2⁶³-1 ([`MAX_NUMBER`]) |
//! | *installation* | 16 lower-case hexadecimal digits: a random number that the client made once for its data folder |
//! | *origin* | 32 lower-case hexadecimal digits: 128 random bits that the client made once for a message |
//! | *version* | the number of a version of a [device list](self#device-lists), counted from 1; 0 stands for having none |
//! | *time* | milliseconds since the Unix epoch, by the server's clock |
//! | *kind* | what a body is: 1 to 16 of `a-z`, `0-9`, `-`. `text` is UTF-8 for a person to read, at most 64 KiB, of lines that are separated by LF; a reader takes CR LF for LF. Servers pass on every kind unread and unchanged; a client says of a kind it does not know that it cannot show it |
//! | *text* | the rest of the line: a sentence for a person, at most [`MAX_SENTENCE`] bytes |
//!
//! Text from others is data: a client shows no control character and no bidirectional override from a body or a sentence.
//!
//! # Transport
//!
//! Everything is under TLS 1.3 (RFC 8446) from the first byte on, over TCP and over Unix sockets alike. Client and server
//! agree on the protocol `tinychat/2` by ALPN (RFC 7301): a client disconnects from a server that does not; a server
//! refuses a client that offers only others with the alert `no_application_protocol`, and serves one that offers none, for
//! not every tool can. Sessions are not resumed. Each record costs the other side work: either may close when the bytes of
//! TLS exceed 64 KiB plus eight times the bytes that they carry. A frame in a record of its own is far from it. Where the
//! operator switched TLS off, which is possible only on Unix sockets and loopback addresses, frames are sent as they are;
//! a client uses no TLS only if its user wants that and the address that the user gave is a Unix socket's, a loopback
//! address or `localhost`: what answers there does not decide it, for where a name or a proxy leads is up to others.
//!
//! A server is identified by the key of its certificate, and by nothing else in it. The key's *fingerprint* is
//! `SHA256:` and the base64, without padding, of SHA-256 over the certificate's SubjectPublicKeyInfo (RFC 5280 §4.1) in
//! DER, as printed by
//!
//! ```text
//! openssl x509 -in certificate.pem -pubkey -noout | openssl pkey -pubin -outform DER |
//!     openssl dgst -sha256 -binary | base64 | tr -d =
//! ```
//!
//! An address can carry it: `tinychat://chat.example.org:7878#SHA256:47DE…`. A client remembers the fingerprint with
//! which it met a server, and says nothing to one that shows another. The fingerprint is the server's identity: at
//! several addresses that show the same one, a client is one installation. Without TLS a server's identity is its
//! address as written.
//!
//! # Signing in
//!
//! ```text
//! client                                                    server
//! HELLO tinychat/2 name key installation presence [invite] ->
//!                                                     <-    CHALLENGE nonce
//! PROVE length, body                                  ->
//!                                                     <-    WELCOME name limits…
//!                                                     <-    WAITING peer count      (once for each who has written)
//! ```
//!
//! - *key* is the client's Ed25519 public key: the base64 word of an OpenSSH public key line.
//! - *presence* says for others whether a person is there: `online`; or `away`, for a program at which nobody sits,
//!   such as one that sends a word from a script and goes. An `away` connection is served like any other: messages and
//!   receipts come on it, it may write, and it takes over from an earlier one. But nobody is told `PRESENCE` of it,
//!   `TALKING` says `away` of its person, and `ONLINE` neither counts nor lists them. After a takeover the word of the
//!   new connection counts, and `PRESENCE` is told if it is not that of the old one.
//! - *invite* is what the operator's address had after `?invite=`: 32 lower-case hexadecimal digits. A client that
//!   has one may say it each time; only a newcomer's is checked.
//! - *nonce* is 64 lower-case hexadecimal digits, fresh for this connection, good for one `PROVE`. A client signs nothing
//!   of another form.
//! - The signature is an armoured SSHSIG (OpenSSH `PROTOCOL.sshsig`) in lines of any width, namespace `tinychat`, by
//!   *key*, over these five lines, each ended by one LF:
//!
//!   ```text
//!   tinychat/2 sign-in
//!   server SHA256:47DE…
//!   name john
//!   nonce 5f3c…
//!   binding tls-exporter 9e02…
//!   ```
//!
//!   *name* is the mapped spelling. *server* is the fingerprint of the key that the server has shown on
//!   this connection. The binding is `tls-exporter` of RFC 9266: the 32 bytes which the exporter of the TLS connection
//!   gives for the label `EXPORTER-Channel-Binding` without a context, as 64 lower-case hexadecimal digits. A man in
//!   the middle has different ones on either side, so a signature is of no use to them. Without TLS the lines are
//!   `server none` and `binding none`: then nothing shows for which server a signature was made, and a server
//!   without TLS can use it at another one without TLS. Use a key there that opens no other door.
//!
//!   `ssh-keygen -Y sign -n tinychat -f KEY FILE` makes it, and `openssl s_client -keymatexport
//!   EXPORTER-Channel-Binding -keymatexportlen 32` prints the binding. The body of `PROVE` is the whole armoured text.
//! - The first key that proves itself for a name owns the name from then on; for another key the answer is `ERR TAKEN`.
//!   A new name must fit the identifier profile and one script, as UTS #39 resolves scripts; it must be no IPv4
//!   address, not begin with a nonspacing mark, repeat one, or have more than four in a row. It may look like one that
//!   is owned, that is have the same skeleton by UTS #39, only if both are ASCII. Else the answer is `ERR LOOKS`.
//!   Whoever had such a name before keeps it. When the owner signs in while signed in elsewhere, the new connection
//!   takes over at once and the old one gets `BYE replaced`. A client that is told so does not sign in again by itself.
//! - `WELCOME` says the name in the mapped spelling: a client disconnects if it is not the one that it asked for. It
//!   announces the server's limits as `word=number`, in any order: `body` and `header` in bytes, `name` in characters,
//!   `conversations` open at once, `handshake` (all of signing in, see below), `ping` and `idle` in seconds, `backlog` in
//!   messages and `backlog-bytes` for one [session](self#delivery), `recipient` and `recipient-bytes` for all that waits
//!   for one receiver, `keep` in seconds: how long a message waits before it expires, counting only time in which the
//!   server runs, and by no wall clock; `file`: how many bytes a file may have. 0 is no limit but this page's; a client
//!   takes `ping` and `idle` for 1 to 86,400. There may be words that are not in this list, in whatever form: a client
//!   ignores them. One that is missing has the value that this page names; if it names none, there is no limit. A client
//!   sends no message that is longer than `body`, and none behind it.
//! - A client without the tables of RFC 8265 sends its name in lower-case ASCII, which is the mapped
//!   spelling. After `PROVE` further frames may follow at once.
//! - "New" and "earlier" refer to when a connection was made, not to when its proof was read.
//! - *Timeouts.* All of this up to `PROVE` takes at most [`HANDSHAKE_SECONDS`] (60 s) from connecting, else the answer
//!   is `ERR TIMEOUT`; so it is after a silence of [`HANDSHAKE_SILENCE_SECONDS`] (10 s) before `HELLO`, TLS's own bytes
//!   counted, and after less than 100 bytes a second until then, not counting the first 10 s. (Before the end of the
//!   TLS handshake nothing is said: the server closes.) But a person may have to confirm a signature: after a `HELLO`
//!   with the key that owns the name there are [`CONFIRMATION_SECONDS`] (120 s) for `PROVE`. At most one connection for
//!   a key, 8 for an address (for IPv6 a /64) and 256 in all have more time than others; for one more, the oldest falls
//!   back to the 60 s. An operator may make all of these times longer or shorter, in proportion.
//! - A server that has as many connections as it takes, in all or from one address, says `ERR BUSY` to one more, under
//!   TLS after the handshake. It starts to serve a limited number of connections a second (1,000). If more come, they
//!   wait for some seconds; those from addresses (for IPv6 the /64) where somebody was signed in within 7 days in which
//!   the server ran go first. One that it does not serve in that time it *closes unread*: under TLS without a byte, else
//!   with `ERR BUSY`; so it does under TLS with those who connect too often from one address, and with those whom it
//!   would tell that it is full, beyond 64 at once. A client takes a connection that ends before the end of the TLS
//!   handshake, or with `ERR BUSY`, for a busy server. It retries after 1 to 5 seconds, later up to 30, uniformly
//!   distributed, so that many do not come at once again.
//!
//! **Versions.** The word `tinychat/2` stands for everything on this page. A server that does not speak the version in
//! `HELLO` or `CARRY`, whatever follows it on the line, answers `ERR VERSION` with [the ones](self#errors) that it
//! speaks, and closes. Within a version the forms are fixed: an unknown verb is an error, for nobody can know whether a
//! body follows it. One verb is kept for what no side does yet: `RETRACT`, for taking a message back by its origin.
//!
//! # Frames after signing in
//!
//! From the client:
//!
//! | frame | meaning |
//! |---|---|
//! | `TALK peer settled` | opens the conversation in both directions, or resynchronises an open one. `settled`: the highest *n* up to which the fate of everything this installation wrote to *peer* is final and on its disk; 0 if nothing. Answered with `TALKING`; or, if it is refused, with `ERR` `CONVERSATIONS`, `INSTALLATIONS`, `SELF` or `NAME` alone: then everything is as it was. If the server cannot read its disk, the answer is the fatal `ERR BUSY` |
//! | `CLOSE peer` | closes it: no more messages, receipts and presence for it. What was sent may still be acknowledged |
//! | `MSG peer n origin kind version length`, body | a message, or the same again with its first *n*. *n* counts from 1 within [session](self#delivery) and installation, on all connections together, and is never used for another message. *origin* is what the message is called for life, also when it gets another *n* or comes from another data folder. *version* is the one of *peer*'s [device list](self#device-lists) for which it was written; said again, a message may have another one. Only in an open conversation, and only after its `TALKING` |
//! | `ACK peer seq` | everything from *peer* on this connection up to *seq* is on this client's disk |
//! | `BOUNCE peer seq` | everything from *peer* on this connection below *seq* is on this client's disk, and the message *seq* was [not taken](self#delivery): its sender is to send it anew. Said before any `ACK` of *seq* or more: what was acknowledged does not bounce |
//! | `READ peer installation n` | this client's person has seen what *peer* wrote from that installation, up to *n*. Said only by those who want it known, in an open conversation: when something was seen, and behind `TALKING` |
//! | `ONLINE` | asks who is online |
//! | `KEY peer` | asks whose name it is. A client that asks ahead of `TALK` knows before it shows or sends a message whether its peer still has the key that it had, and whether anybody has the name at all |
//! | `DEVICES peer` | asks for the newest version of a [device list](self#device-lists) and its devices' prekeys. If the server cannot read its disk, the answer is the fatal `ERR BUSY` |
//! | `LIST length`, body | a version of a [device list](self#device-lists) and prekeys of its devices, which are kept for all who ask; one's own, or one that the server has lost, anybody's. At most [`MAX_BUNDLE`] (21 KiB). A newer prekey is said with the list as it is: of each device the server keeps the one with the highest number. Each is answered, in order: with `LISTED`, `ERR LIST` or `ERR LATER` |
//! | `BLOCK peer`, `UNBLOCK peer` | hear no more of *peer*, or hear again; answered with `BLOCKED peer`, once that is on the server's disk, or with `UNBLOCKED peer`. Nothing happens to whom one does not block |
//! | `BLOCKS` | asks whom one blocks |
//! | `PING`, `PONG` | each `PING` is answered with `PONG`, in order, by [both sides](self#silence) |
//! | `TICKET` | asks for a word that says on other connections who one is, to carry [files](self#files) |
//! | `QUIT` | done; answered with `BYE quit`. Receipts and messages that are not written yet are not waited for: await `STORED` first |
//!
//! From the server:
//!
//! | frame | meaning |
//! |---|---|
//! | `WAITING peer count` | so many messages wait from *peer*, with whom no conversation is open. After `WELCOME`, and whenever it changes; the same may be said twice |
//! | `TALKING peer presence have stored delivered waiting version` | the answer to `TALK`; of this conversation's only `EXPIRED`, `BOUNCED` and `KEY` come ahead of it. `presence` is `online` if *peer* is signed in and said so in `HELLO`, else `away`; `have`, `stored` and `delivered` speak of this installation's messages to *peer* (see below); `waiting`: so many of *peer*'s messages wait at this moment. They will now come, but for those that were sent on this connection before and are acknowledged meanwhile. `version` is that of *peer*'s device list |
//! | `STORED peer n` | everything up to *n* is on the server's synced disk, or delivered, or expired, or bounced. Cumulative. Said as soon as it is true; a server may wait up to 0.2 s with syncing for a receiver who is there and usually acknowledges sooner, and then says `DELIVERED` alone |
//! | `DELIVERED peer n` | everything up to *n* is on the receiver's disk, but for those reported as expired or bounced. Cumulative; implies stored |
//! | `READ peer n` | *peer* has said to have seen everything up to *n*. Cumulative, never above `delivered`. A hint: the server keeps it in memory alone, and *peer*'s client says it again |
//! | `EXPIRED peer n` | this one message was kept as long as the server keeps messages, or until *peer*'s name was [removed](self#names-that-change-hands), and was never confirmed; it may have been received. Not cumulative. Told again after each `TALK`, ahead of `TALKING`, until *settled* covers it |
//! | `BOUNCED peer n` | this one message was not taken by *peer*'s client, and the server does not keep it any more. Not cumulative. Told again as `EXPIRED` is, until *settled* covers it |
//! | `ERR FULL peer n text` | no room: message *n* was refused, and so will be all that follow in this conversation until `TALK`. That is told once: the server drops what comes behind it without a word, also when there is room again, and after `ROOM` |
//! | `ERR STORE peer n text` | the same, because the server cannot write to its disk |
//! | `ERR OWNER peer n text` | the same, because *peer*'s name was [taken](self#names-that-change-hands) from whoever had it when the conversation was opened. `TALK` may follow at once |
//! | `ERR DEVICES peer n version text` | the same, because message *n* was written for another version of *peer*'s device list than *version*, which is the newest. `TALK` may follow at once |
//! | `ERR SLOW peer n seconds text` | the same, because they came too fast; try after so many seconds |
//! | `ROOM peer` | a hint after a refusal: there is room again, `TALK` may succeed. It may get lost; the client also tries by itself |
//! | `MSG peer seq installation n origin time kind length`, body | a message. *seq* counts from 1 for this peer on this connection and is never used again on it |
//! | `ONLINE count length`, body | *count* people are `online`; the body has their names, one a line, ended by LF. More names than fit into [`MAX_ONLINE_BODY`] are left out |
//! | `KEY peer key` | the public key that owns *peer*'s name, in the form that it has in `HELLO`; `-` if nobody does. The answer to `KEY`; and unasked, in an open conversation, whenever that changes. If it changed between the answer and `TALK` it is said again ahead of `TALKING`. The last one is true |
//! | `DEVICES peer version length`, body | the newest version of *peer*'s device list, byte for byte as it was said, and the newest prekeys of its devices; an empty body for version 0 |
//! | `LISTED peer version` | the answer to `LIST`: all of it is on the server's synced disk. *version* is the newest that the server has of *peer* |
//! | `CHANGED peer version` | in an open conversation: *peer*'s device list has a new version. A hint: it is left out where a newer one follows |
//! | `BLOCKED peer`, `UNBLOCKED peer` | the answers to `BLOCK` and `UNBLOCK` |
//! | `BLOCKS length`, body | whom one blocks: names, one a line, ended by LF. At most 1,000, so at most 129,000 bytes |
//! | `TICKET ticket` | 32 lower-case hexadecimal digits; good as long as this connection lives |
//! | `PRESENCE peer presence` | a peer of an open conversation came or went: their presence is not what was told before |
//! | `PING`, `PONG` | as from the client |
//! | `ERR code peer text` | [something was wrong](self#errors); *peer* is `-` where it concerns no one |
//! | `BYE reason text` | the server closes: `quit`, `replaced`, `shutdown` or `idle` |
//!
//! # Delivery
//!
//! A *session* is one direction of a conversation: all that one name writes to another. It outlives all connections, until
//! the sender's name is [removed](self#names-that-change-hands). Each installation of the sender counts *n* in it by
//! itself, and for ever: of a client that begins anew on another connection the server drops what it takes for
//! repetitions. Order within a session is the order in which the server accepted the messages.
//!
//! A message has one *origin* for life. It has a number, (installation, *n*), and may get others, one after the other.
//! All that the server tells is told of numbers. These are the rules. But for the little that is argued alone, each was
//! taken away once in a model (`tests/model/delivery.rs` lists which is where), which then found a loss, a lie, a double
//! or a standstill.
//!
//! **The server**
//!
//! 1. For each session and installation it knows `have`, the highest *n* that it accepted. It accepts any `MSG` with *n*
//!    above `have`, even when numbers between are missing, and silently drops one at or below `have` as a duplicate. So a
//!    number that was left out cannot come later, and receipts for a higher one cover it. `have` is no receipt. A refused
//!    message does not raise it, and all that follow in that conversation on that connection are dropped until `TALK`,
//!    also when there is room again: else receipts for them would cover it.
//! 2. It accepts no `MSG` from a replaced connection once a later one of the same installation has said `TALK`: that one
//!    is told what is there. The end of an old connection, or its late `CLOSE`, closes nothing of its successor.
//! 3. `STORED` is said once a message and its `have` are on the synced disk, in one commit. Commits are prefixes of the
//!    order of acceptance. A message that is acknowledged before that is never written; its sender is told `DELIVERED`.
//! 4. What expires or bounces is taken out of the queue at once and told once that is on the disk, and `DELIVERED` for
//!    later messages only after that. Nothing that follows an expiring message is delivered before.
//! 5. Consecutive numbers of one such fate are a *record*, kept until *settled* covers it: each `TALK` is answered with
//!    all of them, ahead of `TALKING`, whose numbers would cover them. While an installation has 1,000 records in a
//!    session, or all of them together have 6,000, or would have more with what waits, `ERR FULL` is the answer to its
//!    `MSG`; a client that says *settled* never gets there.
//! 6. `ACK` and `BOUNCE` are resolved on the connection on which they come. After `TALK` it begins again with the oldest
//!    message that was not answered; so it may where something expires. No *seq* is used twice on a connection, not even
//!    after `CLOSE` and `TALK`.
//! 7. It remembers `have` of 4,096 installations of a sender in each session. One more replaces one that has no waiting
//!    messages and no record and is not connected: first one that has *settled* all of its numbers, else the one that
//!    was heard from least recently. A forgotten one is told 0 for `have`, `stored` and `delivered`, and sends again
//!    what is not final; the receiver acknowledges what it has.
//! 8. It syncs its store on opening, before the first `TALKING`: what a killed process wrote can be read, and is not safe
//!    yet. After a crash `TALKING` may say less than was said before. A receipt that was told stays true.
//! 9. From the moment that a [device list](self#device-lists) is taken, a new `MSG` for another version is refused with
//!    `ERR DEVICES`, as in rule 1; also one for version 0. Nobody is told of a list before it is on the synced disk, in
//!    the same commit as all messages that were accepted before it or in a later one.
//!
//! **The sender's client**
//!
//! 1. A message, its origin and its number are on its disk, in one transaction, before `MSG` is said; so is that the
//!    number was sent. A number is never used for another message.
//! 2. It says no `MSG` between `TALK` and `TALKING`, nor while the server has told another version of the receiver's
//!    [device list](self#device-lists) than the one that it believes, which each `MSG` names. After every `TALKING`, and
//!    so on every new connection and after every refusal, it sends what lies above `have` and is not final, in order.
//! 3. `stored` and `delivered` only ever raise what it knows. *Delivered* and *expired* are final, and on its disk before
//!    they are shown. Until then it keeps the message, also when it is stored.
//! 4. A statement about a number that was never sent from its data folder is ignored.
//! 5. A `have` above the highest number that was ever sent from the folder, whatever became of that message, means that
//!    the folder was copied or restored. Then nothing of this answer counts. It takes a new installation, gives all that
//!    is not final a number there, also what was sent or stored, in one transaction and with its origin, and signs in
//!    again. So does a client that finds itself with two installations for one server, for one of them.
//! 6. So `EXPIRED` and `BOUNCED` that come between `TALK` and `TALKING` wait until `have` was compared, and count before
//!    the numbers of that answer. `STORED` and `DELIVERED` there are ignored, for `TALKING` says them again; so are
//!    refusals, which `TALK` has ended.
//! 7. What bounces and is not final waits again: it gets the next number, keeps its origin, and its sender is told.
//!    *settled* stays below each number that it had until its fate is final. If it bounces once more, the next number was
//!    another message's, too: it takes a new installation as in rule 5, but not again because of the same peer, nor twice
//!    between two starts. The third time it rests. After each start what rests gets the next number and is sent once.
//!
//! **The receiver's client**
//!
//! 1. It answers nothing before it is on its disk, and stores everything that arrives, also for a conversation that it
//!    has just closed. If it cannot, it ends the connection.
//! 2. In this order, in one transaction: a message whose origin it has from that sender, with the same kind and body, is a
//!    duplicate, whatever its number: it is acknowledged and not shown again. One whose number another message has is
//!    bounced. All others are taken.
//! 3. `BOUNCE` comes before any `ACK` at or above it, and says of all that is below that it is on the disk.
//!
//! So what a folder sends once more that was restored from a backup comes once, and what it gives a number that was
//! another's comes with the next one. One thing nobody notices: a folder and its copy are used in turns, and what the one
//! sent was lost on its way, while a message of the other with that number was accepted. Then `have` is not above what the
//! first has sent, and it takes its message for stored.
//!
//! *Whose name it is*, a client asks before each `TALK`. If it knew a name's key, and the name has another key now or
//! none, it sends nothing until its user accepts that; then it says `TALK` first. If nobody has a name, it tells its
//! user, who begins to talk to it.
//!
//! A receiver who *blocks* a sender gets no `MSG` from them, except for those in flight, and no `WAITING`. To the
//! sender the receiver is `away` and not in `ONLINE`; what they write is `STORED` without its body and in time
//! `EXPIRED`, and so is what waited before, which loses its body at once. All of it counts for the sender alone, not
//! against the receiver's quota. The sender's limits count the bytes that were sent, and `ERR FULL` uses the same
//! words: a blocked sender is told the same as one who writes to somebody who is away. `UNBLOCK` makes all of that
//! expire at once; what is written after it arrives. A message that was accepted without its body is marked as such on
//! the disk, and never becomes a `MSG`, whatever becomes of the block.
//!
//! If the receiver never wrote to a sender, and never said `TALK` to them while something of theirs waited, a server
//! keeps fewer messages of that sender than of others. `ERR FULL` is the answer to more, until such a `TALK` is
//! answered. It is also the answer to a sender who writes to one more such receiver while something of theirs waits for
//! the most that are allowed.
//!
//! # Names that change hands
//!
//! A name that nobody has can be written to: what is written waits for whoever claims it. The operator can take a name
//! from its owner, to give it another key or to *remove* it. Once that is on the server's disk, all who have the
//! conversation open are told `KEY peer -`, and what they still send, which may have crossed it, is answered with `ERR
//! OWNER`: so nothing that was meant for one owner reaches the next before its sender could know. By `TALK` they say
//! that they know.
//!
//! Nothing of a removed name is left for its next owner. What waits for it expires. Each block by it or of it ends as
//! `UNBLOCK` ends it: what was written meanwhile expires and has no body that could be delivered. Files for it, and
//! uploads of it, are removed. What it had written to others, and its complete files, reach them. Meanwhile that counts
//! against its receivers' quotas, and not against those of a later owner. Then nothing is remembered of its data
//! folders, but of one that has said `TALK` again. The numbers of those who wrote to it go on. Nobody can claim the name
//! before all of that is on the disk.
//!
//! # Device lists
//!
//! A person's *device list* says from which data folders the person reads what is written to them. It is a text, one
//! version after the other. With the signature of whoever owns the name right behind it, it is a *statement*:
//!
//! ```text
//! tinychat/2 devices
//! server SHA256:47DE…
//! name john
//! identity AAAAC3Nz…
//! version 3
//! previous SHA256:n4bQ…
//! time 2026-11-28T23:45:16Z
//! device 5f3c0a9c41c3b2e7 AAAAC3Nz…
//! gone 77aa51c0ffee0012 AAAAC3Nz…
//! -----BEGIN SSH SIGNATURE-----
//! …
//! -----END SSH SIGNATURE-----
//! ```
//!
//! These lines in this order and no others, each ended by one LF; the text at most 4 KiB. *server* and *name* are those
//! that are signed to [sign in](self#signing-in), *identity* and the other keys are as in `HELLO`. *version* counts
//! from 1 on. *previous* is `SHA256:` and the base64, without padding, of SHA-256 over the text of the version before,
//! `-` in the first one. *time*, in UTC, is for people. There are 1 to 8 lines with a *device*, its installation and
//! its own key, neither of them twice; and up to 32 with one that is *gone*, none of those. The signature is an
//! armoured SSHSIG over the text, namespace `tinychat-devices`: `ssh-keygen -Y sign -n tinychat-devices -f KEY FILE`
//! makes it. Right behind it stand [prekeys](crate::seal#prekeys).
//!
//! The server takes a list if it has this form and names this server, if the key that it names owns the name and has
//! signed it, and if it is the version behind the newest one that the server has and names that one as *previous*. It
//! takes one further ahead, too: then it has lost some, for it was restored from a backup. What it has already is
//! answered as if it were new. A device that is not in the list that it has comes with a prekey, and never gets another
//! curve25519 key. Any other list is refused with `ERR LIST`: whoever said it asks `DEVICES`, and goes on from there.
//! One that it cannot take for now it refuses with `ERR LATER`: that is said again later, after pauses that grow.
//!
//! What a list that is taken means for messages, [the server's rule 9](self#delivery) says. A list counts as long as the
//! key that has signed it owns the name, and the server has the key that it names: when `KEY` says that the name was taken
//! from its owner, or the server has another key, the version is 0.
//!
//! A client that said `online` in `HELLO` sees to it that its data folder is in the list of its person, with its newest
//! prekey, and has only what it seals wait for that. After `WELCOME` it asks `DEVICES` of its own name. If the folder's installation
//! does not stand there with the folder's key, it says the next version: with its own device behind all others. What
//! has its installation or its key is *gone* then, and so is the first of nine devices; after `ERR LIST`, one that has
//! no prekey and is not in the server's list; of more than 32 that are gone the first is left out. What is a device
//! again is not gone. What it signs is on its disk before it says it; a server that shows a lower version gets that one
//! first. It believes no list of its own name that its key has not signed. One that said `away` does nothing of this.
//!
//! *Which list somebody has*, a client asks with `DEVICES` after a `TALKING`, and now and then after a `CHANGED`, that
//! tells another version than it believes. It believes a list that is newer than the one before, names that name and
//! this server, and is signed by the key that it trusts for the name; with that key, and with the server's, it forgets
//! the list. An older one it does not believe, nor none where it knew one: with `LIST` it gives back what the server
//! has lost, and the prekeys that it has, and goes on after `LISTED`. If the server still shows an older one after
//! `LISTED` or `ERR LIST`, or another text with the believed version, it sends nothing until its user accepts that list,
//! or the server shows another. One that another key has signed, or none any more, nobody can accept.
//!
//! # Files
//!
//! A file waits on the server under a random id, its *blob*: 32 lower-case hexadecimal digits. Its name and caption
//! travel in a message, whose kind is `file` and which is sent once the blob is kept. So a file that somebody reads of
//! is there. Its body is a JSON object (RFC 8259); a reader ignores members that it does not know:
//!
//! | member | |
//! |---|---|
//! | `blob` | the id. Where the message is sealed, so is [what the server has](crate::seal#files), and one more member says with what |
//! | `name` | what the sender calls it: data from others, and no path |
//! | `type` | its media type (RFC 6838) as the sender sees it; may be missing |
//! | `size` | its length in bytes |
//! | `blake3` | the BLAKE3 hash of its content, as 64 lower-case hexadecimal digits. A receiver takes the file for what was sent if its content hashes to this |
//! | `caption` | what the sender says of it; may be missing |
//!
//! Files have connections of their own, so that no message waits behind one, and TCP's backpressure slows down a sender
//! whose receiver is slow. Such a connection begins, instead of with `HELLO`, with
//!
//! ```text
//! CARRY tinychat/2 ticket
//! ```
//!
//! where *ticket* is what the server said on the connection on which its person is signed in; when that ends, so does
//! this. It is refused with `ERR`, and is not answered otherwise. When the limit is reached, the server silently closes a
//! connection on which no byte of a file moved for 10 seconds, or else one of somebody who has more than the newcomer;
//! what it carried goes on with `RESUME`, or `FETCH` from where it was. After `CARRY` there are other frames.
//!
//! From the client, which waits for the answer before the next one, except for `CHUNK`, `PING` and `PONG`:
//!
//! | frame | meaning |
//! |---|---|
//! | `OFFER peer size` | there is a file for *peer*; answered with `HAVE blob 0`. All of its bytes count for its sender from now on, and in the room that all share as they come. The client has *blob* on its disk before it sends a byte: else something whole could be left that nobody asks for |
//! | `RESUME blob` | an upload goes on; answered with `HAVE`, or with `KEPT` |
//! | `CHUNK offset length`, body | the next bytes of what was offered or resumed, at most [`MAX_CHUNK`] (256 KiB), where the server has *offset* bytes already. Every MiB or so the server says `HAVE` with what it has by then; behind the last it answers `KEPT`; of an empty file, and where all was there already, that one is empty |
//! | `FETCH blob offset` | asks for what one was sent, from some byte on; answered with `HAVE blob size`, whose *size* is that of the whole file, and then `CHUNK`s up to the end: none if *offset* is there or beyond it |
//! | `DROP blob` | asks the server to keep a file no longer: its receiver has it, or its sender thinks better of it. Answered with `GONE`, also where there is none; a client asks, on each connection, until it was |
//! | `PING`, `PONG` | as after signing in; answered behind what was asked before |
//!
//! From the server:
//!
//! | frame | meaning |
//! |---|---|
//! | `HAVE blob size [blake3]` | so many bytes of it are there, from its first. With a hash of just these, which is written as in the body above, they may be others than those that were sent: a client whose first *size* bytes hash to something else drops the blob and begins again |
//! | `KEPT blob` | all of it is on the server's synced disk |
//! | `CHUNK offset length`, body | bytes of what was fetched |
//! | `GONE blob` | the answer to `DROP` |
//! | `PING`, `PONG` | as after signing in |
//! | `ERR code peer text` | the server closes; *peer* is always `-`, and *code* one of these |
//!
//! | code | because |
//! |---|---|
//! | `TICKET`, `BUSY`, `VERSION`, `TIMEOUT` | [as when signing in](self#errors), instead of taking `CARRY`, which has as long as `HELLO`. Later `TIMEOUT` is the end of a [silence](self#silence) |
//! | `BAD` | not a frame, or not one that can come now; somebody else goes on with the same upload |
//! | `SIZE` | the file is larger than `file` in `WELCOME` |
//! | `QUOTA` | what waits of this sender would be too much with it |
//! | `SPACE` | what waits of all would be, or the disk too full |
//! | `GONE` | there is no such file of, or for, this person: had, expired, or never there |
//! | `STORE` | the server cannot use its disk now, or has no room for more of an upload that was begun; what it has of it stays |
//!
//! A whole file is kept as long as a message, counted from `KEPT`. An upload is given up when less than a hundredth of it
//! came in a day, or nothing in its first 10 minutes, counting time in which the server runs. Each request counts like a
//! message of the one who asks, and so does a `CHUNK` of less than 16 KiB: whoever asks too often waits for the answer.
//!
//! # Rates
//!
//! A server may limit the rate of messages, and of bytes, that somebody writes, and the burst. Every frame counts like
//! a message, also one with a bad name and one that is dropped; but not an `ACK` that acknowledges something, for that
//! was counted when it was written. What is sent again, on this connection or another, counts as if its receiver wrote
//! it, and comes more slowly if that is too much. So do the bytes of `ONLINE`, of `BLOCKS`, of `DEVICES` and of each
//! repeated `EXPIRED`. Whoever is too fast is read more slowly, up to a second for a frame (backpressure). Only messages
//! are refused: with `ERR SLOW`.
//!
//! It may also limit how often somebody signs in (`ERR BUSY`), which each signature in a `LIST` counts as (`ERR LATER`),
//! blocks people or ends that (`ERR BLOCK`), begins to send files, and how many bytes of files move: those wait.
//!
//! # Silence
//!
//! Each side sends `PING` when it heard nothing for [`PING_AFTER_SECONDS`] (30 s), answers each `PING` of the other one,
//! and closes when it heard nothing for [`IDLE_AFTER_SECONDS`] (90 s); `WELCOME` may announce other times. Whatever comes
//! is heard, byte by byte, not only whole frames. A peer that reads no bytes for as long is closed likewise. A server
//! says `BYE idle` before. Nothing is lost: what was not acknowledged is sent again.
//!
//! On a connection that carries files a frame may take longer than that, and the answer to a `PING` waits behind it. So
//! there each side also sends `PING` when it *said* nothing for as long, between two frames, and as long as the other
//! side takes its bytes it does not close. A server says `ERR TIMEOUT` before.
//!
//! # Errors
//!
//! `ERR code peer text`. After a *fatal* one the server closes; the others leave the connection
//! and all conversations as they were. A client takes a code that it does not know for one that is
//! not fatal; if it is, the server closes. With two codes the *text* begins with words for programs:
//!
//! | error | the words |
//! |---|---|
//! | `ERR VERSION - versions text` | the versions that the server speaks, with a comma between two: `tinychat/2` |
//! | `ERR NAME - verb word text` | the verb of the frame that was refused, and the word in it that is no name, as it came; of one that is longer than [`MAX_REPEATED`] (128) bytes, the beginning |
//!
//! | code | fatal | because |
//! |---|---|---|
//! | `BAD` | yes | a line that is not a frame, a word of the wrong form, a body that does not end where it says |
//! | `LINE` | yes | a header line longer than 512 bytes |
//! | `BODY` | yes | a body longer than its verb allows: `MSG` [`MAX_BODY`] (80 KiB), `PROVE` [`MAX_PROOF`], `LIST` [`MAX_BUNDLE`] |
//! | `VERB` | yes | a verb that this version does not have |
//! | `STATE` | yes | a frame that cannot come now: a second `HELLO`, `MSG` before signing in, an `ACK` for what was never sent |
//! | `VERSION` | yes | the server does not speak the version in `HELLO` or `CARRY` |
//! | `KEY` | yes | the key is not an Ed25519 public key |
//! | `PROOF` | yes | the signature does not fit key, name and nonce |
//! | `TAKEN` | yes | the name belongs to another key; or, while one is signed in, the operator takes it from this one |
//! | `INVITE` | yes | newcomers need an invitation here, or a good one: each is good once, or so often as the operator said, for some time in which the server runs, for anybody or for one name alone. If the operator has reset a name's key, also the one that had it needs the invitation for that name, until somebody has come with it; from then on the answer is `TAKEN` |
//! | `NEWCOMER` | yes | nobody may have a new name here |
//! | `CLAIMS` | yes | as many new names were claimed from this address as may be for now; the text says when another can be. An invitation goes beyond it |
//! | `LOOKS` | yes | nobody may claim this name for [how it looks](self#signing-in) |
//! | `BANNED` | yes | the operator has banned the name, its key, or the address: then it is said to that like `BUSY`, ahead of all else |
//! | `BUSY` | yes | the server has as many connections or names as it takes, somebody signs in too often, or it cannot store now. Some are [closed unread](self#signing-in) instead |
//! | `TIMEOUT` | yes | signing in took [too long](self#signing-in) |
//! | `NAME` | in `HELLO` | not a name; nothing else became of the frame |
//! | `SELF` | no | nobody can talk to themselves |
//! | `CONVERSATIONS` | no | `TALK` was refused: [`MAX_CONVERSATIONS`] (1,000) are open on this connection |
//! | `INSTALLATIONS` | no | `TALK` was refused: something waits of 16 installations of this sender in it already; or the server remembers 4,096, and none of them can be forgotten |
//! | `TICKET` | yes | `CARRY` with a ticket that is not good, or not any more |
//! | `BLOCK` | no | nobody was blocked or unblocked: one blocks 1,000 people already, changes that too often, or the server cannot write it down now |
//! | `LIST`, `LATER` | no | a [device list](self#device-lists) was not taken; `LATER`: for now, because the server cannot write it down, or lists are said too often. *peer* is whose it is; `-` where that was not read: the form or a signature is wrong, a prekey does not fit the list, or it is too early |
//! | `NOTICE` | no | nothing is wrong: *text* is what the server's operator says to all people (not programs), behind `WELCOME` or at any time. A client shows it as that, once |
//! | `CLOSED` | no | `MSG` for a conversation that is not open; it was dropped, and so were those right behind it for the same peer |
//!
//! # Rooms, from the top
//!
//! ```text
//! stream             the codec on a connection
//! frame              what each side may say: tables of frames
//! codec              the grammar: bytes to frames and back, by such a table
//! codes              words that programs decide by
//! sign_in            the text that is signed to sign in
//! limits, transport  numbers of the protocol; what carries it
//! ```

pub mod codec;
mod codes;
pub mod frame;
mod limits;
mod sign_in;
pub mod stream;
pub mod transport;

pub(crate) use frame::{blocks_line, chunk_line, encode_messages, longest_frame, online_line};
pub use limits::*;
pub use sign_in::{SIGN_IN_NAMESPACE, sign_in_text};
