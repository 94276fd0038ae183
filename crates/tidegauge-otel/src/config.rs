//! What was typed, in the file and in the standard `OTEL_*` variables, into what runs.
//!
//! In: [`Settings`] of the configuration file and a look-up of variables. Out: a [`Config`] without
//! open questions, or every mistake at once. A variable wins over the file, and one for a signal over
//! the one for all. Reads certificate files; opens no connection.
//!
//! Sources of the rules: OpenTelemetry's "environment variable specification" and "OTLP exporter".
//! Where they leave a choice or we differ, the item says so.

mod env;
mod preset;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Uri};

use crate::backlog::DiskQueue;
use crate::exemplar::ExemplarFilter;
use crate::metric::{Histograms, MetricOptions};
use crate::names::Names;
use crate::rendering::Rendering;
use crate::resource::ResourceAttributes;
use crate::span::SpanOptions;

pub use env::{ConfigError, Mistake};
pub use preset::Preset;

/// What the configuration file says. Everything may be left out.
#[derive(Clone, Default)]
pub struct Settings {
    /// Where to send all signals, and how.
    pub otlp: Receiver,
    /// `service.name`.
    pub service_name: Option<String>,
    /// Further resource attributes.
    pub resource: Vec<(String, String)>,
    /// Share of root traces that are sampled.
    pub sample_ratio: Option<f64>,
    /// Whether a caller's sampling decision is followed.
    pub parent_based: Option<bool>,
    /// Time between two exports of metrics.
    pub metric_interval: Option<Duration>,
    /// How distributions are pushed.
    pub histograms: Option<Histograms>,
    /// Tags that become metric attributes.
    pub metric_tags: Option<Vec<String>>,
    /// Attribute sets that a group of metrics may have.
    pub metric_sets: Option<usize>,
    /// Bytes that may wait in memory for each exporter: three quarters for spans, an eighth each for metrics and logs.
    pub queue_bytes: Option<usize>,
    /// How long one piece is retried.
    pub max_retry_age: Option<Duration>,
    /// Where what the collector did not take is kept on disk. Left out: nowhere.
    pub disk_queue: Option<DiskQueue>,
    /// Further collectors, beside the one above. The variables say nothing about them.
    pub exporters: Vec<ExporterSettings>,
    /// What is said in spans and events.
    pub spans: SpanOptions,
    /// Which names metrics of model calls have.
    pub names: Names,
    /// Whether our own log lines are exported too. Left out: yes.
    pub diagnostics: Option<bool>,
    /// Whether our own listener speaks TLS.
    pub secure: bool,
}

impl fmt::Debug for Settings {
    /// Without its contents: headers may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Settings")
    }
}

/// What the configuration file says about reaching a collector.
#[derive(Clone, Default)]
pub struct Receiver {
    /// Where it is; nothing is sent there when neither this nor a variable says where.
    pub endpoint: Option<String>,
    /// `grpc` or `http/protobuf`. Left out: gRPC if the endpoint's port is 4317, else HTTP.
    pub protocol: Option<String>,
    /// Headers of every export; values may be secret.
    pub headers: Vec<(String, String)>,
    /// `gzip`, `zstd` or `none`.
    pub compression: Option<String>,
    /// How long one export may take.
    pub timeout: Option<Duration>,
    /// File with PEM certificates trusted besides the platform's.
    pub certificate: Option<String>,
    /// File with our PEM certificate chain.
    pub client_certificate: Option<String>,
    /// File with the key for it.
    pub client_key: Option<String>,
}

impl fmt::Debug for Receiver {
    /// Without its contents: headers may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receiver")
    }
}

/// What the configuration file says about one further collector.
#[derive(Clone, Default)]
pub struct ExporterSettings {
    /// What it is called in our own metrics; never `default`, and no other's name.
    pub name: String,
    /// What is known about it.
    pub preset: Preset,
    /// Where it is, which must be told, and how it is reached. The preset's protocol is used where none is.
    pub otlp: Receiver,
    /// What is sent there. Left out: what the preset takes.
    pub signals: Option<Signals>,
    /// Where what it did not take is kept on disk. Left out: nowhere.
    pub disk_queue: Option<DiskQueue>,
}

impl fmt::Debug for ExporterSettings {
    /// Without its contents: headers may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExporterSettings")
    }
}

/// A choice of signals.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signals {
    /// Spans.
    pub traces: bool,
    /// Metric points.
    pub metrics: bool,
    /// Events and our own log lines.
    pub logs: bool,
}

impl Signals {
    /// All of them.
    pub const ALL: Self = Self { traces: true, metrics: true, logs: true };
}

