//! Our own health: one typed counter for each thing that can be lost, refused or late.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use crate::Books;

macro_rules! words {
    ($(#[doc = $head:literal])+ $name:ident { $($(#[doc = $doc:literal])+ $variant:ident $word:literal,)+ }) => {
        $(#[doc = $head])+
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word used as a metric attribute.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }
    };
}

words! {
    /// Why a request was answered before it was routed.
    Rejected {
        /// Not HTTP, or a head over the limits.
        Parse "parse",
        /// Head not complete in time.
        HeadTimeout "head_timeout",
        /// No Host, several, or not a host.
        Host "host",
        /// Framing that two parsers could read differently.
        Framing "framing",
        /// A path that could mean another one.
        Path "path",
        /// A method that is not forwarded.
        Method "method",
        /// An expectation we do not know.
        Expectation "expectation",
        /// The request came from ourselves.
        Loop "loop",
        /// No upstream for this path.
        Route "route",
        /// Too many connections.
        Connections "connections",
    }
}

words! {
    /// Why telemetry was dropped (a closed set).
    Dropped {
        /// No room in the queue.
        QueueFull "queue_full",
        /// No room on disk.
        DiskFull "disk_full",
        /// The disk failed.
        DiskIo "disk_io",
        /// Larger than a collector takes.
        TooLarge "too_large",
        /// The collector refused it for good.
        RejectedByCollector "rejected_by_collector",
        /// Retried for too long.
        Expired "expired",
        /// Not delivered when the process had to end.
        ShutdownDeadline "shutdown_deadline",
        /// Could not be encoded.
        EncodeError "encode_error",
        /// The code that made it panicked.
        Panic "panic",
    }
}

words! {
    /// Why what was said in an exchange was not kept although it was to be.
    Withheld {
        /// It could not be redacted.
        Redaction "redaction",
        /// Redacting it panicked.
        Panic "panic",
        /// Too much of it waited already.
        Memory "memory",
    }
}

words! {
    /// Code whose panic costs one record at most.
    Task {
        /// An observer on the data plane.
        Observer "observer",
        /// The record pipeline.
        Pipeline "pipeline",
        /// A sink.
        Sink "sink",
        /// A connection's task.
        Connection "connection",
    }
}

/// Counters of the whole process; shared by reference, read by the exporters.
///
/// At rest: `accepted == records + records_lost`, `turns == turns_recorded + turns_lost`, and for each
/// exporter's [`Books`], and so for their sums,
/// `spans + spans_recovered == spans_acked + sum(spans_dropped) + spans_queued + spans_queued_disk`,
/// where unsampled exchanges make no spans, and the two about the disk stay zero without a disk queue.
#[derive(Debug, Default)]
pub struct Health {
    accepted: AtomicU64,
    rejected: [AtomicU64; Rejected::ALL.len()],
    active: AtomicI64,
    streams: AtomicI64,
    records_queued: AtomicI64,
    connections: AtomicI64,
    records: AtomicU64,
    records_lost: [AtomicU64; Dropped::ALL.len()],
    turns: AtomicU64,
    turns_recorded: AtomicU64,
    turns_lost: [AtomicU64; Dropped::ALL.len()],
    messages_skipped: AtomicU64,
    exporters: RwLock<Vec<Arc<Books>>>,
    lines_dropped: [AtomicU64; Dropped::ALL.len()],
    panics: [AtomicU64; Task::ALL.len()],
    content_withheld: [AtomicU64; Withheld::ALL.len()],
    disconnects: AtomicU64,
    partial: AtomicU64,
    unpriced: AtomicU64,
    unclassified: AtomicU64,
    splices_refused: AtomicU64,
    holds_exceeded: AtomicU64,
    schemas_unusable: AtomicU64,
    responses_open: AtomicI64,
    responses_forgotten: AtomicU64,
    journal_opened: AtomicU64,
    journal_closed: AtomicU64,
    journal_lost: [AtomicU64; Dropped::ALL.len()],
    killed: AtomicU64,
    reloads: AtomicU64,
    reload_failed: AtomicBool,
    price_reads: AtomicU64,
    price_read_failed: AtomicBool,
    price_date: AtomicU64,
}

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $add:ident, $get:ident => $field:ident;)+) => {
        impl Health {
            $($(#[doc = $doc])+
            pub fn $add(&self) {
                self.$field.fetch_add(1, Relaxed);
            }
            /// How often so far.
            pub fn $get(&self) -> u64 {
                self.$field.load(Relaxed)
            })+
        }
    };
}

