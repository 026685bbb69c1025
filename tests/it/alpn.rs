//! Clients that offer other protocols under TLS than a server speaks (RFC 7301), or none: a bare rustls.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConnection, StreamOwned};
use tinychat::server::{Config, Tls};
use tinychat::task;
use tinychat::trust::tls::{ALPN, client_config};

use crate::world::{FIRST_INSTALLATION, PATIENCE, World, story_with};

fn with_tls(config: &mut Config) {
    config.tls = Tls::Own;
}

/// Agrees on TLS and says HELLO: what comes back. Blocks.
fn say_hello(server: SocketAddr, offered: &[&[u8]], hello: &str) -> Result<String, rustls::Error> {
    let mut config = client_config().unwrap();
    config.alpn_protocols = offered.iter().map(|it| it.to_vec()).collect();
    let name = ServerName::IpAddress(server.ip().into());
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(server).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(connection, socket);
    let mut answer = [0; 128];
    let talked = stream.write_all(hello.as_bytes()).and_then(|()| stream.read(&mut answer));
    match talked {
        Ok(read) => Ok(String::from_utf8_lossy(&answer[..read]).into()),
        Err(error) => Err(error.downcast().unwrap()),
    }
}

/// What somebody comes to who offers these.
async fn offering(
    world: &World,
    offered: &'static [&'static [u8]],
) -> Result<String, rustls::Error> {
    let key = world.identity("alice").public();
    let hello = format!("HELLO tinychat/2 alice {key} {FIRST_INSTALLATION} online\r\n");
    let server = world.address();
    task::blocking(move || say_hello(server, offered, &hello)).await
}

#[test]
fn who_offers_other_protocols_alone_is_told_that_there_are_none_of_them() {
    story_with(with_tls, async |world| {
        const OTHERS: [&[&[u8]]; 2] = [&[b"h2"], &[b"tinychat/1", b"http/1.1"]];
        for offered in OTHERS {
            let refused = offering(world, offered).await;
            let alert = AlertDescription::NoApplicationProtocol;
            assert_eq!(refused, Err(rustls::Error::AlertReceived(alert)));
        }
    });
}

#[test]
fn who_offers_the_right_one_among_others_or_none_at_all_is_served() {
    story_with(with_tls, async |world| {
        const FITTING: [&[&[u8]]; 2] = [&[], &[b"h2", ALPN]];
        for offered in FITTING {
            let answer = offering(world, offered).await.unwrap();
            assert!(answer.starts_with("CHALLENGE "), "{answer}");
        }
    });
}
