//! When the events of one answer came, and which of them carried tokens: for an HTTP stream and for a
//! turn over a socket alike.

use std::time::Duration;

use tidegauge_core::StreamTimes;

/// The times of one answer so far. Bounded: [`StreamTimes::MAX_GAPS`] gaps, more are counted only.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    times: StreamTimes,
    /// The last event.
    last: Option<Duration>,
}

impl Timeline {
    /// An event came.
    pub(crate) fn event(&mut self, at: Duration) {
        self.times.first_chunk.get_or_insert(at);
        if let Some(last) = self.last.replace(at) {
            if self.times.gaps.len() < StreamTimes::MAX_GAPS {
                self.times.gaps.push(at.saturating_sub(last));
            } else {
                self.times.gaps_dropped += 1;
            }
        }
    }

    /// It carried visible text, reasoning or tool arguments.
    pub(crate) fn token(&mut self, at: Duration) {
        self.times.first_token.get_or_insert(at);
        self.times.last_token = Some(at);
    }

    /// No more will come.
    pub(crate) fn finish(self) -> StreamTimes {
        self.times
    }

    /// How many bytes are held.
    #[cfg(feature = "testing")]
    pub(crate) fn held(&self) -> usize {
        self.times.gaps.capacity() * size_of::<Duration>()
    }
}
