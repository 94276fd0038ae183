//! Turns many durations into percentiles: sparse while they are collected, dense when they are read.
//!
//! Buckets are those of an HDR histogram with two significant digits: the 8 leading bits of a value
//! are kept. A bucket is at most 1/128 of its value wide and its middle is what is reported, so a
//! percentile is within 0.4 % of the sample it stands for. Must not know: what is measured.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hdrhistogram::Histogram;

/// Leading bits of a value that are kept.
const KEPT_BITS: u32 = 8;

/// Significant decimal digits that the kept bits are enough for.
const DIGITS: u8 = 2;

/// What one bucket of a sparse histogram occupies.
const ENTRY_BYTES: u64 = 8;

/// Percentiles of a set of durations, each within 0.4 % of the sample at that rank.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Percentiles {
    /// How many durations.
    pub count: u64,
    /// Half are at most this.
    pub p50: Duration,
    /// 90 % are at most this.
    pub p90: Duration,
    /// 95 % are at most this.
    pub p95: Duration,
    /// 99 % are at most this.
    pub p99: Duration,
}

/// Memory that all sparse histograms share, in bytes.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: u64,
    used: AtomicU64,
    refused: AtomicU64,
}

/// The step of a clock: what is measured in microseconds needs no finer one, and 32 bits must hold
/// the longest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Up to 71 minutes.
    Micro,
    /// A tenth of a microsecond, up to 7 minutes.
    Tenth,
}

/// Counts by bucket, sorted; only buckets that were hit.
#[derive(Debug, Default)]
pub(crate) struct Sparse {
    entries: Vec<(u32, u32)>,
}

/// Every bucket; made to be added to and read once.
#[derive(Debug)]
pub(crate) struct Dense {
    counts: Histogram<u64>,
    step: Step,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, used: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Durations that found no room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        self.used
            .fetch_update(Relaxed, Relaxed, |used| {
                used.checked_add(bytes).filter(|used| *used <= self.limit)
            })
            .is_ok()
    }
}

impl Step {
    fn nanos(self) -> u128 {
        match self {
            Self::Micro => 1_000,
            Self::Tenth => 100,
        }
    }

    /// Whole steps, to the nearest; saturates.
    fn count(self, time: Duration) -> u32 {
        let steps = (time.as_nanos() + self.nanos() / 2) / self.nanos();
        u32::try_from(steps).unwrap_or(u32::MAX)
    }

    fn time(self, steps: u64) -> Duration {
        let nanos = u128::from(steps) * self.nanos();
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

impl Sparse {
    /// Counts one duration; when a new bucket finds no room it is refused and counted as that.
    pub(crate) fn add(&mut self, step: Step, time: Duration, budget: &Budget) {
        let bucket = bucket(step.count(time));
        match self.entries.binary_search_by_key(&bucket, |(value, _)| *value) {
            Ok(index) => {
                if let Some((_, count)) = self.entries.get_mut(index) {
                    *count = count.saturating_add(1);
                }
            }
            Err(index) if self.has_room(budget) => self.entries.insert(index, (bucket, 1)),
            Err(_) => {
                budget.refused.fetch_add(1, Relaxed);
            }
        }
    }

    /// Forgets everything and gives its memory back.
    pub(crate) fn clear(&mut self, budget: &Budget) {
        budget.used.fetch_sub(bytes(self.entries.capacity()), Relaxed);
        self.entries = Vec::new();
    }

    fn has_room(&mut self, budget: &Budget) -> bool {
        let before = self.entries.capacity();
        if self.entries.len() < before {
            return true;
        }
        let more = before.max(4);
        if !budget.take(bytes(more)) {
            return false;
        }
        self.entries.reserve_exact(more);
        // The allocator may give more than was asked for.
        let unasked = self.entries.capacity().saturating_sub(before + more);
        budget.used.fetch_add(bytes(unasked), Relaxed);
        true
    }
}

impl Dense {
    #[expect(clippy::expect_used, reason = "constant bounds")]
    pub(crate) fn new(step: Step) -> Self {
        let counts = Histogram::new_with_bounds(1, u64::from(u32::MAX), DIGITS);
        Self { counts: counts.expect("invariant: the bounds are valid"), step }
    }

    pub(crate) fn add(&mut self, other: &Sparse) {
        for (value, count) in &other.entries {
            self.counts.saturating_record_n(u64::from(*value), u64::from(*count));
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        // Both have the same constant bounds, so every value of the one is in the other's range.
        let added = self.counts.add(&other.counts);
        debug_assert!(added.is_ok());
    }

    /// `None` when nothing was counted.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        let at = |quantile| {
            let steps = self.counts.value_at_quantile(quantile);
            self.step.time(self.counts.median_equivalent(steps))
        };
        (!self.counts.is_empty()).then(|| Percentiles {
            count: self.counts.len(),
            p50: at(0.50),
            p90: at(0.90),
            p95: at(0.95),
            p99: at(0.99),
        })
    }
}

/// The least value of the bucket that `value` is in.
fn bucket(value: u32) -> u32 {
    let dropped = (u32::BITS - value.leading_zeros()).saturating_sub(KEPT_BITS);
    value >> dropped << dropped
}

fn bytes(entries: usize) -> u64 {
    u64::try_from(entries).unwrap_or(u64::MAX).saturating_mul(ENTRY_BYTES)
}

#[cfg(test)]
mod tests;
