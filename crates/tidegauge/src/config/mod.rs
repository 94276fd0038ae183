//! Configuration: what may be typed ([`file`]), and what runs ([`Config`]).
//!
//! `tree` finds values and their places in the text, `shape` holds them against the schema,
//! `resolve` gives them meaning and defaults, `print` writes the result so that it can be read
//! again. Nothing here opens a socket.

mod advice;
mod exporters;
mod file;
mod load;
mod meaning;
mod mistake;
mod outside;
mod policy;
mod pricing;
mod print;
mod resolve;
mod schema;
mod secret;
mod shape;
mod telemetry;
mod tree;
mod upstream;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegauge_core::{Capture, Trust};
use tidegauge_export::Protocol;
use tidegauge_measure::OwnPrice;
use tidegauge_otel::{CacheWriteName, CallDetail, Histograms, Names, SpanTree};

use crate::telemetry::Preset;

pub use file::{BucketsWord, CompressionWord, SessionsWord, SignalWord, TemporalityWord};
pub use load::{Loaded, Source, load};
pub use mistake::{At, Mistake, Mistakes, Place};
pub use outside::{LARGEST, Outside};
pub use resolve::{Resolved, Typed, Warning, resolve};
pub(crate) use resolve::{is_address, is_console, is_upstream};
pub use schema::schema;
pub use secret::Secret;
pub use upstream::{Upstream, UpstreamTls};

/// Everything that is decided before anything runs.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    /// Address of the proxy.
    pub listen: SocketAddr,
    /// Certificate of the proxy's address; `None`: plain HTTP.
    pub listen_tls: Option<ListenTls>,
    /// The console; `None`: off.
    pub console: Option<Console>,
    /// Where requests may go, by unique name, sorted.
    pub upstreams: Vec<Upstream>,
    /// Where a request goes that names no upstream; a name in `upstreams`.
    pub default_upstream: String,
    /// What is exported.
    pub telemetry: Telemetry,
    /// How what is said is captured, where it is.
    pub capture: CaptureSettings,
    /// Prices before those of the catalogue.
    pub prices: Vec<OwnPrice>,
    /// Other names for models of the catalogue.
    pub aliases: BTreeMap<String, String>,
    /// The price list's file; `None`: the one in `data_dir`, if it is there, else the built-in list.
    pub price_file: Option<PathBuf>,
    /// Bounds.
    pub limits: Limits,
    /// The program's own log.
    pub log: Log,
    /// Where records are appended, one JSON object a line.
    pub record_file: Option<RecordFile>,
    /// Where the program may keep files of its own; `None`: it keeps none.
    pub data_dir: Option<PathBuf>,
}

/// What the command line, or the environment, says over the file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// Address of the proxy.
    pub listen: Option<String>,
    /// Address of the console, or `off`.
    pub console: Option<String>,
    /// `NAME=ORIGIN` each.
    pub upstreams: Vec<String>,
    /// Where records are appended.
    pub record_file: Option<PathBuf>,
    /// Where the program may keep files.
    pub data_dir: Option<PathBuf>,
    /// Log level or filter.
    pub log: Option<String>,
}

/// Where records are appended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordFile {
    /// The file; `-` is standard output.
    pub path: PathBuf,
    /// Bytes after which it is put aside; `None`: never.
    pub max_bytes: Option<u64>,
    /// How many files that were put aside are kept, at least one.
    pub keep: u32,
}

impl RecordFile {
    /// Whether it is standard output.
    pub fn is_stdout(&self) -> bool {
        self.path.as_os_str() == "-"
    }
}

/// How what is said is captured.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CaptureSettings {
    /// How much, where an upstream does not say otherwise.
    pub level: Capture,
    /// What is taken out besides what is known to be secret; each can be used.
    pub patterns: Vec<String>,
    /// Whether tools are kept with their descriptions and schemas.
    pub tool_schemas: bool,
}

/// Certificate and key of a listener, PEM, with the files they were read from.
#[derive(Clone, PartialEq)]
pub struct ListenTls {
    /// File of the certificate chain.
    pub cert_file: PathBuf,
    /// File of the private key.
    pub key_file: PathBuf,
    /// The certificate chain.
    pub cert: Arc<[u8]>,
    /// The private key.
    pub key: Arc<[u8]>,
}

impl std::fmt::Debug for ListenTls {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ListenTls({})", self.cert_file.display())
    }
}

/// The console's listener.
#[derive(Clone, PartialEq, Debug)]
pub struct Console {
    /// Its address.
    pub listen: SocketAddr,
    /// What callers must show; never `None` on an address that is not a loopback one.
    pub token: Option<Secret>,
}

