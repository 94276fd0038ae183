//! The time, read here and nowhere else.
//!
//! Everything else is told what time it is. Timers (timeouts, back-offs) are not in here: they
//! always run in real time.

use std::time::{Duration, Instant, SystemTime};

/// A monotonic clock and the wall clock that belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
    wall: SystemTime,
    speed: u32,
}

impl Clock {
    /// Real time.
    pub fn real() -> Self {
        Self::compressed(1)
    }

    /// Time that runs `speed` times as fast as real time from now on, for demonstrations: a second
    /// of waiting is recorded as `speed` seconds. Zero counts as one.
    #[expect(clippy::disallowed_methods, reason = "the one reader of the clock")]
    pub fn compressed(speed: u32) -> Self {
        Self { origin: Instant::now(), wall: SystemTime::now(), speed: speed.max(1) }
    }

    /// Time since this clock was made. Never goes back.
    #[expect(clippy::disallowed_methods, reason = "the one reader of the clock")]
    pub fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(self.origin) * self.speed
    }

    /// The wall clock now. A real clock follows the system's, jumps included; a compressed one is
    /// counted on from when it was made.
    #[expect(clippy::disallowed_methods, reason = "the one reader of the clock")]
    pub(crate) fn wall(&self) -> SystemTime {
        if self.speed == 1 { SystemTime::now() } else { self.wall + self.now() }
    }

    /// How much real time a span of this clock's time is: what a timer has to wait.
    pub(crate) fn real_time(&self, span: Duration) -> Duration {
        span / self.speed
    }
}
