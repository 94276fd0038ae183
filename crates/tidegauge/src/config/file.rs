//! What may be typed into `tidegauge.yaml`, key by key.
//!
//! Only shapes: nothing here has a default or a meaning yet. The JSON schema for editors is derived
//! from these types, and the same schema is what `check` reads a file against, so the two cannot
//! disagree. Doc comments become the descriptions an editor shows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{Amount, Size, Time};
use crate::telemetry::Preset;

/// Configuration of Tidegauge. Every key is optional. `${NAME}` in a value is replaced by that
/// environment variable, which must be set; `$${` is a plain `${`.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "tidegauge.yaml")]
pub(crate) struct File {
    /// Address of the proxy. Default 127.0.0.1:4310.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Serve TLS on the proxy address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen_tls: Option<ListenTls>,
    /// Address of the console and of metrics, or `off`. Default 127.0.0.1:4311.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<ConsoleWord>,
    /// Where requests go: `/NAME/...` is forwarded to the upstream of that name. The built-in ones
    /// are there without being named; naming one changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstreams: Option<BTreeMap<String, Upstream>>,
    /// Where a request goes that names no upstream and is no provider's own. Default: the
    /// provider whose format most clients speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_upstream: Option<String>,
    /// Traces, metrics and events, over OTLP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<Telemetry>,
    /// How much of what is said may be kept, in traces and records. A request may ask for less, never
    /// for more. Default `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<CaptureSetting>,
    /// Prices of your own, before those of the catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pricing: Option<Pricing>,
    /// Bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// The program's own log, on standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    /// Append one JSON object per exchange to this file; `-` is standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_file: Option<RecordFileWord>,
    /// Where the program may keep files of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
}

/// First-level keys that are decided but not built: they are refused by name.
pub(crate) const LATER: [&str; 6] =
    ["store", "budgets", "graders", "guardrails", "experiments", "attribution"];

/// How much of what is said may be kept: a word, or the word and how.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum CaptureSetting {
    /// How much.
    Word(CaptureWord),
    /// How much, and how.
    Map(Capture),
}

/// How much of what is said may be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CaptureWord {
    /// Nothing.
    Off,
    /// What is left without secrets and personal data that are told by their form.
    Redacted,
    /// All of it.
    Full,
}

/// How much of what is said may be kept, and how.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Capture {
    /// How much, unless an upstream says otherwise. Default `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<CaptureWord>,
    /// Regular expressions for what is to be taken out besides what is known to be secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patterns: Option<Vec<String>>,
    /// Whether tools are kept with their descriptions and schemas, not by name alone. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_schemas: Option<bool>,
}

/// Certificate and key of a listener.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenTls {
    /// File with the PEM certificate chain.
    pub cert: PathBuf,
    /// File with the PEM private key; readable by its owner only.
    pub key: PathBuf,
}

/// The console: an address, `off`, or both address and token.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ConsoleWord {
    /// An address such as 127.0.0.1:4311, or `off`.
    Address(String),
    /// Address and token.
    Map(Console),
}

/// The console in full.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Console {
    /// An address such as 127.0.0.1:4311, or `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// What a caller must send as `authorization: Bearer TOKEN`. Required when the address is not a
    /// loopback one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretWord>,
}

/// The record file: a path, or a path and how large it may become.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RecordFileWord {
    /// Its path; `-` is standard output.
    Path(PathBuf),
    /// Its path, and how large it may become.
    Map(RecordFile),
}

/// The record file in full.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RecordFile {
    /// Its path; `-` is standard output.
    pub path: PathBuf,
    /// Bytes after which it is renamed to `PATH.1` and begun anew. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<Size>,
    /// How many files are kept that were renamed so; the oldest goes. Default 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
}

/// A value that may be secret: a text in which secrets stand as `${NAME}`, or a file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum SecretWord {
    /// A text; secrets in it as `${NAME}`.
    #[schemars(extend("format" = "tidegauge-secret"))]
    Text(String),
    /// A file that holds the value.
    Map(SecretFile),
}

/// A file that holds a value.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretFile {
    /// The file; blanks and line ends around its content are dropped.
    pub file: PathBuf,
}

