//! Proxies in front of the server, which announce each client's address: HAProxy's PROXY protocol, versions 1 and 2.
//!
//! Owned by the accept tasks. A proxy's connection begins with a header, before all else and before TLS. Only the
//! proxies that the operator named are believed; they are not served without a header, for then all clients would have
//! one address. Invariant: not a byte after the header is read.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use async_io::Async;
use ipnet::IpNet;
use ppp::{v1, v2};
use thiserror::Error;

use crate::wire::transport::Socket;

/// The word for whoever connects to the server's Unix sockets.
const UNIX: &str = "unix";

/// The proxies, whose connections begin with a header. Parsed from addresses, networks and the word `unix`, separated
/// by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    networks: Vec<IpNet>,
    unix: bool,
}

/// A text that is not a list of proxies.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "{0:?} is no proxy; give addresses like 10.0.0.2, networks like 10.0.0.0/24, or unix, with commas between them"
)]
pub struct NoProxy(String);

impl Proxies {
    /// Whether a connection from there is a proxy's. Over a Unix socket there is no address.
    pub(crate) fn include(&self, address: Option<IpAddr>) -> bool {
        let Some(address) = address.map(|it| it.to_canonical()) else { return self.unix };
        self.networks.iter().any(|network| network.contains(&address))
    }
}

impl FromStr for Proxies {
    type Err = NoProxy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut proxies = Self::default();
        for word in text.split(',').map(str::trim) {
            if word == UNIX {
                proxies.unix = true;
                continue;
            }
            let address = || word.parse().map(|address: IpAddr| address.to_canonical().into());
            let network = word.parse().map(canonical).or_else(|_| address());
            proxies.networks.push(network.map_err(|_| NoProxy(word.into()))?);
        }
        Ok(proxies)
    }
}

/// The same block, as one of IPv4 if its addresses are those of IPv4 written as IPv6.
pub(crate) fn canonical(block: IpNet) -> IpNet {
    let IpNet::V6(mapped) = block else { return block };
    let length = mapped.prefix_len().checked_sub(MAPPED);
    let address = mapped.addr().to_ipv4_mapped();
    let own = length.zip(address).and_then(|(length, it)| IpNet::new(it.into(), length).ok());
    own.unwrap_or(block)
}

/// How many bits stand before those of an IPv4 address that is written as IPv6.
const MAPPED: u8 = 96;

/// The longest header, in bytes: version 2 with its longest addresses, and as much again for what else a proxy may say.
/// A longer one is refused.
const LONGEST: usize = 536;

/// The shortest header of either version.
const SHORTEST: usize = 15;

/// How version 1 begins.
const LINE: &[u8] = b"PROXY ";

/// The longest header of version 1: a line.
const LONGEST_LINE: usize = 107;

/// What each header of version 2 begins with: a signature, what it is, and how much follows.
const HEAD: usize = 16;

