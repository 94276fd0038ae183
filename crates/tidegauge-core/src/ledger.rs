//! What became of the telemetry that was made for one receiver, in numbers that balance.
//!
//! In: what an exporter does with spans, metric points and log records. Out: a ledger that holds to
//! `made + recovered = acked + dropped + queued + queued_disk`. Knows no queue and no receiver.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::Dropped;

type ByReason = [AtomicU64; Dropped::ALL.len()];

/// The ledger of one exporter; made by [`Health::ledger`](crate::Health::ledger).
#[derive(Debug)]
pub struct Ledger {
    exporter: String,
    spans: AtomicU64,
    spans_acked: AtomicU64,
    spans_recovered: AtomicU64,
    spans_queued: AtomicI64,
    spans_queued_disk: AtomicI64,
    spans_dropped: ByReason,
    points_queued: AtomicI64,
    points_dropped: ByReason,
    logs_queued: AtomicI64,
    logs_dropped: ByReason,
}

/// A number of a ledger as it is shown.
#[derive(Clone, Copy, Debug)]
pub struct LedgerMetric {
    /// Its name.
    pub name: &'static str,
    /// Its unit, in UCUM.
    pub unit: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// How it is read.
    pub read: LedgerReading,
}

/// How a number of a ledger is read.
#[derive(Clone, Copy, Debug)]
pub enum LedgerReading {
    /// Only rises.
    Total(fn(&Ledger) -> u64),
    /// Only rises, by the reason of the loss.
    Loss(fn(&Ledger, Dropped) -> u64),
    /// Rises and falls.
    Level(fn(&Ledger) -> i64),
}

impl Ledger {
    /// Every number, in the same order each time.
    pub const METRICS: &[LedgerMetric] = &[
        LedgerMetric {
            name: "tidegauge.spans.created",
            unit: "{span}",
            about: "Spans that were made.",
            read: LedgerReading::Total(Ledger::spans),
        },
        LedgerMetric {
            name: "tidegauge.spans.acked",
            unit: "{span}",
            about: "Spans that a collector took.",
            read: LedgerReading::Total(Ledger::spans_acked),
        },
        LedgerMetric {
            name: "tidegauge.spans.recovered",
            unit: "{span}",
            about: "Spans that were found on disk, made before this process began.",
            read: LedgerReading::Total(Ledger::spans_recovered),
        },
        LedgerMetric {
            name: "tidegauge.spans.dropped",
            unit: "{span}",
            about: "Spans that were dropped.",
            read: LedgerReading::Loss(Ledger::spans_dropped),
        },
        LedgerMetric {
            name: "tidegauge.points.dropped",
            unit: "{data_point}",
            about: "Metric points that were dropped or replaced by newer ones.",
            read: LedgerReading::Loss(Ledger::points_dropped),
        },
        LedgerMetric {
            name: "tidegauge.logs.dropped",
            unit: "{log_record}",
            about: "Events and log records that were dropped.",
            read: LedgerReading::Loss(Ledger::logs_dropped),
        },
        LedgerMetric {
            name: "tidegauge.spans.queued",
            unit: "{span}",
            about: "Spans that wait in memory to be delivered.",
            read: LedgerReading::Level(Ledger::spans_queued),
        },
        LedgerMetric {
            name: "tidegauge.spans.queued_disk",
            unit: "{span}",
            about: "Spans that wait on disk to be delivered.",
            read: LedgerReading::Level(Ledger::spans_queued_disk),
        },
        LedgerMetric {
            name: "tidegauge.points.queued",
            unit: "{data_point}",
            about: "Metric points that wait in memory to be delivered.",
            read: LedgerReading::Level(Ledger::points_queued),
        },
        LedgerMetric {
            name: "tidegauge.logs.queued",
            unit: "{log_record}",
            about: "Events and log records that wait in memory to be delivered.",
            read: LedgerReading::Level(Ledger::logs_queued),
        },
    ];

    /// An empty ledger for the exporter of that name.
    pub(crate) fn new(exporter: &str) -> Self {
        Self {
            exporter: exporter.to_owned(),
            spans: AtomicU64::default(),
            spans_acked: AtomicU64::default(),
            spans_recovered: AtomicU64::default(),
            spans_queued: AtomicI64::default(),
            spans_queued_disk: AtomicI64::default(),
            spans_dropped: ByReason::default(),
            points_queued: AtomicI64::default(),
            points_dropped: ByReason::default(),
            logs_queued: AtomicI64::default(),
            logs_dropped: ByReason::default(),
        }
    }

