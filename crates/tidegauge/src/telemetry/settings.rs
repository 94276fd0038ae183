//! What was typed about telemetry, in the file and in the `OTEL_*` variables, and what runs.
//!
//! In: [`Settings`] of the configuration file and a look-up of variables. Out: a [`TelemetryConfig`] without
//! open questions, or every mistake at once. A variable wins over the file, and one for a signal over
//! the one for all. Reads certificate files; opens no connection.
//!
//! Sources of the rules: OpenTelemetry's "environment variable specification" and "OTLP exporter".
//! Where they leave a choice or we differ, the item says so.

use std::fmt;
use std::time::Duration;

use tidegauge_core::Emitter;
use tidegauge_export::{DiskQueueOptions, ExporterOptions};
use tidegauge_otel::{
    CallDetail, EncoderOptions, Histograms, Names, Rendering, SpanOptions, SpanTree, Sums,
};

use super::preset::Preset;
use super::receiver::{Receiver, Signals};
use super::variables::Misread;

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
    /// Whether times of calls have finer buckets on the page.
    pub fine_buckets: bool,
    /// Tags that become metric attributes.
    pub metric_tags: Option<Vec<String>>,
    /// Attribute sets that a group of metrics may have.
    pub metric_sets: Option<usize>,
    /// Bytes that may wait in memory for each exporter: three quarters for spans, an eighth each for metrics and logs.
    pub queue_bytes: Option<usize>,
    /// How long one piece is retried.
    pub max_retry_age: Option<Duration>,
    /// Where what the collector did not take is kept on disk. Left out: nowhere.
    pub disk_queue: Option<DiskQueueOptions>,
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

/// What the configuration file says about one further collector.
#[derive(Clone, Default)]
pub struct ExporterSettings {
    /// What it is called in our own metrics; never `default`, and no other's name.
    pub name: String,
    /// What is known about it.
    pub preset: Preset,
    /// Where it is and how it is reached. What is not told is as the preset knows; an endpoint there must be.
    pub otlp: Receiver,
    /// What is sent there. Left out: what the preset takes.
    pub signals: Option<Signals>,
    /// Which spans it gets. Left out: as the preset wants.
    pub tree: Option<SpanTree>,
    /// Whether its spans say tokens and money. Left out: as for all.
    pub detail: Option<CallDetail>,
    /// What its sums mean. Left out: as the preset wants, else as for all.
    pub sums: Option<Sums>,
    /// How its distributions are pushed. Left out: as the preset wants, else as for all.
    pub histograms: Option<Histograms>,
    /// Resource attributes for it alone.
    pub resource: Vec<(String, String)>,
    /// Where what it did not take is kept on disk. Left out: nowhere.
    pub disk_queue: Option<DiskQueueOptions>,
}

impl fmt::Debug for ExporterSettings {
    /// Without its contents: headers may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExporterSettings")
    }
}

/// Everything resolved.
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    /// What is the same for all exporters.
    pub encoder: EncoderOptions,
    /// Who is sent what; each has its own queues and ledger and waits for no other. Empty: everything
    /// is on the metrics page only.
    pub exporters: Vec<ExporterPlan>,
    /// Which traces are sampled: for the data plane's policy, nothing here decides.
    pub sampler: Sampler,
    /// Time between two exports of metrics.
    pub metric_interval: Duration,
    /// What was set and is not followed: variables that mean nothing here. For the log.
    pub ignored: Vec<Misread>,
}

impl TelemetryConfig {
    /// The delivery's part of every exporter, and who it says that the pieces are from.
    pub(super) fn deliveries(&self) -> Vec<(ExporterOptions, Emitter)> {
        let of = |plan: &ExporterPlan| {
            let mut resource = self.encoder.resource.clone();
            plan.resource.iter().for_each(|(key, value)| resource.set(key, value));
            (plan.options.clone(), resource.emitter())
        };
        self.exporters.iter().map(of).collect()
    }
}

/// One exporter: the form of what it is sent, and how that is delivered.
#[derive(Clone, Debug)]
pub struct ExporterPlan {
    /// What is known about its receiver.
    pub preset: Preset,
    /// The form of spans, events and metrics.
    pub rendering: Rendering,
    /// Resource attributes for it alone, over those for all.
    pub resource: Vec<(String, String)>,
    /// Where they go and how they wait.
    pub options: ExporterOptions,
}

/// Which traces are sampled (`OTEL_TRACES_SAMPLER`).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sampler {
    /// Share of root traces, 0 to 1.
    pub ratio: f64,
    /// Whether a caller's decision is followed.
    pub parent_based: bool,
}
