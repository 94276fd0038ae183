//! Records into rolling windows, for the live table.

use tidegauge_core::{Record, Sink};
use tidegauge_measure::{Bounds, Row, Span, Windows};
use tidegauge_proxy::Clock;

/// Rolling windows on the clock that times the exchanges.
pub struct Live {
    windows: Windows,
    clock: Clock,
}

impl Live {
    /// Empty windows.
    pub fn new(clock: Clock) -> Self {
        Self { windows: Windows::new(Bounds::default()), clock }
    }

    /// What a window shows now, the total without a key.
    pub fn rows(&self, span: Span) -> Vec<Row> {
        self.windows.rows(self.clock.now(), span)
    }
}

impl Sink for Live {
    fn record(&self, record: &Record) {
        self.windows.add(self.clock.now(), record);
    }
}
