//! A SOCKS5 proxy on this machine (RFC 1928, RFC 1929), which leads wherever the story says; no tests.
//!
//! Owned by the story; dropping it ends it. Threads relay what goes through, as slowly as the story says.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::times::{Heading, SlowWay};

/// What a proxy does.
#[derive(Clone)]
pub(crate) struct Conduct {
    /// Where it leads, whatever it is asked for.
    pub(crate) to: SocketAddr,
    /// The name and the password that it wants, if it wants any.
    pub(crate) login: Option<(&'static str, &'static str)>,
    /// Its reply; 0 if it has got there.
    pub(crate) reply: u8,
    /// How long it takes to get there, and the way on which everything is carried then; none if it takes no time.
    pub(crate) slowly: Option<(Duration, Arc<SlowWay>)>,
}

impl Conduct {
    pub(crate) fn leading_to(to: SocketAddr) -> Self {
        Self { to, login: None, reply: 0, slowly: None }
    }
}

/// See the [module](self).
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    ended: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn start(conduct: Conduct) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, ended) = (Arc::default(), Arc::default());
        let proxy = Self { address, asked, ended };
        let (asked, ended) = (proxy.asked.clone(), proxy.ended.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (conduct, asked) = (conduct.clone(), asked.clone());
                // A client that goes away ends no more than its own connection.
                thread::spawn(move || serve(client, &conduct, &asked));
            }
        });
        proxy
    }

    /// Where it was asked to go, as `host:port`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // It looks once somebody comes.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(mut client: TcpStream, conduct: &Conduct, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    if !greet(&mut client, conduct.login)? {
        return Ok(());
    }
    asked.lock().unwrap().push(request(&mut client)?);
    if let Some((opening, way)) = &conduct.slowly {
        way.pause(*opening);
    }
    client.write_all(&[5, conduct.reply, 0, 1, 0, 0, 0, 0, 0, 0])?;
    if conduct.reply != 0 {
        return Ok(());
    }
    let way = conduct.slowly.as_ref().map(|(_, way)| way.clone());
    join(client, TcpStream::connect(conduct.to)?, way)
}

/// Makes one connection of two: carries what is said in both directions.
pub(crate) fn join(
    client: TcpStream,
    server: TcpStream,
    way: Option<Arc<SlowWay>>,
) -> io::Result<()> {
    let (from, to, back) = (server.try_clone()?, client.try_clone()?, way.clone());
    thread::spawn(move || relay(from, to, || carry(back.as_deref(), Heading::Back)));
    relay(client, server, || carry(way.as_deref(), Heading::There))
}

fn carry(way: Option<&SlowWay>, heading: Heading) {
    if let Some(way) = way {
        way.carry(heading);
    }
}

/// Agrees on who the client is. False if it is not let in.
fn greet(client: &mut TcpStream, login: Option<(&str, &str)>) -> io::Result<bool> {
    let [version, count] = read(client)?;
    assert_eq!(version, 5, "it speaks SOCKS5");
    let methods = read_some(client, count)?;
    let method = if login.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        client.write_all(&[5, 0xff])?;
        return Ok(false);
    }
    client.write_all(&[5, method])?;
    let Some((name, password)) = login else { return Ok(true) };
    let [version, length] = read(client)?;
    assert_eq!(version, 1, "it signs in as RFC 1929 says");
    let given_name = read_some(client, length)?;
    let [length] = read(client)?;
    let given_password = read_some(client, length)?;
    let is_right = given_name == name.as_bytes() && given_password == password.as_bytes();
    client.write_all(&[1, u8::from(!is_right)])?;
    Ok(is_right)
}

/// What the client asks for; a name is not looked up.
fn request(client: &mut TcpStream) -> io::Result<String> {
    let [version, command, 0, kind] = read(client)? else { panic!("a request") };
    assert_eq!((version, command), (5, 1), "it wants to connect");
    let host = match kind {
        1 => std::net::Ipv4Addr::from(read::<4>(client)?).to_string(),
        3 => {
            let [length] = read(client)?;
            String::from_utf8(read_some(client, length)?).unwrap()
        }
        _ => std::net::Ipv6Addr::from(read::<16>(client)?).to_string(),
    };
    Ok(format!("{host}:{}", u16::from_be_bytes(read(client)?)))
}

fn relay(mut from: TcpStream, mut to: TcpStream, carry: impl Fn()) -> io::Result<()> {
    let mut chunk = [0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        carry();
        to.write_all(&chunk[..read])?;
    }
    to.shutdown(Shutdown::Write)
}

fn read<const N: usize>(from: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_some(from: &mut TcpStream, length: u8) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length.into()];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}
