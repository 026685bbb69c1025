//! Stories with alice and bob, told against real servers. One binary, so that it links once.
//!
//! | module | what belongs there |
//! |---|---|
//! | `world` | the server of a test and the people who talk to it; no tests |
//! | `versions` | which version of a device list the raw peers write for; no tests |
//! | `delivery` | messages: who gets which, when, how often, in which order |
//! | `receipts` | what senders are told: STORED, DELIVERED, TALKING's numbers |
//! | `backlog` | quotas: FULL, ROOM and what comes after |
//! | `restart` | what a server knows after it was stopped, killed, or lost the end of its disk |
//! | `bouncing` | messages that are not taken: BOUNCE, BOUNCED, and what comes after |
//! | `expiry` | messages that wait for too long: EXPIRED, and what comes after |
//! | `window` | backlogs that do not fit into memory |
//! | `installations` | people who write from many data folders |
//! | `waiting` | WAITING: what people are told of conversations that are not open |
//! | `presence` | ONLINE, PRESENCE and who is there |
//! | `takeover` | one name on two connections |
//! | `names` | whose name it is: keys, proofs, spellings |
//! | `looks` | names that look like others |
//! | `identity` | keys that people bring, passphrases, agents |
//! | `keys` | keys made by other programs, and files that are no key |
//! | `device_lists` | lists of a person's devices: who signs which, and that `ssh-keygen` makes and checks them |
//! | `marks` | which messages were in the clear, and what is shown of that |
//! | `own_list` | how a data folder comes into its person's list of devices |
//! | `listed` | a list of devices that real programs make, also where an agent signs |
//! | `sealed` | sealed messages: who can read them, and who cannot |
//! | `sealed_lies` | a server that lies about sealed messages, device lists and numbers |
//! | `sealed_many` | a thousand sealed messages, of which the host has no word, and ten thousand, of which most expire |
//! | `open_sealed` | that a script that knows the specification alone opens what is sealed |
//! | `lying` | somebody between a client and the real server, who lies; no tests |
//! | `agents` | SSH agents of every kind: those that sign, refuse, ask, or have lost the key |
//! | `certificates` | certificates that operators bring to a server |
//! | `contacts` | keys of contacts, and what happens when they change |
//! | `verify` | people who make sure of each other's keys |
//! | `blocking` | blocking people, and what strangers may leave |
//! | `strangers` | limits on writing to people who never answered, and on names claimed from an address |
//! | `burden` | how much of the quotas blocked people use, and what they are told |
//! | `lists` | device lists: which the server takes and tells, and what is written for which version |
//! | `page` | sentences of the specification that a client author relies on, from raw bytes |
//! | `doubts` | device lists that a server shows: which a client believes, and what it writes meanwhile |
//! | `false_server` | what a client believes of a server that announces or answers something else |
//! | `bad_input` | garbage, rule breaking, connections cut at any byte |
//! | `silence` | peers that send nothing or read nothing |
//! | `proxied` | servers behind proxies that announce each client's address |
//! | `lateness` | timeouts of signing in: bad lines, people who have to confirm something |
//! | `flood` | somebody who never stops sending |
//! | `rates` | rate limits: people who write too fast, and addresses that connect too often |
//! | `person_rates` | rate limits for blocking, signing in, sending files and being sent the same again |
//! | `counted` | that each frame counts against the rates |
//! | `reception` | more connections than can be served: which go first, and what others are told |
//! | `hostile` | many attackers at once, and two people who chat on |
//! | `carrying` | files on the wire: what is taken, kept, given and refused |
//! | `hoarding` | people who occupy room and connections that others need |
//! | `files` | files between people: absent receivers, cut connections, refusals, attacks |
//! | `sealed_files` | files that their host cannot read, nor change unseen |
//! | `own_files` | files of one's own: names, sizes, several at once, cancelling |
//! | `bytes` | any bytes on standard input |
//! | `records` | TLS records that carry nothing |
//! | `tls` | TLS, the server's key, and what a signature is bound to; Unix sockets |
//! | `alpn` | clients that offer other protocols under TLS, or none |
//! | `shutdown` | the end of a server, and too many connections |
//! | `program` | the binary `tinychat-server`: flags, signals, exit codes |
//! | `server_config` | the server's file of options: what goes before it, mistakes in it, and SIGHUP |
//! | `supervised` | the server under a service manager: sockets that are passed, and what it is told |
//! | `logs` | the server's log as lines of fields, and fail2ban, which reads them |
//! | `metrics` | what programs that watch a server are told: metrics, health, and `status` |
//! | `admission` | who may sign in: registration, invitations, bans, lost keys |
//! | `announce` | what operators say to everybody |
//! | `people` | what operators see of people, and set for them |
//! | `operators` | `check`, `backup`, `restore`, the control socket, and the server's limits by flags |
//! | `storage` | what takes up the disk; folders of backups, and drills of restoring them |
//! | `full_disk` | a server, or a client, whose disk is full, and gets room again |
//! | `programs` | both binaries as processes, for john, marie and anna; no tests |
//! | `pipe` | `tinychat` as a filter: lines, commands, flags, exit codes |
//! | `terminal` | `tinychat` at a terminal: questions, news, keys, colours |
//! | `editing` | the line that is edited at a terminal without the full screen |
//! | `screen` | `tinychat` at a terminal that can be drawn on: the full screen |
//! | `pictures` | pictures on the full screen: on which terminals, and what is shown instead |
//! | `terminals` | terminals that measure text in their own way, stop, hang up, are full; shells with jobs |
//! | `glass` | a terminal that measures text as it is told to; no tests |
//! | `beside` | `tinychat send`, `tail` and `status`, beside a face and alone |
//! | `words` | that scripts' text arrives unchanged, from the command line and through a pipe |
//! | `exits` | exit codes, and outputs that are closed or full |
//! | `recipes` | the scripts of README and of the manual |
//! | `packaging` | systemd's units, the NixOS module, a Debian package: that they agree with the programs |
//! | `manual` | the manual pages, and how long README is |
//! | `house` | that imports between files go one way, and that no file is too long |
//! | `completions` | what shells complete |
//! | `settings` | `config.toml`, and the command line, which overrides it |
//! | `wall` | the wall clock of a program, set by a story; no tests |
//! | `times` | clocks that a story sets, and ways on which everything takes its time by them; no tests |
//! | `echo` | how quick this machine is just now; no tests |
//! | `clock` | wall clocks that are wrong |
//! | `client` | the client without a face, by its commands and events |
//! | `script` | a server that the story plays itself, frame by frame; no tests |
//! | `rules` | what delivery asks of a client, as sender and as receiver, rule by rule |
//! | `news` | the fate of messages: `--receipts`, `/STATUS` |
//! | `history` | `tinychat history` |
//! | `answers` | that the answers of commands are true |
//! | `text` | that no text from others does harm when it is printed |
//! | `cut` | connections that are cut at any byte, in each direction |
//! | `folder` | data folders: owners, kills |
//! | `copies` | data folders of which there are two: copies, restored backups |
//! | `first_minute` | the first start, with the mistakes that people make |
//! | `places` | paths of any kind, and unusable folders |
//! | `private` | what others on the machine cannot read |
//! | `addresses` | that a server is identified by its key, at whatever address |
//! | `networks` | dead addresses of a name, one link, proxies, slow lines |
//! | `socks` | a SOCKS5 proxy that connects to where a story says; no tests |
//! | `server_upgrade` | folders and backups that an earlier version of the server has left |
//! | `outage` | servers that are away, come back, refuse, or are something else |

