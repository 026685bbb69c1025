//! Clocks that a story sets, and ways on which everything takes its time by them; no tests.
//!
//! Owned by the story. Invariant: time passes only when the story says so, or a way of its own.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_std::task::block_on;
use event_listener::Event;
use futures::channel::oneshot;
use futures::future::BoxFuture;
use tinychat::clock::Times;
use tinychat::message::Timestamp;

use crate::world::patiently;

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct SetTimes {
    started: Instant,
    state: Mutex<State>,
    fell_asleep: Event,
}

#[derive(Debug)]
struct State {
    wall: Timestamp,
    now: Instant,
    asleep: Vec<Sleeper>,
}

/// Somebody who waits. Dropping this wakes them.
#[derive(Debug)]
struct Sleeper {
    when: Instant,
    wake: oneshot::Sender<Infallible>,
    gone_on: oneshot::Receiver<Infallible>,
}

impl SetTimes {
    /// It is some day in 2027.
    pub(crate) fn new() -> Arc<Self> {
        let started = Instant::now();
        let wall = Timestamp(1_800_000_000_000);
        let state = Mutex::new(State { wall, now: started, asleep: Vec::new() });
        Arc::new(Self { started, state, fell_asleep: Event::new() })
    }

    /// So much time passes, on both clocks. Ends when everybody who waited for it has gone on.
    pub(crate) async fn pass(&self, time: Duration) {
        for woken in self.wake(time) {
            // Nothing but its end is received there.
            let _ = patiently("who waited goes on", woken).await;
        }
    }

    /// So many days go by, on both clocks.
    pub(crate) fn days_pass(&self, days: u32) {
        drop(self.wake(days * A_DAY));
    }

    /// How much time has passed.
    pub(crate) fn passed(&self) -> Duration {
        self.state().now - self.started
    }

    /// Waits until so many wait for their time.
    pub(crate) async fn until_asleep(&self, count: usize) {
        loop {
            let one_more = self.fell_asleep.listen();
            if self.state().asleep().count() >= count {
                return;
            }
            patiently("somebody waits for their time", one_more).await;
        }
    }

    /// The wall clock is set ahead.
    pub(crate) fn wall_is_set_ahead(&self, days: u32) {
        let mut state = self.state();
        state.wall = state.wall.after(days * A_DAY);
    }

    /// It is set back.
    pub(crate) fn wall_is_set_back(&self, days: u32) {
        let mut state = self.state();
        state.wall = state.wall.before(days * A_DAY);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Moves both clocks on. Returns what ends when those who waited have gone on.
    fn wake(&self, time: Duration) -> Vec<oneshot::Receiver<Infallible>> {
        let mut state = self.state();
        (state.wall, state.now) = (state.wall.after(time), state.now + time);
        let now = state.now;
        state.asleep.extract_if(.., |it| it.when <= now).map(|it| it.gone_on).collect()
    }
}

impl State {
    /// Those who have not given up.
    fn asleep(&self) -> impl Iterator<Item = &Sleeper> {
        self.asleep.iter().filter(|it| !it.wake.is_canceled())
    }
}

impl Times for SetTimes {
    fn wall(&self) -> Timestamp {
        self.state().wall
    }

    fn now(&self) -> Instant {
        self.state().now
    }

    fn until(&self, when: Instant) -> BoxFuture<'static, ()> {
        let (wake, woken) = oneshot::channel();
        let (goes_on, gone_on) = oneshot::channel();
        let mut state = self.state();
        if when > state.now {
            state.asleep.push(Sleeper { when, wake, gone_on });
        }
        self.fell_asleep.notify(usize::MAX);
        Box::pin(async move {
            // Nothing but its end is received there.
            let _ = woken.await;
            drop(goes_on);
        })
    }
}

/// A way on which everything takes so long, by a clock that it moves itself.
///
/// What is said one after another in one direction arrives together; an answer to it starts then. So all of it takes as
/// long as answers are waited for, into however many pieces the network cuts what is said.
#[derive(Debug)]
pub(crate) struct SlowWay {
    times: Arc<SetTimes>,
    takes: Duration,
    last: Mutex<Option<Heading>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heading {
    There,
    Back,
}

impl SlowWay {
    /// A way that carries one connection.
    pub(crate) fn new(times: &Arc<SetTimes>, takes: Duration) -> Arc<Self> {
        Arc::new(Self { times: times.clone(), takes, last: Mutex::default() })
    }

    /// Something is on its way.
    pub(crate) fn carry(&self, heading: Heading) {
        // Held meanwhile: what comes from the other side waits for it.
        let mut last = self.last.lock().unwrap();
        if *last != Some(heading) {
            *last = Some(heading);
            self.pause(self.takes);
        }
    }

    /// Time passes.
    pub(crate) fn pause(&self, time: Duration) {
        block_on(self.times.pass(time));
    }
}