/// One place that requests are forwarded to.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Upstream {
    /// The protocol it speaks. Default: its own name, if that is a provider's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Its origin, such as https://api.example.com: what follows the host in the provider's own URLs
    /// stays in the request path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Whether streams that do not ask for usage are made to. Default: as the provider suggests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageWord>,
    /// How long it may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsWord>,
    /// Trust and identity towards it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// Headers set on every request to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, SecretWord>>,
    /// What becomes of trace context (`traceparent`, `tracestate`, `baggage`) on the way to it.
    /// Default: `none` to public providers, `passthrough` to others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagate: Option<PropagateWord>,
    /// How much of what is said may be kept. Default: as `capture` says for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<CaptureWord>,
    /// Whether HTTP/2 is spoken to it where it agrees to that. Default: no, HTTP/1.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http2: Option<bool>,
}

/// Whether usage is asked for on streams.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UsageWord {
    /// Ask, and take the extra chunk out of the answer.
    Inject,
    /// Touch nothing.
    Passthrough,
}

/// What becomes of trace context.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PropagateWord {
    /// Removed.
    None,
    /// As the client sent it.
    Passthrough,
    /// Our span becomes the parent.
    Inject,
}

/// How long an upstream may take.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimeoutsWord {
    /// Name look-up, connection and TLS. Default 5s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Time>,
    /// Until the response head, or `off`. Default off: as long as the client waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<TimeOrOff>,
    /// Between two pieces of a response, or `off`. Default 15m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<TimeOrOff>,
}

/// A duration, or `off`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum TimeOrOff {
    /// No bound.
    Off(Off),
    /// A bound.
    Time(Time),
}

/// The word `off`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Off {
    /// Not in use.
    Off,
}

/// Trust and identity towards a server.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpstreamTls {
    /// File with PEM certificates trusted besides the platform's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// File with the PEM certificate chain shown to it; needs `key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// File with the PEM private key of `cert`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// Traces, metrics and events.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Telemetry {
    /// Where it goes. The standard `OTEL_EXPORTER_OTLP_*` variables win over these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otlp: Option<Otlp>,
    /// `service.name`. Default `tidegauge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Further resource attributes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<BTreeMap<String, String>>,
    /// Which traces are exported. Metrics count every exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
    /// Time between two exports of metrics. Default 60s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_interval: Option<Time>,
    /// Whether the program's own log lines are exported too. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<bool>,
    /// Form of histograms over OTLP. Default `exponential`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histograms: Option<HistogramsWord>,
    /// Fixed histogram boundaries for times of calls on the metrics page. Default `advised`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_buckets: Option<BucketsWord>,
    /// What is believed of a caller's trace context. Default `continue`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<TrustWord>,
    /// Whether responses carry `x-tidegauge-trace-id`. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_header: Option<bool>,
    /// Tags (`x-tidegauge-tag-NAME`) that become attributes of metrics, and `prompt` and `agent`, which
    /// stand for those; each value of each makes more series. Default: `team` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_tags: Option<Vec<String>>,
    /// Whether tokens that a provider does not tell are counted here, with a tokenizer that takes some
    /// 46 MiB once it is needed. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate_usage: Option<bool>,
    /// Attributes outside the semantic conventions, for backends that look for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compat: Option<Compat>,
    /// Which names of the semantic conventions are used where they are changing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semconv: Option<Semconv>,
    /// What spans say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans: Option<Spans>,
    /// Keep on disk what a receiver does not take, through its outages and our restarts; `{}` is
    /// enough where `data_dir` is set. Default: nothing is kept on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_queue: Option<DiskQueueWord>,
    /// Note on disk which requests are open, so that those that a killed process leaves are told by
    /// the next one; `{}` is enough where `data_dir` is set. Default: nothing is noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalWord>,
    /// Further receivers beside `otlp`, each with queues of its own, so that none waits for another.
    /// The `OTEL_*` variables say nothing about where these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exporters: Option<Vec<ExporterWord>>,
}