#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails, with its line")]

mod echo;
#[allow(dead_code, reason = "the painter's own tests use the rest")]
mod glass;
mod lying;
mod programs;
mod script;
mod socks;
mod times;
mod versions;
#[path = "../shared/wall.rs"]
mod wall;
mod world;

mod addresses;
mod admission;
mod agents;
mod alpn;
mod announce;
mod answers;
mod backlog;
mod bad_input;
mod beside;
mod blocking;
mod bouncing;
mod burden;
mod bytes;
mod carrying;
mod certificates;
mod client;
mod clock;
mod completions;
mod contacts;
mod copies;
mod counted;
mod cut;
mod delivery;
mod device_lists;
mod doubts;
mod editing;
mod exits;
mod expiry;
mod false_server;
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
mod listed;
mod lists;
mod logs;
mod looks;
mod manual;
mod marks;
mod metrics;
mod names;
mod networks;
mod news;
mod open_sealed;
mod operators;
mod outage;
mod own_files;
mod own_list;
mod packaging;
mod page;
mod people;
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
mod sealed;
mod sealed_files;
mod sealed_lies;
mod sealed_many;
mod server_config;
mod server_upgrade;
mod settings;
mod shutdown;
mod silence;
mod storage;
mod strangers;
mod supervised;
mod takeover;
mod terminal;
mod terminals;
mod text;
mod tls;
mod verify;
mod waiting;
mod window;
mod words;
