//! Two times: what the wall clock says, for display, and how long a server has run, for expiry. Where they come from is
//! an argument, [`Times`], which also ends waits.
//!
//! A wall clock may be wrong by years and be corrected at any moment; so nothing expires by it. Owned by the server,
//! which makes one [`Clock`] of what its mailbox stored last. Invariant: an [`Uptime`] grows only while the server
//! runs, as fast as the monotonic clock; a crash takes back what was not stored, a minute at most.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, Either, select};

use crate::message::{Timestamp, Uptime};
use crate::{task, time_text};

/// How long nothing expires after a start that waited then, at most: else it is a tenth of the time that things are
/// kept. So whoever was cut off together with the server can come first.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// By how much the wall clock may go ahead of the monotonic one, or fall behind, before it counts as set.
const LEAP: Duration = Duration::from_secs(10);

/// Where times come from: the system, or a test.
pub trait Times: fmt::Debug + Send + Sync + 'static {
    /// What the wall clock says.
    fn wall(&self) -> Timestamp;

    /// What the monotonic clock says.
    fn now(&self) -> Instant;

    /// Completes when the monotonic clock says this, or more.
    fn until(&self, when: Instant) -> BoxFuture<'static, ()>;
}

impl dyn Times + '_ {
    /// The future's output, or `None` if it takes longer than `limit`.
    pub async fn within<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        let over = self.until(self.now() + limit);
        match select(pin!(future), over).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemTimes;

impl Times for SystemTimes {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn until(&self, when: Instant) -> BoxFuture<'static, ()> {
        Box::pin(task::sleep(when.saturating_duration_since(Instant::now())))
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Clock {
    times: Arc<dyn Times>,
    started: Instant,
    before: Uptime,
}

impl Clock {
    /// The clock of a server that starts now and has run for so long `before`.
    pub fn resume(times: Arc<dyn Times>, before: Uptime) -> Self {
        Self { started: times.now(), times, before }
    }

    /// Where its times come from.
    pub fn times(&self) -> &dyn Times {
        &*self.times
    }

    /// What the wall clock says.
    pub fn wall(&self) -> Timestamp {
        self.times.wall()
    }

    /// How long the server has run in all.
    pub fn uptime(&self) -> Uptime {
        self.before + self.since_start()
    }

    /// Both times at this moment.
    pub fn moment(&self) -> Moment {
        Moment { wall: self.wall(), uptime: self.uptime(), running: self.since_start() }
    }

    /// See [`Moment::overdue`].
    pub fn overdue(&self, keep: Duration) -> Option<Uptime> {
        self.moment().overdue(keep)
    }

    /// How long it has run since it was last started.
    pub fn since_start(&self) -> Duration {
        self.times.now().saturating_duration_since(self.started)
    }
}

/// Both times, at one moment of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// What the wall clock said.
    pub wall: Timestamp,
    /// How long the server had run in all.
    pub uptime: Uptime,
    /// How long it had run since its last start.
    pub running: Duration,
}

impl Moment {
    /// What has waited since before this has waited for longer than `keep`, and may expire. None as long as nothing
    /// may.
    pub fn overdue(&self, keep: Duration) -> Option<Uptime> {
        let keep_millis = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let may = self.running >= (keep / 10).min(GRACE);
        self.uptime.0.checked_sub(keep_millis).filter(|_| may).map(Uptime)
    }
}

#[cfg(test)]
impl Moment {
    /// Some day in 2027, when a server starts for the first time.
    pub(crate) const START: Self =
        Self { wall: Timestamp(1_800_000_000_000), uptime: Uptime(0), running: Duration::ZERO };
}

/// Looks whether somebody sets the wall clock.
#[derive(Debug)]
pub struct Watch {
    wall: Timestamp,
    monotonic: Instant,
}

impl Watch {
    /// Looks from now on.
    pub fn begin(clock: &Clock) -> Self {
        Self { wall: clock.wall(), monotonic: clock.times.now() }
    }

    /// Whether the wall clock was set since the last look.
    pub fn look(&mut self, clock: &Clock) -> Option<Leap> {
        let now = Self::begin(clock);
        let passed = now.monotonic.saturating_duration_since(self.monotonic);
        let (wall, expected) = (now.wall, self.wall.after(passed));
        *self = now;
        let off = Duration::from_millis(wall.0.abs_diff(expected.0));
        (off > LEAP).then_some(Leap { wall, expected })
    }
}

