//! One record into sums and distributions, and those into data that can be shown.
//!
//! One registry for everybody who reads: each reader is a [`View`] with its own kind of buckets and
//! its own meaning of a sum. Money goes in as whole billionths and becomes dollars only on the way
//! out, so that sums stay exact. Nothing here is sent.

mod exponential;
mod family;
mod health;
mod histogram;
mod limits;
mod next;
mod options;
mod parts;
mod registry;
mod set;
mod slot;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegauge_core::{Bucket, Category, Cost, CostStatus, Health, Record};

use crate::cardinality::Cardinality;
use crate::exemplar::Example;
use crate::span::has_inference;

pub(crate) use exponential::Exponential;
pub(crate) use family::{Family, Point, Value};
use family::{MOST, real, unix_nanos};
use health::Folded;
pub(crate) use histogram::{Buckets, Histogram};
use limits::Limits;
pub(crate) use next::INFERENCE;
pub(crate) use options::View;
pub use options::{Histograms, MetricOptions, Sums};
use parts::parts;
use registry::{Group, Registry};
use set::Sets;
use slot::{Phase, Side, Slot};

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Meter {
    health: Arc<Health>,
    options: MetricOptions,
    /// Whether somebody reads the next names.
    next: bool,
    sets: Sets,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    registry: Registry,
    limits: Limits,
    bound: Cardinality,
    folded: Folded,
    /// Holds one attribute set at a time.
    scratch: Vec<u8>,
    /// When counting began.
    began: u64,
    /// What each view was told last: when, and the counts of [`health`], in their order.
    told: Vec<(u64, Vec<u64>)>,
}

/// What a view is to be told, before it is put in order.
struct Reading {
    sums: Sums,
    told: Vec<registry::Told>,
    /// What is read when asked.
    known: Vec<Family>,
    began: u64,
    last: u64,
    now: u64,
}

impl Reading {
    fn families(self) -> Vec<Family> {
        let mut families = self.known;
        families.extend(registry::families(self.told, self.sums));
        for family in &mut families {
            family.now = self.now;
            family.since = if family.delta { self.last } else { self.began };
            for since in family.points.iter_mut().filter_map(|point| point.since.as_mut()) {
                *since = (*since).min(self.now);
            }
        }
        families
    }
}

impl Meter {
    /// Nothing counted yet. `health` is read whenever the sums are.
    pub(crate) fn new(views: Vec<View>, options: &MetricOptions, health: &Arc<Health>) -> Self {
        let began = unix_nanos();
        let state = State {
            told: views.iter().map(|_| (began, Vec::new())).collect(),
            registry: Registry::new(views, options.sets),
            limits: Limits::default(),
            bound: Cardinality::new(options.values),
            folded: Folded::default(),
            scratch: Vec::new(),
            began,
        };
        Self {
            health: Arc::clone(health),
            options: options.clone(),
            next: false,
            sets: Sets::new(&options.tags),
            state: Mutex::new(state),
        }
    }

    /// The same, but that tokens are counted as the next names want them too.
    pub(crate) fn with_next_names(self, next: bool) -> Self {
        Self { next, ..self }
    }

    /// When counting began, in nanoseconds since the Unix epoch.
    pub(crate) fn began(&self) -> u64 {
        self.lock().began
    }

    /// The sums as they are now, for the view of that position.
    pub(crate) fn collect(&self, view: usize) -> Vec<Family> {
        let [families] = self.collect_all([view]);
        families
    }

    /// The same for several views, all of the same instant.
    pub(crate) fn collect_all<const N: usize>(&self, views: [usize; N]) -> [Vec<Family>; N] {
        let read = {
            let mut state = self.lock();
            let now = unix_nanos();
            views.map(|view| self.read(&mut state, view, now))
        };
        read.map(|read| read.map(Reading::families).unwrap_or_default())
    }

    fn read(&self, state: &mut State, view: usize, now: u64) -> Option<Reading> {
        let State { registry, limits, folded, began, told, .. } = state;
        let sums = registry.views().get(view)?.sums;
        let (last, counts) = told.get_mut(view)?;
        let mut known = health::read(&self.health, *folded, self.options.secure);
        if sums == Sums::Delta {
            health::since(&mut known, counts);
        }
        known.extend(limits.read());
        // A wall clock that was set back must not let a sum end before it begins.
        let last = std::mem::replace(last, now).min(now);
        *began = (*began).min(now);
        Some(Reading { sums, told: registry.read(view), known, began: *began, last, now })
    }

    /// Adds one record.
    pub(crate) fn record(&self, record: &Record) {
        let example = Example::of(record);
        let mut state = self.lock();
        state.limits.note(record);
        // A turn is no request: its session's is counted.
        if !record.kind.is_turn() {
            self.record_http(&mut state, record, &example);
            self.record_overhead(&mut state, record, &example);
        }
        if has_inference(record) {
            self.record_call(&mut state, record, &example);
        }
        for part in parts(record) {
            state.with(
                (Group::Call, true),
                |list, bound| self.sets.call(list, &part, bound),
                |series| record_part(series, &part),
            );
        }
    }