macro_rules! counters_by {
    ($($(#[doc = $doc:literal])+ $add:ident, $get:ident => $field:ident by $key:ident;)+) => {
        impl Health {
            $($(#[doc = $doc])+
            pub fn $add(&self, by: $key, count: u64) {
                if let Some(counter) = self.$field.get(by as usize) {
                    counter.fetch_add(count, Relaxed);
                }
            }
            /// How often so far.
            pub fn $get(&self, by: $key) -> u64 {
                self.$field.get(by as usize).map_or(0, |counter| counter.load(Relaxed))
            })+
        }
    };
}

macro_rules! gauges {
    ($($(#[doc = $doc:literal])+ $add:ident, $get:ident => $field:ident;)+) => {
        impl Health {
            $($(#[doc = $doc])+
            pub fn $add(&self, change: i64) {
                self.$field.fetch_add(change, Relaxed);
            }
            /// The value now.
            pub fn $get(&self) -> i64 {
                self.$field.load(Relaxed)
            })+
        }
    };
}

counters! {
    /// A request was routed: it will become a record.
    request_accepted, accepted => accepted;
    /// A record was made and shown to the sinks.
    record_made, records => records;
    /// A turn's record was made and shown to the sinks.
    turn_made, turns_recorded => turns_recorded;
    /// A client left before its response was over.
    client_disconnected, disconnects => disconnects;
    /// An observation is incomplete because a bound was hit or bytes made no sense.
    observation_partial, partial => partial;
    /// Usage without a price.
    exchange_unpriced, unpriced => unpriced;
    /// A failure that only its HTTP status explains.
    error_unclassified, unclassified => unclassified;
    /// An upstream did not know the field that asks for usage; it is not asked again.
    splice_refused, splices_refused => splices_refused;
    /// A request body was too large to hold back, so usage was not asked for.
    hold_exceeded, holds_exceeded => holds_exceeded;
    /// The schema of a tool that was called could not be used, so its arguments were not checked.
    schema_unusable, schemas_unusable => schemas_unusable;
    /// A response that was not over when it was asked for was forgotten to make room for another: its
    /// usage will not be told.
    response_forgotten, responses_forgotten => responses_forgotten;
    /// The journal noted that an exchange began.
    journal_open, journal_opened => journal_opened;
    /// The journal noted that an exchange is over.
    journal_close, journal_closed => journal_closed;
    /// An exchange was found in the journal that a killed process had left open.
    exchange_killed, killed => killed;
}

counters_by! {
    /// Requests were answered before routing.
    request_rejected, rejected => rejected by Rejected;
    /// Records were lost before the sinks saw them.
    record_lost, records_lost => records_lost by Dropped;
    /// Records of turns were lost before the sinks saw them.
    turn_lost, turns_lost => turns_lost by Dropped;
    /// Lines of the journal were not written, or could not be read.
    journal_line_lost, journal_lost => journal_lost by Dropped;
    /// Lines of the record file were dropped.
    line_dropped, lines_dropped => lines_dropped by Dropped;
    /// A panic was caught.
    panicked, panics => panics by Task;
    /// What was said in an exchange was to be captured and was dropped.
    content_dropped, contents_dropped => content_withheld by Withheld;
}

gauges! {
    /// Requests began or ended.
    active_changed, active => active;
    /// Live response streams began or ended.
    streams_changed, streams => streams;
    /// Exchanges that are over began to wait to become records, or no longer do.
    records_queued_changed, records_queued => records_queued;
    /// Responses that were not over when they were asked for began to be remembered, or no longer are.
    responses_open_changed, responses_open => responses_open;
    /// Client connections opened or closed.
    connections_changed, connections => connections;
}

impl Health {
    /// Turns of sessions were over: each will become a record beside its session's.
    pub fn turns_over(&self, count: u64) {
        self.turns.fetch_add(count, Relaxed);
    }

    /// Turns that were over so far.
    pub fn turns(&self) -> u64 {
        self.turns.load(Relaxed)
    }

    /// Messages of a socket were forwarded and not read: too large, not decodable, not JSON.
    pub fn messages_not_read(&self, count: u64) {
        self.messages_skipped.fetch_add(count, Relaxed);
    }

    /// Such messages so far.
    pub fn messages_skipped(&self) -> u64 {
        self.messages_skipped.load(Relaxed)
    }

    /// The books of the exporter of that name, new ones the first time.
    pub fn books(&self, exporter: &str) -> Arc<Books> {
        let mut all = self.exporters.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|books| books.exporter() == exporter) {
            return Arc::clone(known);
        }
        let books = Arc::new(Books::new(exporter));
        all.push(Arc::clone(&books));
        books
    }

    /// The books of every exporter, in the order in which they were opened.
    pub fn exporters(&self) -> Vec<Arc<Books>> {
        self.exporters.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Spans made so far; a span counts once for each exporter it was made for.
    pub fn spans(&self) -> u64 {
        self.sum(|books| books.spans())
    }

    /// Spans that came from disk so far.
    pub fn spans_recovered(&self) -> u64 {
        self.sum(|books| books.spans_recovered())
    }

    /// Spans that receivers took so far.
    pub fn spans_acked(&self) -> u64 {
        self.sum(|books| books.spans_acked())
    }

    /// Spans in memory queues now.
    pub fn spans_queued(&self) -> i64 {
        self.sum(|books| books.spans_queued())
    }

    /// Spans in disk queues now.
    pub fn spans_queued_disk(&self) -> i64 {
        self.sum(|books| books.spans_queued_disk())
    }

    /// Spans dropped so far.
    pub fn spans_dropped(&self, reason: Dropped) -> u64 {
        self.sum(|books| books.spans_dropped(reason))
    }

    /// Metric points dropped so far.
    pub fn points_dropped(&self, reason: Dropped) -> u64 {
        self.sum(|books| books.points_dropped(reason))
    }

    /// Log records dropped so far.
    pub fn logs_dropped(&self, reason: Dropped) -> u64 {
        self.sum(|books| books.logs_dropped(reason))
    }

    fn sum<N: std::iter::Sum>(&self, read: impl Fn(&Books) -> N) -> N {
        self.exporters().iter().map(|books| read(books)).sum()
    }

    /// The configuration was read again, well or not.
    pub fn reloaded(&self, well: bool) {
        self.reloads.fetch_add(1, Relaxed);
        self.reload_failed.store(!well, Relaxed);
    }

    /// How often the configuration was read again, and whether the last time went well (true before
    /// the first time).
    pub fn reloads(&self) -> (u64, bool) {
        (self.reloads.load(Relaxed), !self.reload_failed.load(Relaxed))
    }

    /// The file of the price list was read, well or not.
    pub fn price_list_read(&self, well: bool) {
        self.price_reads.fetch_add(1, Relaxed);
        self.price_read_failed.store(!well, Relaxed);
    }

    /// How often the price list's file was read, and whether the last time went well (true before the
    /// first time).
    pub fn price_list_reads(&self) -> (u64, bool) {
        (self.price_reads.load(Relaxed), !self.price_read_failed.load(Relaxed))
    }

    /// The price list in use is of this time, in seconds since 1970.
    pub fn price_list_dated(&self, seconds: u64) {
        self.price_date.store(seconds, Relaxed);
    }

    /// The time of the price list in use, in seconds since 1970; `None` before there is one.
    pub fn price_list_date(&self) -> Option<u64> {
        Some(self.price_date.load(Relaxed)).filter(|seconds| *seconds > 0)
    }
}