/// The journal of open requests.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JournalWord {
    /// Its directory, for one process at a time. Default: `journal` in `data_dir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// One further OTLP receiver.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExporterWord {
    /// What it is called in metrics and on the console: letters, digits, `-` and `_`, not `default`.
    pub name: String,
    /// Its URL, such as http://localhost:4317; over HTTP `/v1/traces` and the like are appended.
    /// Default: as the preset knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The URL for spans, used as it is. Default: made from `endpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traces_endpoint: Option<String>,
    /// The URL for metrics, used as it is. Default: made from `endpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_endpoint: Option<String>,
    /// The URL for events and log lines, used as it is. Default: made from `endpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs_endpoint: Option<String>,
    /// What is known about it: where it is, the signals it takes, how it is spoken to, headers without
    /// secrets, the names it reads. Keys that are set win. Default `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// How it is spoken to. Default: as the preset wants, else `grpc` if the port is 4317, else
    /// `http/protobuf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<ProtocolWord>,
    /// Headers on every export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, SecretWord>>,
    /// Compression of exports. Default `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<CompressionWord>,
    /// How long one export may take. Default 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Time>,
    /// Trust and identity towards it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    /// What is sent to it. Default: what the preset takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signals: Option<Vec<SignalWord>>,
    /// Which spans it gets. Default: as the preset wants, else `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans: Option<SpansWord>,
    /// Whether its spans say tokens and cost. Default: as `telemetry.spans.genai` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<SpanUsageWord>,
    /// What its sums mean. Default: as the preset wants, else as the standard variable says, else
    /// `cumulative`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temporality: Option<TemporalityWord>,
    /// Form of its histograms. Default: as the preset wants, else as for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histograms: Option<HistogramsWord>,
    /// Resource attributes for it alone, over those for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<BTreeMap<String, String>>,
    /// Keep on disk what it does not take. Default: nothing is kept on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_queue: Option<DiskQueueWord>,
}

/// A kind of telemetry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SignalWord {
    /// Spans.
    Traces,
    /// Sums and distributions.
    Metrics,
    /// Events and log lines.
    Logs,
}

/// Which spans a receiver gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpansWord {
    /// Those of the request, of the model call and of each attempt.
    All,
    /// That of the model call alone, under the caller's span or as the root.
    Calls,
}

/// Whether spans say tokens and cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpanUsageWord {
    /// They do.
    Own,
    /// They do not: the caller's spans say them, and a receiver that adds up would count twice.
    LinkOnly,
}

/// What a sum means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TemporalityWord {
    /// Since the start of the process.
    Cumulative,
    /// Since the export before.
    Delta,
}

/// Telemetry that waits on disk.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DiskQueueWord {
    /// Its directory, for one process at a time. Default: `queue` in `data_dir`, and `queue-NAME` for
    /// one of `exporters`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Bytes of all its files; past them the oldest file goes. Default 1GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<Size>,
    /// Bytes of one file. Default 16MiB, at least 4MiB, at most half of `max_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment_bytes: Option<Size>,
    /// The time whose telemetry a power cut may take. Default 500ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fsync: Option<Time>,
}

/// An OTLP receiver.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Otlp {
    /// Its URL, such as http://localhost:4317. Without one nothing is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How it is spoken to. Default: `grpc` if the port is 4317, else `http/protobuf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<ProtocolWord>,
    /// Headers on every export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, SecretWord>>,
    /// Compression of exports. Default `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<CompressionWord>,
    /// How long one export may take. Default 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Time>,
    /// Trust and identity towards it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
}

/// How an OTLP receiver is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub enum ProtocolWord {
    /// gRPC.
    #[serde(rename = "grpc")]
    Grpc,
    /// Protobuf over HTTP.
    #[serde(rename = "http/protobuf")]
    Http,
}

/// Compression of exports.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CompressionWord {
    /// None.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// Which traces are exported.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sampling {
    /// Share of traces, 0 to 1. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Whether a caller's decision is followed. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_based: Option<bool>,
}

/// Form of histograms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistogramsWord {
    /// Base-2 exponential: precise everywhere, merge across replicas.
    Exponential,
    /// The fixed boundaries of the semantic conventions.
    Explicit,
}

/// Fixed histogram boundaries of the metrics page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BucketsWord {
    /// Those of the semantic conventions: each the double of the one before.
    #[default]
    Advised,
    /// Four times as many, from 50 ms to 10 minutes: four times the series, and percentiles within 19 %.
    Fine,
}

/// What is believed of a caller's trace context.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TrustWord {
    /// Continue the caller's trace.
    Continue,
    /// Begin a trace and link to the caller's.
    Link,
    /// Ignore it.
    Ignore,
}

/// Attributes outside the semantic conventions.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compat {
    /// `gen_ai.usage.cost`, in US dollars. Default true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_cost: Option<bool>,
    /// The names of OpenInference for kind, model, provider and tokens. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub openinference: Option<bool>,
}

/// Names of the semantic conventions that are changing.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Semconv {
    /// Names of metrics about model calls. Default `current`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genai: Option<NamesWord>,
    /// Name of the tokens written to a cache, on spans. Default `new`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<CacheWriteWord>,
}