/// Everything resolved.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who emits.
    pub resource: ResourceAttributes,
    /// Who is sent what; each has its own queues and books and waits for no other. Empty: everything
    /// is on the text page only.
    pub exporters: Vec<Exporter>,
    /// Which traces are sampled: for the data plane's policy, nothing here decides.
    pub sampler: Sampler,
    /// What is said in metrics.
    pub metric: MetricOptions,
    /// Which names metrics of model calls have on the text page.
    pub names: Names,
    /// How distributions are pushed. The text page always has fixed buckets.
    pub histograms: Histograms,
    /// What pushed sums mean. The text page is always cumulative.
    pub sums: Sums,
    /// Which exchanges become examples in pushed distributions.
    pub exemplars: ExemplarFilter,
    /// Time between two exports of metrics.
    pub metric_interval: Duration,
    /// Whether our own log lines are exported.
    pub diagnostics: bool,
}

impl Config {
    /// Resolves what was typed. `lookup` gives the value of a variable; empty counts as unset.
    ///
    /// # Errors
    /// Every mistake that was found, each with the variable or setting and what was expected.
    pub fn from_env(
        settings: &Settings,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        env::resolve(settings, lookup)
    }
}

/// One collector: what it is sent, and how that waits for it.
#[derive(Clone, Debug)]
pub struct Exporter {
    /// What it is called in our own metrics.
    pub name: String,
    /// What is known about it.
    pub preset: Preset,
    /// How spans and events are said to it.
    pub rendering: Rendering,
    /// Where spans go; `None`: none do.
    pub traces: Option<Target>,
    /// Where metrics go; `None`: none do.
    pub metrics: Option<Target>,
    /// Where events and our own log lines go; `None`: none do.
    pub logs: Option<Target>,
    /// How spans are queued.
    pub trace_queue: QueueOptions,
    /// How metric points are queued.
    pub metric_queue: QueueOptions,
    /// How events and log lines are queued.
    pub log_queue: QueueOptions,
    /// Where what the collector did not take is kept on disk; `None`: nowhere.
    pub disk_queue: Option<DiskQueue>,
}

impl Exporter {
    /// The name of the one that `telemetry.otlp` and the `OTEL_*` variables describe.
    pub const DEFAULT: &str = "default";
}

/// Where one signal goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// How it is said.
    pub protocol: Protocol,
    /// For HTTP the full URL, for gRPC the origin.
    pub endpoint: Uri,
    /// Sent with every export. The values are marked sensitive, so they do not show in debug output.
    pub headers: HeaderMap,
    /// How bodies are compressed.
    pub compression: Option<Compression>,
    /// How long one export may take.
    pub timeout: Duration,
    /// PEM certificates trusted besides the platform's.
    pub ca: Option<Arc<[u8]>>,
    /// PEM certificate chain and key that we show.
    pub identity: Option<Identity>,
}

/// A client certificate. Its debug output is empty.
#[derive(Clone)]
pub struct Identity {
    /// PEM certificate chain.
    pub chain: Arc<[u8]>,
    /// PEM private key.
    pub key: Arc<[u8]>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// An OTLP transport. `http/json` is not offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
}

impl Protocol {
    /// As it is typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
        }
    }
}

/// How bodies are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// gzip.
    Gzip,
    /// Zstandard; not every collector takes it.
    Zstd,
}

/// What a pushed sum means (`..._METRICS_TEMPORALITY_PREFERENCE`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sums {
    /// Since the start of the process.
    #[default]
    Cumulative,
    /// Since the export before.
    Delta,
    /// Delta where that saves memory.
    LowMemory,
}

/// Which traces are sampled (`OTEL_TRACES_SAMPLER`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sampler {
    /// Share of root traces, 0 to 1.
    pub ratio: f64,
    /// Whether a caller's decision is followed.
    pub parent_based: bool,
}

/// Bounds of one queue and of what is taken out of it at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueOptions {
    /// Bytes that may wait.
    pub bytes: usize,
    /// Pieces that may wait; only bound when a standard variable sets it.
    pub pieces: usize,
    /// Pieces that are not kept waiting for more.
    pub due_pieces: usize,
    /// Pieces in one export, at most: as many as wait, so that an export takes more the later it is.
    pub batch_pieces: usize,
    /// Bytes in one export, before compression: under the 4 MiB that gRPC servers take.
    pub batch_bytes: usize,
    /// How long a piece waits for others.
    pub delay: Duration,
    /// How old a piece may get that could not be delivered. With a disk queue: any age.
    pub max_age: Duration,
}

impl Default for QueueOptions {
    /// 64 MiB, an export after one second or with 512 pieces, of at most 8,192 or 3.5 MiB, for five
    /// minutes.
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            pieces: usize::MAX,
            due_pieces: 512,
            batch_pieces: 8192,
            batch_bytes: 3584 << 10,
            delay: Duration::from_secs(1),
            max_age: Duration::from_secs(300),
        }
    }
}

#[cfg(test)]
mod tests;
