//! What a face is to do: what the command line says, and what was set.

use std::time::Duration;

use tinychat::client::{HANDSHAKE, Proxies, Target, Unasked};
use tinychat::ui::settings::Settings;
use tinychat::ui::start::entry::{self, Options};

use crate::flags::Flags;

const DEFAULT_SERVER: &str = "127.0.0.1";

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// What the command line says goes before what was set.
pub(crate) fn options(flags: &Flags, settings: Settings) -> Result<Options, entry::Error> {
    let server = flags.server.clone().or(settings.server);
    let (server, misnamed) = match server.as_deref().unwrap_or(DEFAULT_SERVER).parse::<Target>() {
        Ok(server) => (server, None),
        Err(error) => (DEFAULT_SERVER.parse()?, Some(error)),
    };
    Ok(Options {
        server,
        misnamed,
        tls: flags.tls.or(settings.tls).unwrap_or(true),
        proxies: Proxies::new(flags.proxy.clone(), settings.proxy, variable),
        handshake: flags.handshake.or(settings.handshake).unwrap_or(HANDSHAKE),
        user: flags.user.clone().or(settings.user),
        to: flags.to.clone().or(settings.to),
        data: flags.data.clone().or(settings.data),
        identity: flags.identity.clone().or(settings.identity),
        commands: flags.commands,
        follow: flags.follow || settings.follow,
        receipts: flags.receipts || settings.receipts,
        seal: flags.seal.or(settings.seal).unwrap_or_default(),
        read_receipts: flags.read_receipts || settings.read_receipts,
        get_up_to: flags.get_up_to.or(settings.get_up_to).unwrap_or(Unasked::DEFAULT.file),
        timeout: flags.timeout.or(settings.timeout).unwrap_or(DEFAULT_TIMEOUT),
    })
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}
