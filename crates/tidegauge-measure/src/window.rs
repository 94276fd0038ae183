//! Turns finished records into live rows: counts and percentiles over the last minute, five minutes
//! and hour, by model and in total.
//!
//! The clock is an argument. Must not know: where rows are shown.
//!
//! # Memory
//!
//! Each series has three rings of 12 slots (5 s, 25 s and 5 min wide), so a window reaches back
//! between 11 and 12 slots. A slot is 184 bytes and a series 6.6 KiB: 3.3 MiB with the default bound
//! of 512 series (and one for the rest), and 16 bytes for each category seen in a slot. Durations
//! are in sparse histograms of 8 bytes a bucket that was hit: a few hundred buckets in a busy
//! model's slot. All of them together are bounded by [`Bounds::histogram_bytes`] (64 MiB by
//! default); past it, durations that need a new bucket are refused and counted
//! ([`Windows::refused`]), while every other count goes on. Reading makes eight dense histograms of
//! 26 KiB for the time of the reading.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use dashmap::DashMap;
use tidegauge_core::{Category, CostStatus, Money, Operation, Record};

use crate::histogram::{Budget, Dense, Percentiles, Sparse, Step};

/// Slots of a ring.
const SLOTS: u32 = 12;

/// The longest model name that makes a series of its own, in bytes; longer ones are cut.
const MODEL_BYTES: usize = 128;

/// The least time between two searches for what can be forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// What windows may occupy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Series that are kept apart. What comes when all are taken is folded into one.
    pub series: usize,
    /// Bytes for the durations of all series.
    pub histogram_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { series: 512, histogram_bytes: 64 << 20 }
    }
}

/// How far back a row looks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Span {
    /// One minute, in slots of 5 seconds.
    Minute,
    /// Five minutes, in slots of 25 seconds.
    FiveMinutes,
    /// One hour, in slots of 5 minutes.
    Hour,
}

impl Span {
    /// Every span, shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::FiveMinutes, Self::Hour];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
        }
    }

    /// Its length.
    pub fn duration(self) -> Duration {
        match self {
            Self::Minute => Duration::from_secs(60),
            Self::FiveMinutes => Duration::from_secs(300),
            Self::Hour => Duration::from_secs(3600),
        }
    }

    fn slot(self) -> Duration {
        self.duration() / SLOTS
    }

    /// The slot that a moment falls in, counted from the start.
    fn epoch(self, now: Duration) -> u64 {
        let slots = now.as_nanos() / self.slot().as_nanos();
        u64::try_from(slots).unwrap_or(u64::MAX)
    }

    /// The first slot that the window still reaches.
    fn first_epoch(self, now: Duration) -> u64 {
        self.epoch(now).saturating_sub(u64::from(SLOTS) - 1)
    }

    /// How much time the slots that are read at `now` stand for.
    fn covers(self, now: Duration) -> Duration {
        let into_slot = now.as_nanos() % self.slot().as_nanos();
        let into_slot = Duration::from_nanos(u64::try_from(into_slot).unwrap_or(0));
        now.min(self.slot() * (SLOTS - 1) + into_slot)
    }
}

/// What is kept apart.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// The upstream's configured name.
    pub upstream: Arc<str>,
    /// The provider's name in telemetry.
    pub provider: &'static str,
    /// The model asked for, or the one that answered, or empty.
    pub model: Box<str>,
    /// What was asked.
    pub operation: Operation,
    /// The answer was a stream: its times are another thing than a unary one's.
    pub stream: bool,
}

impl Key {
    /// The key of a record.
    pub fn of(record: &Record) -> Self {
        let seen = &record.observation;
        let model = seen.request.model.as_deref().or(seen.response.model.as_deref());
        Self {
            upstream: record.exchange.to.name.clone(),
            provider: record.exchange.to.provider,
            model: cut(model.unwrap_or_default(), MODEL_BYTES).into(),
            operation: record.exchange.operation,
            stream: seen.stream,
        }
    }

    /// The key of what found no room.
    fn rest() -> Self {
        Self {
            upstream: "other".into(),
            provider: "other",
            model: "other".into(),
            operation: Operation::Other,
            stream: false,
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        let parts = |key: &Self| (key.operation.name(), key.stream);
        (&self.upstream, &self.model)
            .cmp(&(&other.upstream, &other.model))
            .then_with(|| parts(self).cmp(&parts(other)))
    }
}

/// Counts and percentiles of one series, or of all, over one span.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// How far back.
    pub span: Span,
    /// How much time the counts stand for: for rates. Up to a slot less than the span, and less yet
    /// while the process is young.
    pub covers: Duration,
    /// Which series; `None` is the total.
    pub key: Option<Key>,
    /// Exchanges that ended.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Those that have a category, failed or not, by category in the order of the closed list.
    pub categories: Vec<(Category, u64)>,
    /// Prompt tokens, cached or not.
    pub input_tokens: u64,
    /// Generated tokens, reasoning included.
    pub output_tokens: u64,
    /// Prompt tokens read from the cache.
    pub cached_tokens: u64,
    /// What the priced ones cost.
    pub cost: Money,
    /// Exchanges with usage but no price.
    pub unpriced: u64,
    /// Of every exchange, failed or not.
    pub duration: Option<Percentiles>,
    /// Of streams with a token.
    pub ttft: Option<Percentiles>,
    /// Of streams with two tokens or more.
    pub tpot: Option<Percentiles>,
    /// What the proxy added, of every exchange.
    pub overhead: Option<Percentiles>,
}

