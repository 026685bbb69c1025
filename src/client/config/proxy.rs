//! The proxy on the way to a server, as people name it: by a flag or a setting, or by the variables that curl, git and
//! others heed.
//!
//! Owned by whoever starts a client. Invariant: what stays on this machine needs no proxy, and a proxy that was named and
//! cannot be used is never passed by in silence. A password is never displayed.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use thiserror::Error;
use url::Url;

use super::address::Address;
use crate::zone;

/// The scheme that is spoken: SOCKS5 (RFC 1928), where the proxy looks names up.
const SCHEME: &str = "socks5h";

/// The port of a proxy that names none.
const DEFAULT_PORT: u16 = 1080;

/// What stands for no proxy at all, whatever the variables say.
const NONE: &str = "none";

/// How long a name or a password may be, in bytes (RFC 1929).
const MAX_LOGIN: usize = 255;

/// The variables, those in small letters first, as curl has it.
const PROXIES: [&str; 2] = ["all_proxy", "ALL_PROXY"];
const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// A SOCKS5 proxy. Displayed without its login.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// A name and a password, if it wants them.
    pub(crate) login: Option<(String, String)>,
}

/// What a person wants, before it is known for which server.
#[derive(Clone, Default)]
pub struct Proxies {
    /// As it was said, and where.
    wanted: Option<(Source, String)>,
    exceptions: String,
}

/// Why a server cannot be reached as it was wanted. Made to be read by the person who said so.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum ProxyError {
    #[error(
        "{by} names no proxy; write it as {SCHEME}://HOST:PORT or {SCHEME}://NAME:PASSWORD@HOST:PORT"
    )]
    None { by: Source },
    #[error(
        "{by} names a proxy of the kind {scheme}, which is not spoken here; a SOCKS5 proxy is written as {SCHEME}://HOST:PORT, and --proxy {NONE} goes without one"
    )]
    Scheme { by: Source, scheme: String },
    #[error("the name and the password of a proxy have 1 to {MAX_LOGIN} bytes each")]
    Login,
    #[error(
        "{0} is an address on one link only, where no proxy leads; name it in NO_PROXY, or say --proxy {NONE}"
    )]
    OneLink(Address),
    #[error(
        "{0} is a host of Tor: it is reached through Tor's proxy, like --proxy {SCHEME}://127.0.0.1:9050"
    )]
    Onion(Address),
}

/// Who named a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The flag `--proxy`.
    Flag,
    /// The key `proxy` of `config.toml`.
    Setting,
    /// A variable of the environment.
    Variable(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("--proxy"),
            Self::Setting => f.write_str("proxy in config.toml"),
            Self::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}

impl Proxies {
    /// What the command line says, else `config.toml`, else the environment.
    pub fn new(
        flag: Option<String>,
        setting: Option<String>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let filled = |name: &'static str| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.map(|value| (Source::Variable(name), value))
        };
        let flag = flag.map(|flag| (Source::Flag, flag));
        let setting = || setting.map(|setting| (Source::Setting, setting));
        let exceptions = EXCEPTIONS.into_iter().find_map(filled);
        Self {
            wanted: flag.or_else(setting).or_else(|| PROXIES.into_iter().find_map(filled)),
            exceptions: exceptions.map(|(_, value)| value).unwrap_or_default(),
        }
    }

    /// What the command line says, as it was said.
    pub fn said(&self) -> Option<&str> {
        match &self.wanted {
            Some((Source::Flag, text)) => Some(text),
            _ => None,
        }
    }

    /// The proxy on the way to a server, if there is to be one.
    pub fn to(&self, server: &Address) -> Result<Option<Proxy>, ProxyError> {
        let Some((host, _)) = server.host_and_port() else { return Ok(None) };
        let wanted = self.wanted.as_ref().filter(|(_, text)| text != NONE);
        match wanted.filter(|_| !self.goes_direct(server, host)) {
            Some(_) if host.contains('%') => Err(ProxyError::OneLink(server.clone())),
            Some((source, text)) => parse(text, *source).map(Some),
            None if is_onion(host) => Err(ProxyError::Onion(server.clone())),
            None => Ok(None),
        }
    }

    fn goes_direct(&self, server: &Address, host: &str) -> bool {
        let mut exceptions = self.exceptions.split([',', ' ']).filter(|it| !it.is_empty());
        server.is_local() || exceptions.any(|it| is_exception(it, host))
    }
}