    /// The exporter's name.
    pub fn exporter(&self) -> &str {
        &self.exporter
    }

    /// Spans were made for it.
    pub fn spans_made(&self, count: u64) {
        self.spans.fetch_add(count, Relaxed);
    }

    /// Spans made so far.
    pub fn spans(&self) -> u64 {
        self.spans.load(Relaxed)
    }

    /// Spans came into this ledger that this process did not make, or had given up already: they
    /// were on disk.
    pub fn spans_found(&self, count: u64) {
        self.spans_recovered.fetch_add(count, Relaxed);
    }

    /// Spans that came from disk so far.
    pub fn spans_recovered(&self) -> u64 {
        self.spans_recovered.load(Relaxed)
    }

    /// The receiver took spans.
    pub fn spans_delivered(&self, count: u64) {
        self.spans_acked.fetch_add(count, Relaxed);
    }

    /// Spans the receiver took so far.
    pub fn spans_acked(&self) -> u64 {
        self.spans_acked.load(Relaxed)
    }

    /// Spans entered or left the memory queue.
    pub fn spans_queued_changed(&self, change: i64) {
        self.spans_queued.fetch_add(change, Relaxed);
    }

    /// Spans in the memory queue now.
    pub fn spans_queued(&self) -> i64 {
        self.spans_queued.load(Relaxed)
    }

    /// Spans entered or left the disk queue.
    pub fn spans_queued_disk_changed(&self, change: i64) {
        self.spans_queued_disk.fetch_add(change, Relaxed);
    }

    /// Spans in the disk queue now.
    pub fn spans_queued_disk(&self) -> i64 {
        self.spans_queued_disk.load(Relaxed)
    }

    /// Spans were dropped.
    pub fn span_dropped(&self, reason: Dropped, count: u64) {
        add(&self.spans_dropped, reason, count);
    }

    /// Spans dropped so far.
    pub fn spans_dropped(&self, reason: Dropped) -> u64 {
        get(&self.spans_dropped, reason)
    }

    /// Metric points entered or left the memory queue.
    pub fn points_queued_changed(&self, change: i64) {
        self.points_queued.fetch_add(change, Relaxed);
    }

    /// Metric points in the memory queue now.
    pub fn points_queued(&self) -> i64 {
        self.points_queued.load(Relaxed)
    }

    /// Metric points were dropped.
    pub fn point_dropped(&self, reason: Dropped, count: u64) {
        add(&self.points_dropped, reason, count);
    }

    /// Metric points dropped so far.
    pub fn points_dropped(&self, reason: Dropped) -> u64 {
        get(&self.points_dropped, reason)
    }

    /// Log records (events) entered or left the memory queue.
    pub fn logs_queued_changed(&self, change: i64) {
        self.logs_queued.fetch_add(change, Relaxed);
    }

    /// Log records in the memory queue now.
    pub fn logs_queued(&self) -> i64 {
        self.logs_queued.load(Relaxed)
    }

    /// Log records (events) were dropped.
    pub fn log_dropped(&self, reason: Dropped, count: u64) {
        add(&self.logs_dropped, reason, count);
    }

    /// Log records dropped so far.
    pub fn logs_dropped(&self, reason: Dropped) -> u64 {
        get(&self.logs_dropped, reason)
    }

    /// Spans in this ledger that are nowhere: zero at rest, and for a moment anything while they are
    /// being counted.
    pub fn missing(&self) -> i128 {
        let dropped: u64 = Dropped::ALL.iter().map(|reason| self.spans_dropped(*reason)).sum();
        let came = i128::from(self.spans()) + i128::from(self.spans_recovered());
        let went = i128::from(self.spans_acked()) + i128::from(dropped);
        came - went - i128::from(self.spans_queued()) - i128::from(self.spans_queued_disk())
    }
}

fn add(counters: &ByReason, reason: Dropped, count: u64) {
    if let Some(counter) = counters.get(reason as usize) {
        counter.fetch_add(count, Relaxed);
    }
}

fn get(counters: &ByReason, reason: Dropped) -> u64 {
    counters.get(reason as usize).map_or(0, |counter| counter.load(Relaxed))
}
