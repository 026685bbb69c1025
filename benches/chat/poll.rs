//! Waiting for many sockets at once: `epoll`, without anything around it, for the load and for the
//! plain relay alike.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fs::Timespec;

use super::Result;

/// How many sockets are told about at once.
const EVENTS: usize = 1_024;

pub(super) struct Poll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Poll {
    pub(super) fn new() -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS) })
    }

    /// Tells from now on when a socket can be read, and names it so.
    pub(super) fn add(&self, socket: impl AsFd, name: usize) -> Result<()> {
        let data = EventData::new_u64(name as u64);
        Ok(epoll::add(&self.epoll, socket, data, EventFlags::IN)?)
    }

    /// Tells also, or no longer, when it can be written.
    pub(super) fn set_writing(&self, socket: impl AsFd, name: usize, on: bool) -> Result<()> {
        let flags = if on { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        let data = EventData::new_u64(name as u64);
        Ok(epoll::modify(&self.epoll, socket, data, flags)?)
    }

    /// Tells nothing about a socket any more.
    pub(super) fn remove(&self, socket: impl AsFd) -> Result<()> {
        Ok(epoll::delete(&self.epoll, socket)?)
    }

    /// Waits. The names of the sockets that are ready; none after so long.
    pub(super) fn wait(&mut self, limit: Option<Duration>) -> Result<Vec<usize>> {
        let limit = limit.map(Timespec::try_from).transpose()?;
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let name = |event: &epoll::Event| Ok(usize::try_from(event.data.u64())?);
        self.events.iter().map(name).collect()
    }
}
