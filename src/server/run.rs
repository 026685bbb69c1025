//! How a server runs, and shuts down: its tasks, and the drain.
//!
//! Invariant: no task outlives [`Server::run`], except those that did not end within its deadline.

use std::convert::Infallible;
use std::time::Duration;

use super::link::End;
use super::start::Server;
use super::{accept, blocking, control, metrics, report, upkeep};
use crate::mailbox::Mailbox;
use crate::task;
use crate::wire::frame::ByeReason;

/// How long the last commit may take, and the last write to each book that is not written at once.
const FLUSH: Duration = Duration::from_secs(1);

impl Server {
    /// Serves until `stop` is done; then stops accepting, tells everybody, and waits for their tasks
    /// as long as [`Timing::drain`](super::Timing::drain).
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (live, all_done) = async_channel::bounded::<Infallible>(1);
        report::started(&self);
        control::log_earlier(&self.data);
        let host = self.host;
        let begun = host.clock.times().now();
        // Whoever watches is answered as long as anybody is served.
        let (watched, over) = async_channel::bounded::<Infallible>(1);
        let watching = self.metrics.map(|listener| {
            let (mailbox, data) = (self.mailbox.clone(), self.data.clone());
            let serve = metrics::serve(host.clone(), mailbox, data, listener, over);
            task::spawn("metrics", serve)
        });
        let mut tasks = vec![
            task::spawn(
                "commits",
                upkeep::watch_commits(
                    host.registry.clone(),
                    host.lists.clone(),
                    Some(host.clone()),
                ),
            ),
            task::spawn("heartbeat", upkeep::keep_in_touch(host.clone())),
            task::spawn("clock", upkeep::watch_the_clocks(host.clone(), self.mailbox.clone())),
            task::spawn("rates", upkeep::forget_the_quiet(host.clone(), self.reception.clone())),
            task::spawn("arrivals", accept::begin_in_turn(self.reception.clone())),
            task::spawn("blocks", blocking::withhold_unwanted(host.registry.clone())),
        ];
        let serve = control::serve(host.clone(), self.control, self.mailbox.clone(), self.data);
        tasks.push(task::spawn("control", serve));
        tasks.push(task::spawn("sweep", upkeep::sweep(host.clone())));
        tasks.push(task::spawn("files", upkeep::sweep_files(host.clone())));
        // Each accept task holds one, and each connection.
        let lives = vec![live; self.listeners.len()];
        let full = self.max_connections + lives.len();
        let accepting = self.listeners.into_iter().zip(lives).map(|(listener, live)| {
            task::spawn("accept", accept::accept(self.reception.clone(), listener, live, full))
        });
        tasks.extend(accepting);
        stop.await;
        drop(self.stop);
        for link in host.directory.links() {
            link.end(End::Bye(ByeReason::Shutdown));
        }
        // Every task that serves somebody holds a clone of `live`.
        if task::within(self.drain, all_done.recv()).await.is_none() {
            log::warn!("some connections did not end in time and are cut");
        }
        for task in tasks {
            task.cancel().await;
        }
        drop(watched);
        if let Some(watching) = watching {
            let _ = task::within(FLUSH, watching).await;
        }
        let _ = task::within(FLUSH, host.guests.write(host.clock.uptime())).await;
        let _ = task::within(FLUSH, host.write_seen()).await;
        if task::within(FLUSH, self.mailbox.close()).await.is_none() {
            log::error!("the disk takes too long; what was not stored is with its senders");
        }
        report::stopped(&host, &self.mailbox, begun);
    }
}
