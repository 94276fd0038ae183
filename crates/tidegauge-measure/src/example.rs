//! A record to begin tests with: one plain chat call that took a second.

use std::time::Duration;

use tidegauge_core::testing::{self, Mute};
use tidegauge_core::{Exchange, Measurement, Observation, Record, RecordKind, Upstream};

/// Milliseconds.
pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A record of `model` at `upstream` that took `duration`.
pub(crate) fn record(upstream: &str, model: &str, duration: Duration) -> Record {
    let mut observation = Observation::default();
    observation.request.model = Some(model.to_owned());
    let measurement = Measurement { duration, ..Measurement::default() };
    Record::new(RecordKind::Request, exchange(upstream), observation, measurement)
}

/// A chat call at `upstream` that was sent after 2 ms and ended after 1002.
pub(crate) fn exchange(upstream: &str) -> Exchange {
    testing::exchange(&Upstream { name: upstream.into(), ..testing::upstream(&Mute("plain")) })
}
