//! What SIGHUP does: the file of options and the certificate are read again.
//!
//! Owned by the program: one task. Invariant: a file with a mistake changes nothing, and whatever cannot change while the
//! server runs is named.

use std::sync::Arc;

use tinychat::args::{Settings, Stop};
use tinychat::log_output::{Event, Events};
use tinychat::server::Tuning;
use tinychat::signals::Hangups;
use tinychat::task;
use tinychat::trust::Fingerprint;
use tinychat::trust::tls::Certificates;

use crate::file::{CommandLine, Place};
use crate::keys;
use crate::supervisor::{News, Supervisor};
use crate::tell;

/// What the server was started with.
pub(crate) struct Reload {
    line: CommandLine,
    place: Place,
    /// What the file said then; of some keys that counts as long as the server runs.
    begun: Settings,
    /// What it said when it was read last.
    now: Settings,
    has_sockets: bool,
}

impl Reload {
    pub(crate) fn new(line: CommandLine, place: Place, begun: Settings, has_sockets: bool) -> Self {
        Self { line, place, now: begun.clone(), begun, has_sockets }
    }

    /// Reads all again whenever SIGHUP comes. There may be nothing to read.
    pub(crate) async fn whenever_asked(
        mut self,
        tuning: Tuning,
        certificates: Option<Arc<Certificates>>,
        mut hangups: Hangups,
        manager: Arc<Supervisor>,
    ) {
        while hangups.next().await {
            manager.tell(News::Reloading).await;
            if self.place != Place::Nowhere {
                self.read_file(&tuning).await;
            }
            if let Some(certificates) = certificates.clone() {
                read_certificate(certificates).await;
            }
            manager.tell(News::Ready).await;
        }
    }

    async fn read_file(&mut self, tuning: &Tuning) {
        let place = self.place.clone();
        let read = task::blocking(move || place.read().map_err(|error| error.to_string())).await;
        if let Err(error) = read.and_then(|next| self.obey(next, tuning)) {
            log::error!(
                logger: Events,
                event = Event::ConfigRefused;
                "{error}; the options stay what they were"
            );
        }
    }

    fn obey(&mut self, next: Settings, tuning: &Tuning) -> Result<(), String> {
        let flags = self.line.over(&next).map_err(|stop| match stop {
            Stop::Help(text) | Stop::Usage(text) => text,
        })?;
        let level = flags.log_level;
        let config = flags.config(self.has_sockets).map_err(|error| error.to_string())?;
        tuning.set(&config);
        log::set_max_level(level);
        self.report(&next);
        self.now = next;
        Ok(())
    }

    /// Says which keys have changed, and which of those do not count yet.
    fn report(&self, next: &Settings) {
        let (hidden, changed): (Vec<_>, Vec<_>) =
            self.now.changed(next).into_iter().partition(|key| self.line.says(key));
        let changed: Vec<_> = changed.into_iter().filter(|key| keys::is_live(key)).collect();
        log::info!(
            logger: Events,
            event = Event::ConfigReloaded,
            changed = changed.join(" ");
            "read the options again; changed: {}",
            if changed.is_empty() { "none".to_owned() } else { changed.join(", ") }
        );
        for key in self.begun.changed(next) {
            if !keys::is_live(key) && !self.line.says(key) {
                log::warn!("{key}: takes effect at the next start");
            }
        }
        for key in hidden {
            log::warn!("{key}: the command line says it, and goes before the file");
        }
    }
}

async fn read_certificate(certificates: Arc<Certificates>) {
    let (reloading, old) = (certificates.clone(), certificates.current().fingerprint);
    match task::blocking(move || reloading.reload()).await {
        Ok(()) => tell_of_change(old, certificates.current().fingerprint),
        Err(error) => log::error!("{error}; the certificate stays the one that it was"),
    }
}

fn tell_of_change(old: Fingerprint, new: Fingerprint) {
    log::info!(
        logger: Events,
        event = Event::CertificateRead,
        key:% = new;
        "read the certificate again"
    );
    if new != old {
        tell(format_args!("the key was {old} and is {new} now"));
        tell("clients that know the old one refuse the new one until their owners accept it");
    }
}