/// The wall clock was set. To be read by the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leap {
    wall: Timestamp,
    expected: Timestamp,
}

impl fmt::Display for Leap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [wall, expected] =
            [self.wall, self.expected].map(|time| time_text::moment(time.printable(), 0));
        write!(
            f,
            "the wall clock says {wall}, and by what it said before it is {expected}: it was set, or the machine slept. Nothing expires sooner or later for it; times that people see are the clock's"
        )
    }
}

#[cfg(test)]
pub(crate) mod fake {
    use std::sync::Mutex;

    use super::*;

    /// Clocks that a test sets. Nobody waits by them.
    #[derive(Debug)]
    pub(crate) struct FakeTimes(Mutex<(Timestamp, Instant)>);

    impl FakeTimes {
        pub(crate) fn new() -> Arc<Self> {
            Arc::new(Self(Mutex::new((Timestamp(1_800_000_000_000), Instant::now()))))
        }

        /// Time goes by, on both clocks.
        pub(crate) fn pass(&self, time: Duration) {
            let mut both = self.0.lock().unwrap();
            *both = (both.0.after(time), both.1 + time);
        }

        /// Somebody sets the wall clock.
        pub(crate) fn set_wall(&self, wall: Timestamp) {
            self.0.lock().unwrap().0 = wall;
        }
    }

    impl Times for FakeTimes {
        fn wall(&self) -> Timestamp {
            self.0.lock().unwrap().0
        }

        fn now(&self) -> Instant {
            self.0.lock().unwrap().1
        }

        fn until(&self, when: Instant) -> BoxFuture<'static, ()> {
            panic!("somebody waits until {when:?}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fake::FakeTimes;
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn uptime_goes_on_where_it_was_whatever_the_wall_clock_says() {
        let times = FakeTimes::new();
        let clock = Clock::resume(times.clone(), Uptime(7));
        times.set_wall(Timestamp(u64::MAX));
        times.pass(Duration::from_millis(5));
        assert_eq!(clock.uptime(), Uptime(12));
        times.set_wall(Timestamp(0));
        times.pass(DAY);
        assert_eq!(clock.uptime().since(Uptime(12)), DAY);
        assert_eq!(Clock::resume(times, Uptime(12)).uptime(), Uptime(12));
    }

    #[test]
    fn what_waited_at_a_start_has_a_tenth_of_its_time_or_five_minutes() {
        let (times, kept) = (FakeTimes::new(), Uptime(0) + 40 * DAY);
        for (keep, grace) in [(30 * DAY, 5 * MINUTE), (10 * MINUTE, MINUTE)] {
            let clock = Clock::resume(times.clone(), kept);
            times.pass(grace - Duration::from_millis(1));
            assert_eq!(clock.overdue(keep), None, "{keep:?}");
            times.pass(Duration::from_millis(1));
            assert_eq!(clock.overdue(keep).map(|it| clock.uptime().since(it)), Some(keep));
        }
    }

    #[test]
    fn nothing_is_older_than_the_server() {
        let times = FakeTimes::new();
        let clock = Clock::resume(times.clone(), Uptime(0));
        times.pass(29 * DAY);
        assert_eq!(clock.overdue(30 * DAY), None);
        assert_eq!(Uptime(3).since(Uptime(9)), Duration::ZERO);
    }

    #[test]
    fn a_wall_clock_that_is_set_is_told_once_with_both_times() {
        let times = FakeTimes::new();
        let clock = Clock::resume(times.clone(), Uptime(0));
        let mut watch = Watch::begin(&clock);
        times.pass(DAY);
        times.set_wall(clock.wall().after(LEAP));
        assert_eq!(watch.look(&clock), None, "a clock is set a little all the time");
        times.set_wall(Timestamp(1_700_000_000_000));
        times.pass(MINUTE);
        let told = watch.look(&clock).unwrap().to_string();
        assert!(told.contains("says 2023-11-14T22:14:20Z"), "{told}");
        assert!(told.contains("it is 2027-01-16T08:01:10Z"), "{told}");
        assert_eq!(watch.look(&clock), None);
    }
}
