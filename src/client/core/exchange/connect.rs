//! Connecting to the server, and obeying orders meanwhile.
//!
//! Owned by the core. Invariant: before anything is said to a server, everything that belongs to it is stored under its
//! key.

use std::time::{Duration, Instant};

use async_channel::Receiver;
use futures::future::{Either, select};

use super::super::exit::Exit;
use super::super::likeness::Likeness;
use super::super::order::Order;
use super::super::state::Core;
use crate::client::event::{Absence, Event, Failure};
use crate::client::line::broken::Broken;
use crate::client::line::connection::Connection;
use crate::client::line::sign_in::{FirstTry, Visit};
use crate::client::store::servers::{self, Arrival};
use crate::task;

impl Core {
    /// Connects and signs in.
    pub(crate) async fn connect(&mut self, orders: &Receiver<Order>) -> Result<Connection, Exit> {
        self.met = self.store.run(servers::met).await?;
        if self.first_try.is_none() {
            self.look_for_key(orders).await?;
        }
        let reached = self.meanwhile(self.door().reach(), orders).await?;
        if let Some(arrival) = reached.arrival {
            self.arrive(arrival).await?;
        }
        self.pin_people().await?;
        let visit = Visit {
            config: self.config.clone(),
            identity: self.identity.clone(),
            installation: self.installation,
            proved: self.proved.clone(),
            first_try: self.first_try.clone(),
        };
        self.meanwhile(Connection::open(reached, visit), orders).await
    }

    /// The agent may have lost the key. Then nothing is said to the server.
    async fn look_for_key(&mut self, orders: &Receiver<Order>) -> Result<(), Exit> {
        let identity = self.identity.clone();
        let look =
            async { task::blocking(move || identity.look()).await.map_err(Broken::Unsigned) };
        self.meanwhile(look, orders).await
    }

    /// The first try to sign in ended like this: if somebody waits for that and may be able to help, it is not retried.
    pub(crate) fn take_first_try(&mut self, exit: Exit) -> Exit {
        match (exit, self.first_try.take()) {
            (Exit::Unsigned(error), Some(first_try))
                if !first_try.is_closed()
                    && (self.identity.can_be_unlocked() || !error.may_pass()) =>
            {
                let because = error.to_string();
                let _ = first_try.try_send(FirstTry::Unsigned(because.clone()));
                Exit::Failed(Failure::Unsigned(because))
            }
            (exit, _) => exit,
        }
    }

    /// How long to wait before connecting again, if that is worth it, and why.
    pub(crate) fn next_wait(&mut self, exit: Exit) -> Result<(Absence, Duration), Exit> {
        let (chance, backoff) = (fastrand::f64(), &mut self.backoff);
        Ok(match exit {
            Exit::Away(because) => (Absence::Server(because), backoff.next(chance)),
            Exit::Busy(because) => (Absence::Server(because), backoff.next_when_busy(chance)),
            Exit::Unsigned(error) if error.is_refusal() => {
                (Absence::Agent(error.to_string()), backoff.next_when_refused(chance))
            }
            Exit::Unsigned(error) => (Absence::Agent(error.to_string()), backoff.next(chance)),
            exit => return Err(exit),
        })
    }

    /// Waits before connecting again.
    pub(crate) async fn pause(
        &mut self,
        because: Absence,
        retry_in: Duration,
        orders: &Receiver<Order>,
    ) -> Result<(), Exit> {
        self.absence = Some(because.clone());
        self.tell(Event::Disconnected { because, retry_in });
        let until = Instant::now() + retry_in;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.tell_known_keys().await?;
            self.tell_deferred_blocks();
            self.check_patience(false)?;
            let limit = left.min(self.time_left());
            let command = task::within(limit, orders.recv()).await;
            self.obey_next(command, orders, None).await?;
        }
        Ok(())
    }

    /// Obeys orders until something is done.
    pub(crate) async fn meanwhile<T>(
        &mut self,
        work: impl Future<Output = Result<T, Broken>>,
        orders: &Receiver<Order>,
    ) -> Result<T, Exit> {
        let mut work = Box::pin(work);
        loop {
            self.check_patience(false)?;
            let limit = self.time_left();
            let command = Box::pin(task::within(limit, orders.recv()));
            match select(work, command).await {
                Either::Left((done, _)) => return Ok(done?),
                Either::Right((command, rest)) => {
                    work = rest;
                    self.obey_next(command, orders, None).await?;
                }
            }
        }
    }

    /// The server is now known by its key. What was written for it before belongs to it.
    async fn arrive(&mut self, arrival: Arrival) -> Result<(), Exit> {
        let address = self.config.server.clone();
        let arrive = move |tx: &rusqlite::Transaction<'_>| {
            let (home, is_more) = servers::arrive(tx, &address, arrival)?;
            Ok((home, is_more, servers::met(tx)?))
        };
        let (home, is_more, met) = self.store.run(arrive).await?;
        if self.server != home.server || is_more {
            self.likeness = Likeness::default();
        }
        (self.server, self.installation, self.met) = (home.server, home.installation, met);
        if is_more {
            self.tell(Event::Joined);
            self.read_anew().await?;
        }
        Ok(())
    }

    /// There is more in the store than was given to the face.
    async fn read_anew(&mut self) -> Result<(), Exit> {
        self.files.look();
        for (peer, conversation) in self.conversations.iter_mut().filter(|(_, it)| it.faced) {
            conversation.unshown_above = Some(self.given.get(peer).copied().unwrap_or_default());
        }
        self.announce_unshown(None).await?;
        self.give_unshown().await
    }
}
