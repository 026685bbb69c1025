//! Stories with alice and bob, told against real servers. One binary, so that it links once.
//!
//! | module | what belongs there |
//! |---|---|
//! | `world` | the server of a test and the people who talk to it; no tests |
//! | `delivery` | messages: who gets which, when, how often, in which order |
//! | `receipts` | what senders are told: STORED, DELIVERED, TALKING's numbers |
//! | `backlog` | quotas: FULL, ROOM and what comes after |
//! | `restart` | what a server knows after it was stopped, killed, or lost the end of its disk |
//! | `expiry` | messages that wait for too long: EXPIRED, and what comes after |
//! | `window` | backlogs that do not fit into memory |
//! | `installations` | people who write from many data folders |
//! | `waiting` | WAITING: what people are told of conversations that are not open |
//! | `presence` | ONLINE, PRESENCE and who is there |
//! | `takeover` | one name on two connections |
//! | `names` | whose name it is: keys, proofs, spellings |
//! | `looks` | names that are made to be mistaken for others |
//! | `identity` | keys that people bring, passphrases, agents |
//! | `keys` | keys of every maker, and what is none |
//! | `agents` | agents of every maker: those that sign, refuse, ask, or have a key no more |
//! | `certificates` | certificates that operators bring to a server |
//! | `contacts` | keys of those whom one talks to |
//! | `blocking` | whom one does not want to hear, and what strangers may leave |
//! | `strangers` | to how many people one writes who never answered, and how many names an address claims |
//! | `burden` | what people weigh who are blocked, and what they are told |
//! | `bad_input` | garbage, rule breaking, connections cut at any byte |
//! | `silence` | peers that say nothing or take nothing |
//! | `proxied` | servers behind proxies that say whose a connection is |
//! | `lateness` | how long signing in may take: bad lines, people who have to confirm something |
//! | `flood` | somebody who never stops sending |
//! | `rates` | who writes too fast, and addresses that come too often |
//! | `person_rates` | who blocks, signs in, sends files or has the same sent too often |
//! | `counted` | that each frame counts, whatever it is |
//! | `reception` | more connections than can be begun: who goes first, and what others are told |
//! | `hostile` | many who mean harm, at once, and two who chat on |
//! | `carrying` | files on the wire: what is taken, kept, given and refused |
//! | `hoarding` | who holds room and connections that others need |
//! | `files` | files between people: who is away, what is cut, refused, or means harm |
//! | `own_files` | files of one's own: names, sizes, several at once, and what is called back |
//! | `bytes` | any bytes on standard input |
//! | `records` | TLS records that carry nothing |
//! | `tls` | TLS, the server's key, and what a signature is bound to; Unix sockets |
//! | `alpn` | clients that offer other protocols under TLS, or none |
//! | `shutdown` | the end of a server, and too many connections |
//! | `program` | the binary `tinychat-server`: flags, signals, exit codes |
//! | `supervised` | the server under a service manager: sockets that are passed, and what it is told |
//! | `admission` | who may come: registration, invitations, bans, keys that were lost |
//! | `operators` | `check`, `backup`, `restore`, the control socket, and the server's limits by flags |
//! | `full_disk` | a server, or a client, whose disk is full, and gets room again |
//! | `programs` | both binaries as processes, for john, marie and anna; no tests |
//! | `pipe` | `tinychat` as a filter: lines, commands, flags, exit codes |
//! | `terminal` | `tinychat` at a terminal: questions, news, keys, colours |
//! | `editing` | the line that is edited at a terminal without the full screen |
//! | `screen` | `tinychat` at a terminal that can be drawn on: the full screen |
//! | `pictures` | pictures there: for which terminal, and what is said instead |
//! | `terminals` | terminals that measure text in their own way, stop, hang up, are full; shells with jobs |
//! | `glass` | a terminal that measures text as it is told to; no tests |
//! | `beside` | `tinychat send`, `tail` and `status`, beside a face and alone |
//! | `words` | that what scripts say arrives as it is, on the command line and through a pipe |
//! | `exits` | what the programs exit with, and outputs that are closed or full |
//! | `recipes` | the scripts of README and of the manual |
//! | `manual` | the manual pages, and how long README is |
//! | `house` | that the house has no rings: which file imports which, and how long files are |
//! | `completions` | what shells complete |
//! | `settings` | `config.toml`: what it says, and what the command line says before it |
//! | `wall` | the wall clock of a program, which a story sets; no tests |
//! | `clock` | wall clocks that are wrong |
//! | `client` | the client without a face, by its commands and events |
//! | `script` | a server that the story plays itself, frame by frame; no tests |
//! | `rules` | what delivery asks of a client, as sender and as receiver, rule by rule |
//! | `news` | what became of messages: `--receipts`, `/STATUS` |
//! | `history` | `tinychat history` |
//! | `answers` | that what commands answer is so |
//! | `text` | that nothing of what others say does harm when it is printed |
//! | `cut` | connections that are cut at any byte, in each direction |
//! | `folder` | data folders: whose they are, after kills, after copies |
//! | `first_minute` | the first start, with the mistakes that people make |
//! | `places` | paths of any kind, and folders in which nobody can be |
//! | `private` | what others on the machine cannot read |
//! | `addresses` | that a server is its key, whatever address it is reached at |
//! | `networks` | dead addresses of a name, one link, proxies, slow lines |
//! | `socks` | a SOCKS5 proxy that leads where a story says; no tests |
//! | `server_upgrade` | folders and backups that an earlier version of the server has left |
//! | `outage` | servers that are away, come back, refuse, or are none |

#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails, with its line")]

#[allow(dead_code, reason = "the painter's own tests use the rest")]
mod glass;
mod programs;
mod script;
mod socks;
#[path = "../shared/wall.rs"]
mod wall;
mod world;

mod addresses;
mod admission;
mod agents;
mod alpn;
mod answers;
mod backlog;
mod bad_input;
mod beside;
mod blocking;
mod burden;
mod bytes;
mod carrying;
mod certificates;
mod client;
mod clock;
mod completions;
mod contacts;
mod counted;
mod cut;
mod delivery;
mod editing;
mod exits;
mod expiry;
mod files;
mod first_minute;
mod flood;
mod folder;
mod full_disk;
mod history;
mod hoarding;
mod hostile;
mod house;
mod identity;
mod installations;
mod keys;
mod lateness;
mod looks;
mod manual;
mod names;
mod networks;
mod news;
mod operators;
mod outage;
mod own_files;
mod person_rates;
mod pictures;
mod pipe;
mod places;
mod presence;
mod private;
mod program;
mod proxied;
mod rates;
mod receipts;
mod reception;
mod recipes;
mod records;
mod removal;
mod restart;
mod rules;
mod screen;
mod server_upgrade;
mod settings;
mod shutdown;
mod silence;
mod strangers;
mod supervised;
mod takeover;
mod terminal;
mod terminals;
mod text;
mod tls;
mod waiting;
mod window;
mod words;