/// A set of metric names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamesWord {
    /// Those that dashboards read today.
    #[default]
    Current,
    /// Those that are agreed for later.
    Next,
    /// Both.
    Both,
}

/// A name of the tokens written to a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheWriteWord {
    /// `gen_ai.usage.cache_write.input_tokens`.
    #[default]
    New,
    /// `gen_ai.usage.cache_creation.input_tokens`.
    Old,
    /// Both.
    Both,
}

/// What spans say.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spans {
    /// How much the span of a model call says. Default `full`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genai: Option<CallSpanWord>,
    /// What becomes of the requests of one session that bring no trace context. Default `link`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionsWord>,
}

/// What becomes of the requests of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionsWord {
    /// Each is a trace; the id of the session on the spans connects them.
    #[default]
    Link,
    /// Those of a day, in UTC, are one trace, whose id follows from the session's.
    Trace,
}

/// How much the span of a model call says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallSpanWord {
    /// Everything.
    #[default]
    Full,
    /// No tokens and no cost: where callers have spans of their own that say them.
    LinkOnly,
}

/// Prices of your own.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pricing {
    /// A price list in place of the built-in one, as `tidegauge prices update` writes it or as
    /// genai-prices and LiteLLM publish theirs; read again when it changes. Default: `prices.json` in
    /// `data_dir`, if it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// One entry a model. The closest match counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<Price>>,
    /// Names of yours for models the catalogue knows under another name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aliases: Option<BTreeMap<String, String>>,
}

/// The price of one model: by token, by call, by hour of GPU, or several of them added up.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Price {
    /// The model, as requests or responses name it; `*` stands for any run of characters.
    pub model: String,
    /// Only at this upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// US dollars for a million tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_million: Option<PerMillion>,
    /// US dollars for each call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_request: Option<Amount>,
    /// US dollars for an hour of one GPU; the time a call takes is what is priced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_hour: Option<Amount>,
    /// How many GPUs serve the model. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u32>,
}

/// US dollars for a million tokens. What is absent costs what input or output does.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PerMillion {
    /// Prompt tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Amount>,
    /// Generated tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Amount>,
    /// Prompt tokens read from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Amount>,
    /// Prompt tokens written to a cache that lives five minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<Amount>,
    /// Prompt tokens written to a cache that lives an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Amount>,
    /// Audio in the prompt read from the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_audio: Option<Amount>,
    /// Audio in the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_audio: Option<Amount>,
    /// Pictures in the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_image: Option<Amount>,
    /// Reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Amount>,
    /// Audio made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_audio: Option<Amount>,
    /// Pictures made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_image: Option<Amount>,
}

/// Bounds. Each that is hit is counted.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Client connections at once. Default 10000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Bytes of one request head. Default 64KiB, at least 8KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_bytes: Option<Size>,
    /// Header fields of one request. Default 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<u32>,
    /// How long a request head may take to arrive. Default 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_timeout: Option<Time>,
    /// How long a connection may wait for its next request. Default 75s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<Time>,
    /// How much of a request body may be held back where usage is asked for. Larger bodies are
    /// forwarded as they come and nothing is asked. Default 8MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Size>,
    /// How much of all request bodies together may be held in memory until an upstream answers; what
    /// would exceed it is forwarded as it comes. Default 256MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_bytes: Option<Size>,
    /// How long a request body may pause before it is given up, or `off`. Default 1m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_idle: Option<TimeOrOff>,
    /// How long new connections are still taken after a stop signal, while `/readyz` says 503 already.
    /// Default 0ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_delay: Option<Time>,
    /// How long running exchanges may go on after a stop signal and that delay. Default 20s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain: Option<Time>,
    /// Finished exchanges that may wait to become records. Default 16384.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<u32>,
    /// Bytes of telemetry that may wait in memory for a receiver. Default 64MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub telemetry_queue: Option<Size>,
    /// Attribute sets that metrics with the same attributes may have; measurements of further ones are
    /// added up in one set. Default 2000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric_sets: Option<u32>,
}

/// The program's own log.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// Default: `text` on a terminal, else `json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<LogFormat>,
    /// A level (`error`, `warn`, `info`, `debug`, `trace`) or filter directives
    /// (`info,tidegauge_proxy=debug`). Default `info`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Share of calls, 0 to 1, that have a line at `info`: upstream, model, status, category, time, tokens
    /// and cost. Default: 1 where lines are text, 0 where they are JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<f64>,
}

/// Form of log lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