/// Rolling windows over all series. Shared by reference; adding takes about a microsecond.
#[derive(Debug)]
pub struct Windows {
    series: DashMap<Key, Series>,
    count: AtomicUsize,
    bounds: Bounds,
    budget: Budget,
    folded: AtomicU64,
    swept: AtomicU64,
}

#[derive(Debug)]
struct Series {
    rings: [Vec<Slot>; 3],
}

#[derive(Debug, Default)]
struct Slot {
    epoch: u64,
    tally: Tally,
    times: [Sparse; 4],
}

#[derive(Clone, Debug, Default)]
struct Tally {
    requests: u64,
    errors: u64,
    categories: Vec<(Category, u64)>,
    input_tokens: u64,
    output_tokens: u64,
    cached_tokens: u64,
    cost: Money,
    unpriced: u64,
}

/// Slots put together to be read.
struct Sum {
    tally: Tally,
    times: [Dense; 4],
}

/// The clock step of each kind of time in a slot: duration, time to first token, time per token,
/// overhead.
const STEPS: [Step; 4] = [Step::Micro, Step::Micro, Step::Tenth, Step::Tenth];

impl Windows {
    /// Empty windows.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            series: DashMap::new(),
            count: AtomicUsize::new(0),
            bounds,
            budget: Budget::new(bounds.histogram_bytes),
            folded: AtomicU64::new(0),
            swept: AtomicU64::new(0),
        }
    }

    /// Counts one record. `now` is monotonic, since the process began.
    pub fn add(&self, now: Duration, record: &Record) {
        self.sweep(now);
        let key = Key::of(record);
        if let Some(mut series) = self.series.get_mut(&key) {
            return series.add(now, record, &self.budget);
        }
        let key = if self.count.load(Relaxed) < self.bounds.series {
            key
        } else {
            self.folded.fetch_add(1, Relaxed);
            Key::rest()
        };
        let mut series = self.series.entry(key).or_insert_with(|| {
            self.count.fetch_add(1, Relaxed);
            Series::new()
        });
        series.add(now, record, &self.budget);
    }

    /// For each span, shortest first: a row for each series with a request in it, by upstream,
    /// model, operation and stream, then the total. The total's percentiles are those of all
    /// requests together, not an average of percentiles.
    pub fn snapshot(&self, now: Duration) -> Vec<Row> {
        Span::ALL.into_iter().flat_map(|span| self.rows(now, span)).collect()
    }

    /// The rows of one span; see [`Windows::snapshot`].
    pub fn rows(&self, now: Duration, span: Span) -> Vec<Row> {
        let mut total = Sum::new();
        let mut rows = Vec::new();
        for series in &self.series {
            let sum = series.sum(now, span);
            if sum.tally.requests > 0 {
                total.absorb(&sum);
                rows.push(sum.row(now, span, Some(series.key().clone())));
            }
        }
        rows.sort_by(|a, b| match (&a.key, &b.key) {
            (Some(a), Some(b)) => a.order(b),
            _ => Ordering::Equal,
        });
        rows.push(total.row(now, span, None));
        rows
    }

    /// Records that were folded into one series because all others were taken.
    pub fn folded(&self) -> u64 {
        self.folded.load(Relaxed)
    }

    /// Durations that were not counted because memory for them was used up.
    pub fn refused(&self) -> u64 {
        self.budget.refused()
    }

    /// Bytes that durations occupy.
    pub fn histogram_bytes(&self) -> u64 {
        self.budget.used()
    }

    /// Forgets, now and then, what no window reaches any more: slots, and series without any.
    fn sweep(&self, now: Duration) {
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let every = u64::try_from(SWEEP_EVERY.as_millis()).unwrap_or(u64::MAX);
        let due = |last: u64| (millis >= last.saturating_add(every)).then_some(millis);
        if self.swept.fetch_update(Relaxed, Relaxed, due).is_err() {
            return;
        }
        self.series.retain(|_, series| {
            let live = series.forget(now, &self.budget);
            if !live {
                self.count.fetch_sub(1, Relaxed);
            }
            live
        });
    }
}

