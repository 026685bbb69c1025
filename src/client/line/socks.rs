//! Connecting to a server through a SOCKS5 proxy (RFC 1928, RFC 1929), which looks up the name.
//!
//! Owned by the [`door`](super::door). Invariant: a failure of the proxy is reported as one, with what to do about it
//! if there is something.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use async_io::Async;
use tokio_socks::Error;
use tokio_socks::io::Compat;
use tokio_socks::tcp::Socks5Stream;

use super::broken::Broken;
use super::dial::Dialer;
use crate::client::config::{Address, Proxy};
use crate::client::event::Failure;
use crate::clock::Times;

/// The way through a proxy.
pub(super) struct Passage<'a> {
    pub(crate) proxy: &'a Proxy,
    pub(crate) server: &'a Address,
    /// How long the proxy may take to reach the server.
    pub(crate) limit: Duration,
    pub(crate) times: &'a dyn Times,
}

impl Passage<'_> {
    /// A connection to the server.
    pub(crate) async fn connect(&self, dialer: &Dialer) -> Result<TcpStream, Broken> {
        let Self { proxy, limit, times, .. } = self;
        let reached = dialer.connect(&proxy.host, proxy.port).await;
        let away = |because| {
            Broken::Away(format!("the proxy {proxy} is away: {because}; see whether it runs"))
        };
        let asked = times.within(*limit, self.ask(reached.map_err(away)?)).await;
        let late = || Broken::Away(format!("the proxy {proxy} did not answer within {limit:?}"));
        match asked.ok_or_else(late)? {
            Ok(stream) => Ok(stream.into_inner()?),
            Err(error) => Err(self.broken(&error)),
        }
    }

    async fn ask(&self, stream: Async<TcpStream>) -> Result<Async<TcpStream>, Error> {
        let socket = Compat::new(stream);
        let target = self.server.host_and_port().unwrap_or_default();
        let stream = match &self.proxy.login {
            None => Socks5Stream::connect_with_socket(socket, target).await,
            Some((name, password)) => {
                Socks5Stream::connect_with_password_and_socket(socket, target, name, password).await
            }
        };
        Ok(stream?.into_inner().into_inner())
    }

    /// What the proxy's answer means for the retry.
    fn broken(&self, error: &Error) -> Broken {
        let Self { proxy, server, .. } = self;
        let failed = |said: String| Broken::Failed(Failure::Refused(said));
        let away = |said: &str| Broken::Away(format!("the proxy {proxy} {said}"));
        let not_through = |because: &str| away(&format!("did not get to {server}: {because}"));
        match error {
            Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                away("closed the connection")
            }
            Error::Io(error) => away(&format!("is away: {error}")),
            Error::PasswordAuthFailure(_) => failed(format!(
                "the proxy {proxy} refused the name and the password; write them as socks5h://NAME:PASSWORD@{proxy}"
            )),
            Error::NoAcceptableAuthMethods | Error::AuthorizationRequired => failed(format!(
                "the proxy {proxy} wants to know who you are; write it as socks5h://NAME:PASSWORD@{proxy}"
            )),
            Error::InvalidResponseVersion => failed(format!(
                "what answers at {proxy} is no SOCKS5 proxy; name another one with --proxy, or none with --proxy none"
            )),
            Error::InvalidTargetAddress(because) => failed(format!("{server}: {because}")),
            Error::ConnectionNotAllowedByRuleset => away(&format!("refused to go to {server}")),
            Error::GeneralSocksServerFailure => not_through("it does not say why"),
            Error::NetworkUnreachable => not_through("there is no way to its network"),
            Error::HostUnreachable => not_through("there is no way to it, or no such host"),
            Error::ConnectionRefused => not_through("connection refused"),
            Error::TtlExpired => not_through("it took too long"),
            Error::AddressTypeNotSupported => not_through("it does not take such addresses"),
            _ => not_through("it answers with something that SOCKS5 does not have"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemTimes;

    #[test]
    fn what_a_person_can_change_ends_the_client_and_the_rest_is_tried_again() {
        let proxy = "socks5h://john:secret@127.0.0.1:9050".parse().unwrap();
        let server = "chat.example.org".parse().unwrap();
        let (limit, times) = (Duration::from_secs(1), &SystemTimes);
        let passage = Passage { proxy: &proxy, server: &server, limit, times };
        for (error, ends, said) in [
            (Error::PasswordAuthFailure(1), true, "refused the name and the password"),
            (Error::NoAcceptableAuthMethods, true, "wants to know who you are"),
            (Error::InvalidResponseVersion, true, "is no SOCKS5 proxy"),
            (Error::ConnectionNotAllowedByRuleset, false, "refused to go to chat.example.org:7878"),
            (Error::ConnectionRefused, false, "did not get to chat.example.org:7878"),
            (Error::UnknownAuthMethod, false, "something that SOCKS5 does not have"),
            (io::Error::from(io::ErrorKind::UnexpectedEof).into(), false, "closed the connection"),
        ] {
            let (ended, text) = match passage.broken(&error) {
                Broken::Failed(failure) => (true, failure.to_string()),
                Broken::Away(text) | Broken::Busy(text) => (false, text),
                Broken::Unsigned(error) => (false, error.to_string()),
            };
            assert_eq!(ended, ends, "{text}");
            assert!(text.contains("127.0.0.1:9050") && text.contains(said), "{text}");
            assert!(!text.contains("secret"), "{text}");
        }
    }
}
