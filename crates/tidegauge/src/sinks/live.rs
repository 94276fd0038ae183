//! Records into rolling windows, for the live table.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use tidegauge_core::{Record, Sink};
use tidegauge_measure::{Bounds, Row, Span, Windows};

/// Rolling windows whose time is that of the records themselves: the clock that timed the exchanges
/// is the only one there is.
pub struct Live {
    windows: Windows,
    /// The latest end of an exchange, in nanoseconds since 1970.
    latest: AtomicU64,
}

impl Live {
    /// Empty windows.
    pub fn new() -> Self {
        Self { windows: Windows::new(Bounds::default()), latest: AtomicU64::new(0) }
    }

    /// What the window shows as of the latest record.
    pub fn rows(&self, span: Span) -> Vec<Row> {
        self.windows.rows(Duration::from_nanos(self.latest.load(Ordering::Relaxed)), span)
    }
}

impl Default for Live {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for Live {
    fn record(&self, record: &Record) {
        let begun = record.exchange.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ended = begun + record.exchange.times.ended;
        let ended = u64::try_from(ended.as_nanos()).unwrap_or(u64::MAX);
        let now = self.latest.fetch_max(ended, Ordering::Relaxed).max(ended);
        self.windows.add(Duration::from_nanos(now), record);
    }
}