impl Default for Windows {
    fn default() -> Self {
        Self::new(Bounds::default())
    }
}

impl Series {
    fn new() -> Self {
        let ring = || (0..SLOTS).map(|_| Slot::default()).collect();
        Self { rings: [ring(), ring(), ring()] }
    }

    fn add(&mut self, now: Duration, record: &Record, budget: &Budget) {
        for (span, ring) in Span::ALL.into_iter().zip(&mut self.rings) {
            let epoch = span.epoch(now);
            let index = usize::try_from(epoch % u64::from(SLOTS)).unwrap_or(0);
            let Some(slot) = ring.get_mut(index) else { continue };
            // A slot that is ahead belongs to a thread that read the clock a moment later.
            if slot.epoch < epoch {
                slot.clear(budget);
                slot.epoch = epoch;
            }
            slot.add(record, budget);
        }
    }

    fn sum(&self, now: Duration, span: Span) -> Sum {
        let reached = span.first_epoch(now)..=span.epoch(now);
        let mut sum = Sum::new();
        let ring = Span::ALL.into_iter().zip(&self.rings).find(|(of, _)| *of == span);
        let slots = ring.into_iter().flat_map(|(_, ring)| ring);
        for slot in slots.filter(|slot| reached.contains(&slot.epoch)) {
            sum.add(slot);
        }
        sum
    }

    /// Clears slots that their window has left behind. False when that was all.
    fn forget(&mut self, now: Duration, budget: &Budget) -> bool {
        let mut live = false;
        for (span, ring) in Span::ALL.into_iter().zip(&mut self.rings) {
            let first = span.first_epoch(now);
            for slot in ring.iter_mut().filter(|slot| slot.tally.requests > 0) {
                if slot.epoch < first {
                    slot.clear(budget);
                } else {
                    live = true;
                }
            }
        }
        live
    }
}

impl Slot {
    fn add(&mut self, record: &Record, budget: &Budget) {
        self.tally.count(record);
        let measured = &record.measurement;
        let times = [
            Some(measured.duration),
            measured.ttft,
            measured.tpot,
            Some(measured.overhead.total()),
        ];
        for ((sparse, step), time) in self.times.iter_mut().zip(STEPS).zip(times) {
            if let Some(time) = time {
                sparse.add(step, time, budget);
            }
        }
    }

    fn clear(&mut self, budget: &Budget) {
        self.tally = Tally::default();
        for times in &mut self.times {
            times.clear(budget);
        }
    }
}

impl Tally {
    fn count(&mut self, record: &Record) {
        let seen = &record.observation;
        let cost = &record.measurement.cost;
        let usage = &seen.usage;
        self.absorb(&Self {
            requests: 1,
            errors: u64::from(seen.outcome.error.is_some()),
            categories: seen.outcome.category.map(|category| (category, 1)).into_iter().collect(),
            input_tokens: usage.input_tokens().unwrap_or(0),
            output_tokens: usage.output_tokens().unwrap_or(0),
            cached_tokens: usage.cache_read_tokens().unwrap_or(0),
            cost: cost.amount.unwrap_or_default(),
            unpriced: u64::from(cost.status == CostStatus::Unpriced),
        });
    }

    fn absorb(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.cost += other.cost;
        self.unpriced = self.unpriced.saturating_add(other.unpriced);
        for (category, count) in &other.categories {
            match self.categories.iter_mut().find(|(known, _)| known == category) {
                Some((_, total)) => *total = total.saturating_add(*count),
                None => self.categories.push((*category, *count)),
            }
        }
    }
}

impl Sum {
    fn new() -> Self {
        Self { tally: Tally::default(), times: STEPS.map(Dense::new) }
    }

    fn add(&mut self, slot: &Slot) {
        self.tally.absorb(&slot.tally);
        for (dense, sparse) in self.times.iter_mut().zip(&slot.times) {
            dense.add(sparse);
        }
    }

    fn absorb(&mut self, other: &Self) {
        self.tally.absorb(&other.tally);
        for (dense, more) in self.times.iter_mut().zip(&other.times) {
            dense.merge(more);
        }
    }

    fn row(self, now: Duration, span: Span, key: Option<Key>) -> Row {
        let [duration, ttft, tpot, overhead] = self.times.map(|times| times.percentiles());
        let Tally { requests, errors, mut categories, cost, unpriced, .. } = self.tally;
        categories.sort_by_key(|(category, _)| *category as usize);
        Row {
            span,
            covers: span.covers(now),
            key,
            requests,
            errors,
            categories,
            input_tokens: self.tally.input_tokens,
            output_tokens: self.tally.output_tokens,
            cached_tokens: self.tally.cached_tokens,
            cost,
            unpriced,
            duration,
            ttft,
            tpot,
            overhead,
        }
    }
}

/// The longest beginning of `text` of at most `bytes` bytes.
fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