    fn record_http(&self, state: &mut State, record: &Record, example: &Example) {
        let exchange = &record.exchange;
        state.with(
            (Group::Requests, !has_inference(record)),
            |list, bound| self.sets.requests(list, record, bound),
            |series| series.add(Slot::Requests, 1),
        );
        state.with(
            (Group::Errors, false),
            |list, _| set::upstream(list, record),
            |series| {
                // All of them begin at 0 with the first request, so that the first of each is an increase.
                if series.is_new() {
                    Category::ALL.iter().for_each(|known| series.add(Slot::Errors(*known), 0));
                }
                if let Some(category) = record.observation.outcome.category {
                    series.add(Slot::Errors(category), 1);
                }
            },
        );
        state.with(
            (Group::Server, false),
            |list, _| set::server(list, record),
            |series| {
                let time = exchange.times.ended.as_secs_f64();
                series.record(Slot::HttpServer, time, Some(example));
            },
        );
        for attempt in &exchange.attempts {
            let duration = attempt.ended.saturating_sub(attempt.started);
            state.with(
                (Group::Attempt, false),
                |list, _| set::attempt(list, exchange, attempt),
                |series| series.record(Slot::HttpClient, duration.as_secs_f64(), None),
            );
        }
    }

    fn record_overhead(&self, state: &mut State, record: &Record, example: &Example) {
        let overhead = &record.measurement.overhead;
        let phases = [
            (Phase::Accept, overhead.accept),
            (Phase::Admission, overhead.admission),
            (Phase::Connect, overhead.connect),
            (Phase::Relay, overhead.relay),
        ];
        state.with(
            (Group::Overhead, false),
            |list, _| set::upstream(list, record),
            |series| {
                for (phase, time) in phases {
                    series.record(Slot::Overhead(phase), time.as_secs_f64(), None);
                }
                let total = overhead.total().as_secs_f64();
                series.record(Slot::OverheadTotal, total, Some(example));
            },
        );
    }

    fn record_call(&self, state: &mut State, record: &Record, example: &Example) {
        let Record { observation, measurement, .. } = record;
        state.with(
            (Group::Duration, true),
            |list, bound| self.sets.duration(list, record, bound),
            |series| {
                let time = measurement.duration.as_secs_f64();
                series.record(Slot::Duration, time, Some(example));
            },
        );
        state.with(
            (Group::Call, false),
            |list, bound| self.sets.call(list, record, bound),
            |series| {
                if observation.stream || observation.request.stream {
                    for (slot, time) in [
                        (Slot::FirstChunk, measurement.time_to_first_chunk),
                        (Slot::FirstToken, measurement.ttft),
                        (Slot::PerToken, measurement.tpot),
                    ] {
                        if let Some(time) = time {
                            series.record(slot, time.as_secs_f64(), Some(example));
                        }
                    }
                    series.record_all(Slot::ChunkGap, &observation.times.gaps);
                }
                record_usage(series, record);
                record_part(series, record);
                if self.next {
                    next::record(series, record);
                }
            },
        );
    }

    /// A panic under this lock can only come from allocation; the sums are still whole then.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Finds the series of a set and lets `act` add to it; with `counts`, values that are folded are
    /// counted. A set that is known as it was given needs no look at its values: they were admitted
    /// when it was new.
    fn with(
        &mut self,
        (group, counts): (Group, bool),
        write: impl Fn(&mut set::List<'_>, &mut set::Bound<'_>),
        act: impl FnOnce(&mut registry::Series<'_>),
    ) {
        self.scratch.clear();
        write(&mut set::list(&mut self.scratch), &mut set::Bound::Any);
        let known = self.registry.find(group, &self.scratch);
        let place = known.or_else(|| {
            self.scratch.clear();
            let mut bound = set::Bound::Checked { bound: &mut self.bound, folded: 0 };
            write(&mut set::list(&mut self.scratch), &mut bound);
            // A value may stand in several sets of a record; it is counted in one.
            if counts && let set::Bound::Checked { folded, .. } = bound {
                self.folded.values += folded;
            }
            self.registry.place(group, &self.scratch)
        });
        if let Some(place) = place
            && self.registry.is_overflow(group, place)
        {
            self.folded.measurements += 1;
        }
        if let Some(mut series) = place.and_then(|place| self.registry.series(group, place)) {
            act(&mut series);
        }
    }
}

fn record_usage(series: &mut registry::Series<'_>, record: &Record) {
    let usage = &record.observation.usage;
    // The convention's metric cannot say that a figure is an estimate, so it has none.
    for (side, count) in [(Side::Input, usage.told_input()), (Side::Output, usage.told_output())] {
        if let Some(count) = count {
            series.record(Slot::TokenUsage(side), real(count.min(MOST)), None);
        }
    }
}

/// Adds the tokens and money of a record, or of one of its [`parts`].
fn record_part(series: &mut registry::Series<'_>, record: &Record) {
    let usage = &record.observation.usage;
    for bucket in Bucket::ALL {
        if let Some(count) = usage.get(bucket).filter(|count| *count > 0) {
            series.add(Slot::Tokens(bucket, usage.source), count.min(MOST));
        }
    }
    record_cost(series, &record.measurement.cost);
}

fn record_cost(series: &mut registry::Series<'_>, cost: &Cost) {
    if cost.disagrees() {
        series.add(Slot::Disagreements, 1);
    }
    let Cost { status, amount, .. } = cost;
    if let (CostStatus::Priced | CostStatus::Reported, Some(amount)) = (status, amount) {
        series.add(Slot::Cost(*status), amount.nanos().min(MOST));
    }
}

#[cfg(test)]
mod percentiles;
#[cfg(test)]
mod tests;