/// What is exported. `None` leaves a setting to the standard variables and their defaults.
#[derive(Clone, PartialEq, Debug)]
pub struct Telemetry {
    /// Where it goes.
    pub otlp: Otlp,
    /// `service.name`.
    pub service_name: Option<String>,
    /// Further resource attributes.
    pub resource: BTreeMap<String, String>,
    /// Share of traces, 0 to 1.
    pub sample_ratio: Option<f64>,
    /// Whether a caller's sampling decision is followed.
    pub parent_based: Option<bool>,
    /// Time between two exports of metrics.
    pub metric_interval: Option<Duration>,
    /// Whether the program's own log lines are exported.
    pub diagnostics: Option<bool>,
    /// Form of histograms over OTLP.
    pub histograms: Histograms,
    /// Fixed histogram boundaries of the metrics page.
    pub page_buckets: BucketsWord,
    /// What is believed of a caller's trace context.
    pub trust: Trust,
    /// Whether responses carry `x-tidegauge-trace-id`.
    pub trace_header: bool,
    /// Tags that become attributes of metrics.
    pub metric_tags: Vec<String>,
    /// Whether tokens that the provider does not tell are counted here.
    pub estimate_usage: bool,
    /// Whether spans carry `gen_ai.usage.cost`.
    pub usage_cost: bool,
    /// Whether spans carry OpenInference's names.
    pub openinference: bool,
    /// Names of metrics about model calls.
    pub names: Names,
    /// Name of the tokens written to a cache.
    pub cache_write: CacheWriteName,
    /// How much the span of a model call says.
    pub call_span: CallDetail,
    /// What becomes of the requests of one session.
    pub sessions: SessionsWord,
    /// Where what a receiver does not take is kept; `None`: nowhere.
    pub disk_queue: Option<DiskQueue>,
    /// Directory of the journal of open requests; `None`: there is none.
    pub journal: Option<PathBuf>,
    /// Further receivers.
    pub exporters: Vec<Exporter>,
}

/// One further receiver.
#[derive(Clone, PartialEq, Debug)]
pub struct Exporter {
    /// Its name; no two are alike, and none is `default`.
    pub name: String,
    /// What is known about it.
    pub preset: Preset,
    /// What is sent to it; `None`: what the preset takes.
    pub signals: Option<Vec<SignalWord>>,
    /// Where it is and how it is spoken to.
    pub otlp: Otlp,
    /// The URL for spans, used as it is.
    pub traces_endpoint: Option<String>,
    /// The URL for metrics, used as it is.
    pub metrics_endpoint: Option<String>,
    /// The URL for events and log lines, used as it is.
    pub logs_endpoint: Option<String>,
    /// Which spans it gets; `None`: as the preset wants.
    pub spans: Option<SpanTree>,
    /// Whether its spans say tokens and cost; `None`: as for all.
    pub usage: Option<CallDetail>,
    /// What its sums mean; `None`: as the preset wants, or as for all.
    pub temporality: Option<TemporalityWord>,
    /// Form of its histograms; `None`: as the preset wants, or as for all.
    pub histograms: Option<Histograms>,
    /// Resource attributes for it alone.
    pub resource: BTreeMap<String, String>,
    /// Where what it does not take is kept; `None`: nowhere.
    pub disk_queue: Option<DiskQueue>,
}

/// Telemetry that waits on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskQueue {
    /// Its directory.
    pub path: PathBuf,
    /// Bytes of all its files.
    pub max_bytes: u64,
    /// Bytes of one file.
    pub segment_bytes: u64,
    /// The time whose telemetry a power cut may take.
    pub fsync: Duration,
}

/// An OTLP receiver, as far as the file names one.
#[derive(Clone, PartialEq, Debug)]
pub struct Otlp {
    /// Its URL.
    pub endpoint: Option<String>,
    /// How it is spoken to.
    pub protocol: Option<Protocol>,
    /// Headers on every export, names in lower case.
    pub headers: BTreeMap<String, Secret>,
    /// Compression of exports.
    pub compression: Option<CompressionWord>,
    /// How long one export may take.
    pub timeout: Option<Duration>,
    /// Certificates, if any are set.
    pub tls: UpstreamTls,
}

/// Bounds of queues, times and sizes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Client connections at once.
    pub connections: u32,
    /// Bytes of one request head.
    pub head_bytes: u64,
    /// Header fields of one request.
    pub headers: u32,
    /// How long a request head may take.
    pub head_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub keep_alive: Duration,
    /// How much of a request body may be held back, in bytes.
    pub hold: u64,
    /// How much of all request bodies together may be held, in bytes.
    pub held_bytes: u64,
    /// How long a request body may pause.
    pub body_idle: Option<Duration>,
    /// How long new connections are still taken after a stop signal, while `/readyz` says no.
    pub drain_delay: Duration,
    /// How long exchanges may go on after that.
    pub drain: Duration,
    /// Finished exchanges that may wait to become records.
    pub records: u32,
    /// Bytes of telemetry that may wait in memory.
    pub telemetry_queue: u64,
    /// Attribute sets that a group of metrics may have.
    pub metric_sets: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            head_bytes: 64 << 10,
            headers: 100,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            hold: 8 << 20,
            held_bytes: 256 << 20,
            body_idle: Some(Duration::from_secs(60)),
            drain_delay: Duration::ZERO,
            drain: Duration::from_secs(20),
            // Enough for what ends together while a tokenizer is loaded, once.
            records: 16_384,
            telemetry_queue: 64 << 20,
            metric_sets: 2000,
        }
    }
}

/// The program's own log.
#[derive(Clone, PartialEq, Debug)]
pub struct Log {
    /// JSON lines; `None`: unless standard error is a terminal.
    pub json: Option<bool>,
    /// Level or filter directives.
    pub level: String,
    /// Share of calls that have a line; `None`: all where lines are text, else none.
    pub access: Option<f64>,
}