/// Whether a host is named by one word of `NO_PROXY`: by its name, or a name above it; as an address, or a network.
fn is_exception(word: &str, host: &str) -> bool {
    if word == "*" {
        return true;
    }
    let word = word.trim_matches(['[', ']']).to_ascii_lowercase();
    if let Ok(ip) = zone::without(host).parse::<IpAddr>() {
        let is_within = word.parse::<IpNet>().is_ok_and(|network| network.contains(&ip));
        return is_within || zone::without(&word).parse() == Ok(ip);
    }
    let name = word.trim_start_matches('.').trim_end_matches('.');
    let above = host.trim_end_matches('.').strip_suffix(name);
    !name.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

/// Whether a name means something to Tor alone; nobody else is to be asked for it (RFC 7686).
fn is_onion(host: &str) -> bool {
    host.trim_end_matches('.').ends_with(".onion")
}

fn parse(text: &str, source: Source) -> Result<Proxy, ProxyError> {
    let wrong = ProxyError::None { by: source };
    let Some((scheme, _)) = text.split_once("://") else { return Err(wrong) };
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Err(ProxyError::Scheme { by: source, scheme: scheme.into() });
    }
    let Ok(url) = Url::parse(text) else { return Err(wrong) };
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none();
    let host = url.host_str().map(|host| host.trim_matches(['[', ']'])).unwrap_or_default();
    if host.is_empty() || !is_bare || url.port() == Some(0) {
        return Err(wrong);
    }
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from);
    let login = match (url.username(), url.password()) {
        ("", None) => None,
        (name, password) => {
            let login = decoded(name).and_then(|name| Ok((name, decoded(password.unwrap_or(""))?)));
            Some(login.map_err(|_| ProxyError::Login)?)
        }
    };
    let is_long = |it: &String| it.is_empty() || it.len() > MAX_LOGIN;
    if login.as_ref().is_some_and(|(name, password)| is_long(name) || is_long(password)) {
        return Err(ProxyError::Login);
    }
    let port = url.port().unwrap_or(DEFAULT_PORT);
    Ok(Proxy { host: host.to_ascii_lowercase(), port, login })
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, ProxyError> {
        parse(text, Source::Flag)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// There may be a password in it.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proxies")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(text: &str) -> Result<Proxy, ProxyError> {
        text.parse()
    }

    /// What is chosen with these variables, and this said to the program.
    fn chosen(
        flag: Option<&str>,
        variables: &[(&str, &str)],
        server: &str,
    ) -> Result<Option<Proxy>, ProxyError> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(it, _)| *it == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Proxies::new(flag.map(Into::into), None, variable).to(&server.parse().unwrap())
    }

    #[test]
    fn a_proxy_has_a_host_and_may_have_a_port_and_a_login() {
        let plain = proxy("socks5h://127.0.0.1:9050").unwrap();
        assert_eq!((plain.to_string().as_str(), &plain.login), ("127.0.0.1:9050", &None));
        for (text, shown) in [
            ("SOCKS5H://Proxy.Example.org/", "proxy.example.org:1080"),
            ("socks5h://[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(proxy(text).unwrap().to_string(), shown);
        }
        let signed = proxy("socks5h://john:p%40ss%3A@host:9").unwrap();
        assert_eq!(signed.login, Some(("john".into(), "p@ss:".into())));
        for shown in [signed.to_string(), format!("{signed:?}")] {
            assert!(!shown.contains("p@ss") && !shown.contains("p%40ss"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_proxy_is_refused_by_its_name() {
        for (text, said) in [
            ("host:9050", "names no proxy"),
            ("", "names no proxy"),
            ("socks5h://", "names no proxy"),
            ("socks5h://host:0", "names no proxy"),
            ("socks5h://host:99999", "names no proxy"),
            ("socks5h://host/path", "names no proxy"),
            ("socks5://host", "of the kind socks5, which"),
            ("http://host:3128", "of the kind http, which"),
            ("socks5h://john@host", "1 to 255 bytes"),
            ("socks5h://:secret@host", "1 to 255 bytes"),
            ("socks5h://%ff:secret@host", "1 to 255 bytes"),
        ] {
            let error = proxy(text).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_said_to_the_program_goes_before_what_is_said_to_all() {
        let server = "chat.example.org";
        let variables = [("ALL_PROXY", "socks5h://two"), ("all_proxy", "socks5h://one")];
        let chosen = |named, variables: &[_]| {
            let proxy = chosen(named, variables, server).unwrap();
            proxy.map(|proxy| proxy.host)
        };
        assert_eq!(chosen(None, &[]), None);
        assert_eq!(chosen(None, &variables), Some("one".into()));
        assert_eq!(chosen(None, &[variables[0], ("all_proxy", "")]), Some("two".into()));
        assert_eq!(chosen(Some("socks5h://three"), &variables), Some("three".into()));
        assert_eq!(chosen(Some("none"), &variables), None);
        let said = |flag: Option<&str>| {
            let text = |text: &str| Some(text.to_owned());
            let proxies =
                Proxies::new(flag.and_then(text), text("http://four"), |_| text("socks5h://one"));
            proxies.to(&server.parse().unwrap())
        };
        assert!(said(None).unwrap_err().to_string().contains("proxy in config.toml"));
        assert_eq!(said(Some("none")), Ok(None));
    }

    #[test]
    fn a_variable_that_cannot_be_used_is_named() {
        let said = |server: &str| chosen(None, &[("ALL_PROXY", "http://host:3128")], server);
        let error = said("chat.example.org").unwrap_err().to_string();
        assert!(error.contains("the variable ALL_PROXY") && error.contains("http"), "{error}");
        for server in ["127.0.0.1", "localhost:9", "[::1]", "unix:/run/chat"] {
            assert_eq!(said(server), Ok(None), "{server}");
        }
    }

    #[test]
    fn exceptions_are_hosts_what_is_below_them_and_networks() {
        let goes_direct = |exceptions: &str, server: &str| {
            let variables = [("NO_PROXY", exceptions), ("ALL_PROXY", "socks5h://proxy")];
            chosen(None, &variables, server).unwrap().is_none()
        };
        for (exceptions, server) in [
            ("*", "chat.example.org"),
            ("other, example.org", "chat.example.org:9"),
            (".example.org", "Chat.Example.org"),
            ("EXAMPLE.org.", "example.org"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.0/24", "192.0.2.200"),
            ("[2001:db8::1]", "[2001:db8::1]:9"),
            ("2001:db8::/32", "[2001:db8::9]"),
        ] {
            assert!(goes_direct(exceptions, server), "{exceptions}: {server}");
        }
        for (exceptions, server) in [
            ("", "chat.example.org"),
            ("ample.org", "chat.example.org"),
            ("chat.example.org", "example.org"),
            (".", "chat.example.org"),
            ("192.0.2.0/24", "192.0.3.1"),
            ("2.1", "192.0.2.1"),
        ] {
            assert!(!goes_direct(exceptions, server), "{exceptions}: {server}");
        }
    }

    #[test]
    fn some_hosts_are_reached_in_one_way_only() {
        let onion = "abcdefgh.onion:7878";
        let error = chosen(None, &[], onion).unwrap_err();
        assert!(matches!(error, ProxyError::Onion(_)), "{error}");
        assert!(chosen(Some("socks5h://127.0.0.1:9050"), &[], onion).unwrap().is_some());
        let error = chosen(Some("socks5h://127.0.0.1:9050"), &[], "[fe80::1%eth0]").unwrap_err();
        assert!(matches!(error, ProxyError::OneLink(_)), "{error}");
        assert_eq!(chosen(None, &[], "[fe80::1%eth0]"), Ok(None));
        let variables = [("NO_PROXY", "fe80::/10"), ("ALL_PROXY", "socks5h://proxy")];
        assert_eq!(chosen(None, &variables, "[fe80::1%eth0]"), Ok(None));
    }
}
