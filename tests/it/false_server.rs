//! What a client believes of a server: names, nonces and limits that are not what they should be. The story plays the
//! server.

use std::fs;

use async_std::net::TcpStream;
use futures::io::BufReader;
use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use crate::doubts::{devices, list};
use crate::files::own_file;
use crate::programs::Launch;
use crate::script::Stage;
use crate::world::{World, patiently, story};

fn john(world: &World, stage: &Stage) -> Launch {
    Launch::at(stage.address(), "john", &world.path("john"))
}

#[test]
fn whoever_is_taken_for_somebody_else_leaves() {
    story(async |world| {
        let stage = Stage::open().await;
        let john = john(world, &stage).to("marie").start();
        john.types("hello\n");
        let mut server = stage.meet().await;
        server.sign_in(&"0".repeat(64), &["WELCOME johnny", "WAITING marie 1"]).await;
        assert_eq!(server.rest().await, [""; 0], "nothing is said to it");
        john.end().await.exited(1).said("it takes you for johnny, and not for john");
    });
}

#[test]
fn a_name_is_the_same_in_another_spelling() {
    story(async |world| {
        let stage = Stage::open().await;
        let john = Launch::at(stage.address(), "JOHN", &world.path("john")).to("marie").start();
        john.types("hello\n");
        let mut server = stage.meet().await;
        server.sign_in(&"0".repeat(64), &["WELCOME john body=65536 colour=blue shiny"]).await;
        server.expect("TALK marie 0").await;
        john.kill().await;
    });
}

#[test]
fn what_is_no_nonce_is_not_signed() {
    story(async |world| {
        for nonce in ["0".repeat(63), "0".repeat(65), "A".repeat(64), "tinychat".into()] {
            let stage = Stage::open().await;
            let john = john(world, &stage).to("marie").start();
            let mut server = stage.meet().await;
            server.say(&format!("CHALLENGE {nonce}")).await;
            assert_eq!(server.rest().await, [""; 0], "{nonce}");
            john.end().await.exited(1).said("a nonce of 64 lower-case hexadecimal digits expected");
        }
    });
}

#[test]
fn what_is_too_long_for_a_server_gets_no_number_there() {
    story(async |world| {
        let stage = Stage::open().await;
        let mut john = john(world, &stage).with(&["--follow", "--to", "marie"]).start();
        let mut server = stage.receive_announcing("body=10").await;
        server.expect("TALK marie 0").await;
        server.say("TALKING marie away 0 0 0 0 0").await;
        server.catch_up().await;
        john.types("0123456789\n01234567890\n");
        server.expect_messages("marie", 1, &["0123456789"]).await;
        let told = "a message has at most 10 bytes on this server, and this one to marie has 11";
        john.says(told).await;
        let words = ["send", "--to", "marie", "twelve bytes"];
        let guest = Launch::at(stage.address(), "john", &world.path("john")).with(&words);
        guest.pipe("").await.exited(1).said("a message has at most 10 bytes on this server");
        john.types("short\n");
        server.expect_messages("marie", 2, &["short"]).await;
        john.kill().await;
    });
}

#[test]
fn what_was_written_before_the_server_said_its_limit_is_kept_and_others_go_on() {
    story(async |world| {
        let stage = Stage::open().await;
        let mut john = john(world, &stage).to("marie").with_commands().start();
        john.types("first\nmuch too long\nthird\n/TALK anna\nhello\n");
        john.types("/STATUS\n");
        john.says("not sent yet").await;
        let mut server = stage.receive_announcing("body=10").await;
        let mut said = Vec::new();
        while said.len() < 2 {
            for line in server.catch_up().await {
                match line.split(' ').collect::<Vec<_>>()[..] {
                    ["TALK", peer, _] => {
                        server.say(&format!("TALKING {peer} away 0 0 0 0 0")).await;
                    }
                    ["MSG", ..] => said.push(line),
                    _ => {}
                }
            }
        }
        said.sort();
        assert_eq!(said, ["MSG anna 1 text 0 5 hello", "MSG marie 1 text 0 5 first"]);
        let told =
            "marie cannot be sent more for now: message 2 has 13 bytes, and this server takes 10";
        john.says(told).await;
        assert_eq!(server.catch_up().await, [""; 0]);
        john.signal("INT");
        john.end().await;
    });
}

/// A connection on which a client carries a file, after its first lines.
struct Carried {
    stream: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Carried {
    async fn next(&mut self) -> String {
        let mut line = String::new();
        patiently("the client says something", self.reader.read_line(&mut line)).await.unwrap();
        line.trim_end().into()
    }

    /// The body of a chunk.
    async fn body(&mut self, length: usize) -> Vec<u8> {
        let mut body = vec![0; length + 2];
        let reading = self.reader.read_exact(&mut body);
        patiently("the client says all of it", reading).await.unwrap();
        body.truncate(length);
        body
    }

    async fn says(&mut self, lines: &[&str]) {
        let bytes: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        patiently("the client hears it", self.stream.write_all(bytes.as_bytes())).await.unwrap();
    }
}

#[test]
fn whoever_waits_for_a_server_with_a_file_asks_it_and_answers() {
    story(async |world| {
        let stage = Stage::open().await;
        let file = own_file(world, "file", b"hello");
        let words = ["send", "--to", "marie", "--file", file.to_str().unwrap()];
        let sending = john(world, &stage).with(&words).start();
        let mut server = stage.receive_announcing("ping=1 idle=60").await;
        let marie = world.identity("marie");
        server.knows("marie", &marie);
        server.expect("TALK marie 0").await;
        server.say("TALKING marie away 0 0 0 0 1").await;
        server.expect("DEVICES marie").await;
        server.say(&devices(1, &list(&marie, 1, 0))).await;
        server.expect("TICKET").await;
        let (ticket, blob) = ("1".repeat(32), "7".repeat(32));
        server.say(&format!("TICKET {ticket}")).await;
        let stream = stage.receive_carrier().await;
        let mut carried = Carried { reader: BufReader::new(stream.clone()), stream };
        assert!(carried.next().await.starts_with("CARRY tinychat/2 1111"));
        assert_eq!(carried.next().await, "OFFER marie 21");
        carried.says(&[&format!("HAVE {blob} 0")]).await;
        assert_eq!(carried.next().await, "CHUNK 0 21");
        assert!(!carried.body(21).await.starts_with(b"hello"));
        // It is left waiting.
        assert_eq!(carried.next().await, "PING");
        carried.says(&["PONG", "PING"]).await;
        assert_eq!(carried.next().await, "PONG");
        assert_eq!(carried.next().await, "PING");
        carried.says(&["PONG", &format!("KEPT {blob}")]).await;
        let told = loop {
            let said = server.catch_up().await;
            if let Some(told) = said.into_iter().find(|line| line.starts_with("MSG ")) {
                break told;
            }
        };
        assert!(told.starts_with("MSG marie 1 seal 1 ") && !told.contains(&blob), "{told}");
        server.say("STORED marie 1").await;
        sending.end().await.exited(0);
        assert!(fs::exists(&file).unwrap());
    });
}
