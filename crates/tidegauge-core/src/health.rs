//! Our own health: one typed counter for each thing that can be lost, refused or late.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use crate::Ledger;

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
        /// A stream of HTTP/2 that ended before it was a request: malformed, over a limit, or reset.
        Stream "stream",
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

/// A number about this process as it is shown: the one place where its name, unit and meaning stand.
#[derive(Clone, Copy, Debug)]
pub struct HealthMetric {
    /// Its name.
    pub name: &'static str,
    /// Its unit, in UCUM.
    pub unit: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// How it is read.
    pub read: HealthReading,
}

/// How a number about this process is read.
#[derive(Clone, Copy, Debug)]
pub enum HealthReading {
    /// Only rises.
    Total(fn(&Health) -> u64),
    /// Only rises, one count for each reason.
    TotalByReason(fn(&Health) -> Vec<(&'static str, u64)>),
    /// Only rises, one count for each task.
    TotalByTask(fn(&Health) -> Vec<(&'static str, u64)>),
    /// Rises and falls.
    Level(fn(&Health) -> i64),
    /// A state.
    Gauge(fn(&Health) -> i64),
}

/// Counters of the whole process; shared by reference, read by the exporters.
///
/// At rest: `accepted == records + records_lost`, `turns == turns_recorded + turns_lost`, and for each
/// exporter's [`Ledger`], and so for their sums,
/// `spans + spans_recovered == spans_acked + sum(spans_dropped) + spans_queued + spans_queued_disk`,
/// where unsampled exchanges make no spans, and the two about the disk stay zero without a disk queue.
#[derive(Debug, Default)]
pub struct Health {
    totals: Totals,
    raised: RaisedTotals,
    by_word: ByWord,
    levels: Levels,
    active: AtomicI64,
    exporters: RwLock<Vec<Arc<Ledger>>>,
    reloads: AtomicU64,
    reload_failed: AtomicBool,
    price_reads: AtomicU64,
    price_read_failed: AtomicBool,
    price_date: AtomicU64,
}

/// A line makes a counter: what happened and how it is counted, how it is read, and its metric.
macro_rules! totals {
    ($($(#[doc = $doc:literal])+ $add:ident, $get:ident: $name:literal $unit:literal $about:literal;)+) => {
        #[derive(Debug, Default)]
        struct Totals { $($get: AtomicU64,)+ }

        impl Health {
            $($(#[doc = $doc])+
            pub fn $add(&self) {
                self.totals.$get.fetch_add(1, Relaxed);
            }
            #[doc = $about]
            pub fn $get(&self) -> u64 {
                self.totals.$get.load(Relaxed)
            })+
        }

        const TOTALS: &[HealthMetric] = &[$(HealthMetric {
            name: $name, unit: $unit, about: $about, read: HealthReading::Total(Health::$get),
        },)+];
    };
}

/// The same for counters that are raised by more than one.
macro_rules! raised_totals {
    ($($(#[doc = $doc:literal])+ $add:ident, $get:ident: $name:literal $unit:literal $about:literal;)+) => {
        #[derive(Debug, Default)]
        struct RaisedTotals { $($get: AtomicU64,)+ }

        impl Health {
            $($(#[doc = $doc])+
            pub fn $add(&self, count: u64) {
                self.raised.$get.fetch_add(count, Relaxed);
            }
            #[doc = $about]
            pub fn $get(&self) -> u64 {
                self.raised.$get.load(Relaxed)
            })+
        }

        const RAISED_TOTALS: &[HealthMetric] = &[$(HealthMetric {
            name: $name, unit: $unit, about: $about, read: HealthReading::Total(Health::$get),
        },)+];
    };
}

/// The same for counters with a word of a closed set.
macro_rules! totals_by_word {
    ($($(#[doc = $doc:literal])+ $add:ident, $get:ident by $key:ident as $read:ident: $name:literal $unit:literal $about:literal;)+) => {
        #[derive(Debug, Default)]
        struct ByWord { $($get: [AtomicU64; $key::ALL.len()],)+ }

        impl Health {
            $($(#[doc = $doc])+
            pub fn $add(&self, by: $key, count: u64) {
                if let Some(counter) = self.by_word.$get.get(by as usize) {
                    counter.fetch_add(count, Relaxed);
                }
            }
            #[doc = $about]
            pub fn $get(&self, by: $key) -> u64 {
                self.by_word.$get.get(by as usize).map_or(0, |counter| counter.load(Relaxed))
            })+
        }

        const BY_WORD: &[HealthMetric] = &[$(HealthMetric {
            name: $name, unit: $unit, about: $about, read: HealthReading::$read(|health| {
                $key::ALL.iter().map(|word| (word.name(), health.$get(*word))).collect()
            }),
        },)+];
    };
}

/// The same for amounts that rise and fall.
macro_rules! levels {
    ($($(#[doc = $doc:literal])+ $add:ident, $get:ident: $name:literal $unit:literal $about:literal;)+) => {
        #[derive(Debug, Default)]
        struct Levels { $($get: AtomicI64,)+ }

        impl Health {
            $($(#[doc = $doc])+
            pub fn $add(&self, change: i64) {
                self.levels.$get.fetch_add(change, Relaxed);
            }
            #[doc = $about]
            pub fn $get(&self) -> i64 {
                self.levels.$get.load(Relaxed)
            })+
        }

        const LEVELS: &[HealthMetric] = &[$(HealthMetric {
            name: $name, unit: $unit, about: $about, read: HealthReading::Level(Health::$get),
        },)+];
    };
}

totals! {
    /// A request was routed: it will become a record.
    request_accepted, accepted: "tidegauge.requests.accepted" "{request}" "Requests that were routed and will become records.";
    /// A record was made and shown to the sinks.
    record_made, records: "tidegauge.records" "{record}" "Records that were made.";
    /// A turn's record was made and shown to the sinks.
    turn_made, turns_recorded: "tidegauge.turns.records" "{record}" "Records of turns that were made.";
    /// A client left before its response was over.
    client_disconnected, disconnects: "tidegauge.client.disconnects" "{request}" "Clients that left before their response was over.";
    /// An observation is incomplete because a bound was hit or bytes made no sense.
    observation_partial, partial: "tidegauge.observations.partial" "{record}" "Records that are incomplete because a bound was hit or bytes made no sense.";
    /// Usage without a price.
    exchange_unpriced, unpriced: "tidegauge.usage.unpriced" "{record}" "Records with usage but no price.";
    /// A failure that only its HTTP status explains.
    error_unclassified, unclassified: "tidegauge.errors.unclassified" "{record}" "Failures that only their HTTP status explains.";
    /// An upstream did not know the field that asks for usage; it is not asked again.
    splice_refused, splices_refused: "tidegauge.usage.splices_refused" "{request}" "Upstreams that refused to be asked for usage.";
    /// A request body was too large to hold back, alone or beside the others, so usage was not asked for.
    hold_exceeded, holds_exceeded: "tidegauge.usage.holds_exceeded" "{request}" "Request bodies that were too large, alone or beside the others, to ask for usage.";
    /// A request body stopped coming and was given up.
    upload_stalled, uploads_stalled: "tidegauge.client.uploads_stalled" "{request}" "Requests that were given up because their body stopped coming.";
    /// A client's connection was closed because of what it sent beside requests.
    connection_flooded, connections_flooded: "tidegauge.client.floods" "{connection}" "Client connections that were closed because they sent too many frames beside requests.";
    /// The system had no file descriptor for a connection of a client or to an upstream.
    descriptors_exhausted, descriptors_missing: "tidegauge.descriptors.exhausted" "{connection}" "Connections, of clients or to upstreams, for which there was no file descriptor.";
    /// A wait began because every HTTP/2 connection to an upstream was full.
    stream_waited, streams_waited: "tidegauge.upstream.streams_waited" "{request}" "Requests that waited because no HTTP/2 connection to their upstream could take another stream.";
    /// The journal noted that an exchange began.
    journal_open, journal_opened: "tidegauge.journal.opened" "{request}" "Requests whose beginning the journal noted.";
    /// The journal noted that an exchange is over.
    journal_close, journal_closed: "tidegauge.journal.closed" "{request}" "Requests whose end the journal noted.";
    /// An exchange was found in the journal that a killed process had left open.
    exchange_killed, killed: "tidegauge.requests.killed" "{request}" "Requests that a killed process left open, found in its journal.";
    /// The schema of a tool that was called could not be used, so its arguments were not checked.
    schema_unusable, schemas_unusable: "tidegauge.tools.schemas_unusable" "{call}" "Tool calls that were not checked because the schema of their tool cannot be used.";
    /// A response that was not over when it was asked for was forgotten to make room for another: its
    /// usage will not be told.
    response_forgotten, responses_forgotten: "tidegauge.responses.forgotten" "{response}" "Background responses that were forgotten before their usage came, to make room for others.";
}

raised_totals! {
    /// Turns of sessions were over: each will become a record beside its session's.
    turns_over, turns: "tidegauge.turns.over" "{turn}" "Turns of sessions that are over and will become records beside their session's.";
    /// Messages of a socket were forwarded and not read: too large, not decodable, not JSON.
    messages_not_read, messages_skipped: "tidegauge.messages.skipped" "{message}" "Messages of sockets that were forwarded and not read.";
}

totals_by_word! {
    /// Requests were answered, or given up, before routing.
    request_rejected, rejected by Rejected as TotalByReason: "tidegauge.requests.rejected" "{request}" "Requests that were answered before they were routed.";
    /// Records were lost before the sinks saw them.
    record_lost, records_lost by Dropped as TotalByReason: "tidegauge.records.lost" "{record}" "Records that were lost before anything saw them.";
    /// Records of turns were lost before the sinks saw them.
    turn_lost, turns_lost by Dropped as TotalByReason: "tidegauge.turns.lost" "{record}" "Records of turns that were lost before anything saw them.";
    /// Lines of the journal were not written, or could not be read.
    journal_line_lost, journal_lost by Dropped as TotalByReason: "tidegauge.journal.lost" "{line}" "Lines that the journal could not note or read.";
    /// Lines of the record file were dropped.
    line_dropped, lines_dropped by Dropped as TotalByReason: "tidegauge.lines.dropped" "{line}" "Lines of the record file that were dropped.";
    /// Lines about calls were dropped, which the log was to say.
    access_line_dropped, access_lines_dropped by Dropped as TotalByReason: "tidegauge.log.access_dropped" "{line}" "Lines about calls that the log could not take.";
    /// A panic was caught.
    panicked, panics by Task as TotalByTask: "tidegauge.panics" "{panic}" "Panics that were caught.";
    /// What was said in an exchange was to be captured and was dropped.
    content_dropped, contents_dropped by Withheld as TotalByReason: "tidegauge.content.dropped" "{record}" "Records without the words that were to be captured.";
}

levels! {
    /// Live response streams began or ended.
    streams_changed, streams: "tidegauge.streams.active" "{stream}" "Response streams that are being passed on.";
    /// Exchanges that are over began to wait to become records, or no longer do.
    records_queued_changed, records_queued: "tidegauge.records.queued" "{record}" "Exchanges that are over and wait to become records.";
    /// Client connections opened or closed.
    connections_changed, connections: "tidegauge.connections.active" "{connection}" "Client connections that are open.";
    /// Responses that were not over when they were asked for began to be remembered, or no longer are.
    responses_open_changed, responses_open: "tidegauge.responses.open" "{response}" "Background responses whose usage is to come with a later answer.";
}

/// Numbers that are made of more than one field.
const OTHERS: &[HealthMetric] = &[
    HealthMetric {
        name: "tidegauge.config.reloads",
        unit: "{reload}",
        about: "Times the configuration was read again.",
        read: HealthReading::Total(|health| health.reloads().0),
    },
    HealthMetric {
        name: "tidegauge.prices.reads",
        unit: "{read}",
        about: "Times the price list's file was read.",
        read: HealthReading::Total(|health| health.price_list_reads().0),
    },
    HealthMetric {
        name: "tidegauge.config.reload_ok",
        unit: "",
        about: "1 if the configuration in use is the one that was read last, else 0.",
        read: HealthReading::Gauge(|health| i64::from(health.reloads().1)),
    },
    HealthMetric {
        name: "tidegauge.prices.read_ok",
        unit: "",
        about: "1 if the price list in use is the one that was read last, else 0.",
        read: HealthReading::Gauge(|health| i64::from(health.price_list_reads().1)),
    },
];

impl Health {
    /// Every number that needs no exporter and no clock, in the same order each time.
    pub fn metrics() -> impl Iterator<Item = &'static HealthMetric> {
        [TOTALS, RAISED_TOTALS, BY_WORD, LEVELS, OTHERS].into_iter().flatten()
    }

    /// Requests began or ended.
    pub fn active_changed(&self, change: i64) {
        self.active.fetch_add(change, Relaxed);
    }

    /// Requests that are being served.
    pub fn active(&self) -> i64 {
        self.active.load(Relaxed)
    }

    /// The ledger of the exporter of that name, a new one the first time.
    pub fn ledger(&self, exporter: &str) -> Arc<Ledger> {
        let mut all = self.exporters.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.iter().find(|ledger| ledger.exporter() == exporter) {
            return Arc::clone(known);
        }
        let ledger = Arc::new(Ledger::new(exporter));
        all.push(Arc::clone(&ledger));
        ledger
    }

    /// The ledger of every exporter, in the order in which they were opened.
    pub fn exporters(&self) -> Vec<Arc<Ledger>> {
        self.exporters.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Spans made so far; a span counts once for each exporter it was made for.
    pub fn spans(&self) -> u64 {
        self.sum(|ledger| ledger.spans())
    }

    /// Spans that came from disk so far.
    pub fn spans_recovered(&self) -> u64 {
        self.sum(|ledger| ledger.spans_recovered())
    }

    /// Spans that receivers took so far.
    pub fn spans_acked(&self) -> u64 {
        self.sum(|ledger| ledger.spans_acked())
    }

    /// Spans in memory queues now.
    pub fn spans_queued(&self) -> i64 {
        self.sum(|ledger| ledger.spans_queued())
    }

    /// Spans in disk queues now.
    pub fn spans_queued_disk(&self) -> i64 {
        self.sum(|ledger| ledger.spans_queued_disk())
    }

    /// Spans dropped so far.
    pub fn spans_dropped(&self, reason: Dropped) -> u64 {
        self.sum(|ledger| ledger.spans_dropped(reason))
    }

    /// Metric points dropped so far.
    pub fn points_dropped(&self, reason: Dropped) -> u64 {
        self.sum(|ledger| ledger.points_dropped(reason))
    }

    /// Log records dropped so far.
    pub fn logs_dropped(&self, reason: Dropped) -> u64 {
        self.sum(|ledger| ledger.logs_dropped(reason))
    }

    fn sum<N: std::iter::Sum>(&self, read: impl Fn(&Ledger) -> N) -> N {
        self.exporters().iter().map(|ledger| read(ledger)).sum()
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