/// Why a proxy's connection is refused. Made to be read by the operator.
#[derive(Debug, Error)]
pub(crate) enum HeaderError {
    #[error("it ended before it said anything")]
    Silent,
    #[error("it ended within its PROXY header: {0}")]
    Cut(io::Error),
    #[error("it begins without a PROXY header")]
    Missing,
    #[error("its PROXY header is too long")]
    TooLong,
    #[error("its PROXY header is wrong: {0}")]
    Line(#[from] v1::BinaryParseError),
    #[error("its PROXY header is wrong: {0}")]
    Binary(#[from] v2::ParseError),
}

/// Reads the header of a proxy's connection. Returns the client's address; none if the connection is the proxy's own,
/// as for a health check.
pub(crate) async fn read_header(
    socket: Socket,
) -> Result<(Socket, Option<SocketAddr>), HeaderError> {
    let socket = Async::new(socket).map_err(HeaderError::Cut)?;
    let (mut bytes, mut filled) = ([0; LONGEST], 0);
    loop {
        match parse(&bytes[..filled])? {
            Header::Whole(address) => {
                return Ok((socket.into_inner().map_err(HeaderError::Cut)?, address));
            }
            Header::Needs(more) => {
                let room = &mut bytes[filled..filled + more];
                let read = socket.read_with(|mut socket| socket.read(room)).await;
                match read {
                    Ok(0) | Err(_) if filled == 0 => return Err(HeaderError::Silent),
                    Ok(0) => return Err(HeaderError::Cut(io::ErrorKind::UnexpectedEof.into())),
                    Ok(read) => filled += read,
                    Err(error) => return Err(HeaderError::Cut(error)),
                }
            }
        }
    }
}

/// A header as far as it has arrived.
#[derive(Debug, PartialEq, Eq)]
enum Header {
    /// At least this many more bytes belong to it.
    Needs(usize),
    /// All of it, and the client's address.
    Whole(Option<SocketAddr>),
}

/// Parses what has arrived, which is never more than a header.
fn parse(bytes: &[u8]) -> Result<Header, HeaderError> {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(byte, other)| byte == other);
    let is_binary = begins(v2::PROTOCOL_PREFIX);
    if !is_binary && !begins(LINE) {
        return Err(HeaderError::Missing);
    }
    match bytes.len() {
        0..SHORTEST => Ok(Header::Needs(SHORTEST - bytes.len())),
        _ if is_binary => parse_binary(bytes),
        _ => parse_line(bytes),
    }
}

fn parse_line(bytes: &[u8]) -> Result<Header, HeaderError> {
    if !bytes.ends_with(b"\r\n") {
        let end = if bytes.ends_with(b"\r") { 1 } else { 2 };
        let fits = bytes.len() + end <= LONGEST_LINE;
        return if fits { Ok(Header::Needs(end)) } else { Err(HeaderError::TooLong) };
    }
    Ok(Header::Whole(match v1::Header::try_from(bytes)?.addresses {
        v1::Addresses::Tcp4(it) => Some((it.source_address, it.source_port).into()),
        v1::Addresses::Tcp6(it) => Some((it.source_address, it.source_port).into()),
        v1::Addresses::Unknown => None,
    }))
}

fn parse_binary(bytes: &[u8]) -> Result<Header, HeaderError> {
    let Some((head, _)) = bytes.split_first_chunk::<HEAD>() else {
        return Ok(Header::Needs(HEAD - bytes.len()));
    };
    let [.., high, low] = head;
    let whole = HEAD + usize::from(u16::from_be_bytes([*high, *low]));
    if whole > LONGEST {
        return Err(HeaderError::TooLong);
    }
    if bytes.len() < whole {
        return Ok(Header::Needs(whole - bytes.len()));
    }
    let header = v2::Header::try_from(bytes)?;
    Ok(Header::Whole(match (header.command, header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(it)) => {
            Some((it.source_address, it.source_port).into())
        }
        (v2::Command::Proxy, v2::Addresses::IPv6(it)) => {
            Some((it.source_address, it.source_port).into())
        }
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};
    use std::os::unix::net::UnixStream;

    use async_std::task::block_on;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn proxies_are_addresses_and_networks() {
        let proxies: Proxies = "10.0.0.2, ::ffff:192.0.2.0/120,2001:db8::/32".parse().unwrap();
        for address in ["10.0.0.2", "::ffff:10.0.0.2", "192.0.2.255", "2001:db8:1::1"] {
            assert!(proxies.include(at(address)), "{address}");
        }
        for address in ["10.0.0.3", "192.0.3.1", "2001:db9::1", "::1"] {
            assert!(!proxies.include(at(address)), "{address}");
        }
        assert!(!proxies.include(None) && "unix".parse::<Proxies>().unwrap().include(None));
        assert!(!Proxies::default().include(at("127.0.0.1")));
        for text in ["", "x", "10.0.0.2,", "10.0.0.0/33", "10.0.0.2:80", "localhost"] {
            let error = text.parse::<Proxies>().unwrap_err().to_string();
            assert!(error.contains("is no proxy; give addresses"), "{error}");
        }
    }

    /// A header of version 2.
    fn binary(command: u8, family: u8, addresses: &[u8], beside: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len() + beside.len()).unwrap().to_be_bytes();
        [b"\r\n\r\n\0\r\nQUIT\n", &[0x20 | command, family][..], &length, addresses, beside]
            .concat()
    }

    /// The port that [`ipv4`] and [`ipv6`] say.
    const SOURCE_PORT: u16 = 0x3039;

    fn ipv4(source: Ipv4Addr) -> Vec<u8> {
        [&source.octets()[..], &[10, 0, 0, 1], &[0x30, 0x39, 0x1e, 0xc6]].concat()
    }

    fn ipv6(source: Ipv6Addr) -> Vec<u8> {
        [&source.octets()[..], &[0; 16], &[0x30, 0x39, 0x1e, 0xc6]].concat()
    }

    fn from(text: &str) -> Option<SocketAddr> {
        Some(text.parse().unwrap())
    }

    /// What a connection begins with that says this, and how much of it was not read.
    fn read(bytes: &[u8]) -> Result<(Option<SocketAddr>, usize), HeaderError> {
        let mut came = 0;
        loop {
            match parse(&bytes[..came])? {
                Header::Whole(address) => return Ok((address, bytes.len() - came)),
                Header::Needs(0) => panic!("it needs something"),
                Header::Needs(_) if came == bytes.len() => return Err(HeaderError::Silent),
                Header::Needs(more) => came = bytes.len().min(came + more),
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_with_why() {
        let long = |length| binary(1, 0x11, &ipv4(Ipv4Addr::LOCALHOST), &vec![0; length]);
        for (bytes, part) in [
            (b"H".to_vec(), "without a PROXY header"),
            (b"\x16\x03\x01\x02\0".to_vec(), "without a PROXY header"),
            (b"\r\n\r\n\0\r\nQUIP\n123".to_vec(), "without a PROXY header"),
            (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n".to_vec(), "is wrong: "),
            (b"PROXY TCP4 ::1 ::1 1 2\r\n".to_vec(), "is wrong: "),
            (b"PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n".to_vec(), "is wrong: "),
            ([b"PROXY UNKNOWN ", &[b'x'; 100][..], b"\r\n"].concat(), "is too long"),
            (binary(2, 0x11, &ipv4(Ipv4Addr::LOCALHOST), &[]), "is wrong: "),
            (binary(1, 0x11, &[1, 2, 3, 4], &[]), "is wrong: "),
            (long(LONGEST), "is too long"),
        ] {
            let error = read(&bytes).unwrap_err().to_string();
            assert!(error.contains(part), "{error}: {}", bytes.escape_ascii());
        }
        assert_eq!(read(&long(LONGEST - 28)).unwrap(), (from("127.0.0.1:12345"), 0));
    }

    #[test]
    fn a_proxy_that_looks_whether_the_server_is_there_is_itself() {
        for bytes in [
            b"PROXY UNKNOWN\r\n".to_vec(),
            b"PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n".to_vec(),
            binary(0, 0, &[], &[]),
            binary(0, 0x11, &ipv4(Ipv4Addr::LOCALHOST), &[]),
            binary(1, 0x31, &[b'x'; 216], &[]),
        ] {
            assert_eq!(read(&bytes).unwrap(), (None, 0), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_stands_behind_a_header_is_left_to_be_read() {
        let (mut proxy, own) = UnixStream::pair().unwrap();
        let said = b"PROXY TCP4 192.0.2.1 10.0.0.1 5 7878\r\nHELLO";
        io::Write::write_all(&mut proxy, said).unwrap();
        let (socket, address) = block_on(read_header(Socket::Unix(own))).unwrap();
        assert_eq!(address, from("192.0.2.1:5"));
        let mut rest = [0; 64];
        assert_eq!((&socket).read(&mut rest).unwrap(), 5);
        drop(proxy);
        assert!(matches!(block_on(read_header(socket)), Err(HeaderError::Silent)));
    }

    fn any_header() -> impl Strategy<Value = (Vec<u8>, SocketAddr)> {
        let beside = || prop::collection::vec(any::<u8>(), 0..200);
        let (port, other) = (any::<u16>, any::<[u8; 16]>);
        prop_oneof![
            (any::<[u8; 4]>(), port()).prop_map(|(source, port)| {
                let source = Ipv4Addr::from(source);
                let line = format!("PROXY TCP4 {source} 10.0.0.1 {port} 1\r\n");
                (line.into_bytes(), (source, port).into())
            }),
            (other(), other(), port()).prop_map(|(source, own, port)| {
                let (source, own) = (Ipv6Addr::from(source), Ipv6Addr::from(own));
                let line = format!("PROXY TCP6 {source} {own} {port} 65535\r\n");
                (line.into_bytes(), (source, port).into())
            }),
            (any::<[u8; 4]>(), beside()).prop_map(|(source, beside)| {
                let source = Ipv4Addr::from(source);
                (binary(1, 0x11, &ipv4(source), &beside), (source, SOURCE_PORT).into())
            }),
            (other(), beside()).prop_map(|(source, beside)| {
                let source = Ipv6Addr::from(source);
                (binary(1, 0x21, &ipv6(source), &beside), (source, SOURCE_PORT).into())
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_header_is_read_to_its_end_and_no_further(
            (header, source) in any_header(), rest in prop::collection::vec(any::<u8>(), 0..40)
        ) {
            let bytes = [&header[..], &rest].concat();
            prop_assert_eq!(read(&bytes).unwrap(), (Some(source), rest.len()));
            for cut in 0..header.len() {
                prop_assert!(matches!(read(&header[..cut]), Err(HeaderError::Silent)));
            }
        }

        #[test]
        fn any_bytes_are_read_to_some_end(
            prefix in prop::sample::select(vec![&b""[..], LINE, v2::PROTOCOL_PREFIX]),
            bytes in prop::collection::vec(any::<u8>(), 0..700)
        ) {
            let _ = read(&[prefix, &bytes].concat());
        }
    }
}
