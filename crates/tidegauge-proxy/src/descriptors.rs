//! Running out of file descriptors: a fault of this process, whoever a connection was for.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tidegauge_core::Health;

use crate::Clock;

/// How often it is warned about.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// The process has no descriptor left, or the system has none (`EMFILE`, `ENFILE`: the same numbers on
/// every Unix).
pub(crate) fn are_gone(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

/// What is told of it.
#[derive(Debug, Default)]
pub(crate) struct Shortage {
    /// When it was last warned about, in the clock's seconds of real time and at least 1; 0: never.
    warned: AtomicU64,
}

impl Shortage {
    /// There was none for this. Counts each, warns now and then.
    pub(crate) fn note(&self, health: &Health, clock: &Clock, wanted: &'static str) {
        health.descriptors_exhausted();
        let now = clock.real_time(clock.now()).as_secs() + 1;
        let warned = self.warned.load(Relaxed);
        let due = warned == 0 || now.saturating_sub(warned) >= WARN_EVERY.as_secs();
        let mine = || self.warned.compare_exchange(warned, now, Relaxed, Relaxed).is_ok();
        if due && mine() {
            tracing::warn!(
                wanted,
                "no file descriptor is left for a connection: raise the limit of open files \
                 (ulimit -n, LimitNOFILE) or lower limits.connections"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_and_few_are_told() {
        let (health, clock, shortage) = (Health::default(), Clock::real(), Shortage::default());
        for _ in 0..3 {
            shortage.note(&health, &clock, "a test");
        }
        assert_eq!(health.descriptors_missing(), 3);
        assert_eq!(shortage.warned.load(Relaxed), 1);
    }

    #[cfg(unix)]
    #[test]
    fn by_the_number_of_the_error() {
        for (number, gone) in [(23, true), (24, true), (111, false), (13, false)] {
            assert_eq!(are_gone(&io::Error::from_raw_os_error(number)), gone, "{number}");
        }
    }
}
