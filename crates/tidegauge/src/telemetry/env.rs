//! What the `OTEL_*` variables and the file say about telemetry, resolved.
//!
//! In: [`Settings`] and a look-up of variables. Out: a [`TelemetryConfig`], with what was ignored in the
//! variables, or every mistake of the file. A variable wins over the file. A value that may be secret is
//! never repeated. Sources of the rules: OpenTelemetry's "environment variable specification" and "OTLP
//! exporter"; where they leave a choice or we differ, the item says so.

use std::fmt;
use std::time::Duration;

use tidegauge_core::Signal;
use tidegauge_export::{ExporterOptions, QueueOptions, Target};
use tidegauge_otel::{
    AttributeLimits, EncoderOptions, ExemplarFilter, Histograms, MetricOptions, Rendering,
    ResourceAttributes, SpanOptions, Sums,
};

use super::preset::Preset;
use super::receiver::{Receiver, Signals};
use super::settings::{ExporterPlan, ExporterSettings, Sampler, Settings, TelemetryConfig};
use super::target::{TargetReader, note};
use super::variables::{Misread, Variables, decoded};

const METRIC_INTERVAL: Duration = Duration::from_secs(60);
const SAMPLERS: &str = "always_on, always_off or traceidratio, or one of these after parentbased_";

/// All mistakes that were found in the file.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct TelemetryMistakes {
    /// In the order in which they were found; never empty.
    pub mistakes: Vec<Misread>,
}

impl fmt::Display for TelemetryMistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.mistakes.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl TelemetryConfig {
    /// Resolves what was typed. `lookup` gives the value of a variable; empty counts as unset.
    ///
    /// # Errors
    /// Every mistake of the file, each with the setting and what was expected. Of the variables what
    /// means nothing is ignored, and found in [`ignored`](Self::ignored).
    pub fn from_env(
        settings: &Settings,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, TelemetryMistakes> {
        resolve(settings, lookup)
    }
}

fn resolve(
    settings: &Settings,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<TelemetryConfig, TelemetryMistakes> {
    let (mut mistakes, mut ignored) = (Vec::new(), Vec::new());
    let mut variables = Variables::new(lookup);
    let off = variables.boolean("OTEL_SDK_DISABLED").unwrap_or(false);
    let targets = targets(settings, &mut variables, &mut mistakes, &mut ignored);
    let resource = resource(settings, &mut variables);
    let default = default_exporter(settings, targets, &mut variables);
    let mut further = Vec::new();
    for (index, of) in settings.exporters.iter().enumerate() {
        let all = (&default, &resource);
        further.push(further_exporter(index, of, all, &mut mistakes, &mut ignored));
    }
    let used = [&default.options.traces, &default.options.metrics, &default.options.logs]
        .into_iter()
        .any(Option::is_some);
    let exporters = used.then_some(default).into_iter().chain(further);
    propagators(&mut variables);
    let mut reader = EncoderReader { settings, variables };
    let mut config = TelemetryConfig {
        encoder: reader.encoder(resource),
        exporters: if off { Vec::new() } else { exporters.collect() },
        sampler: reader.sampler(),
        metric_interval: reader
            .variables
            .millis("OTEL_METRIC_EXPORT_INTERVAL")
            .or(settings.metric_interval)
            .unwrap_or(METRIC_INTERVAL),
        ignored,
    };
    config.ignored.extend(reader.variables.into_ignored());
    if mistakes.is_empty() { Ok(config) } else { Err(TelemetryMistakes { mistakes }) }
}

/// Where the three signals of the default exporter go.
fn targets(
    settings: &Settings,
    variables: &mut Variables<'_>,
    mistakes: &mut Vec<Misread>,
    ignored: &mut Vec<Misread>,
) -> [Option<Target>; 3] {
    let mut reader = TargetReader {
        receiver: &settings.otlp,
        place: "telemetry",
        variables: Some(variables),
        mistakes,
        ignored,
    };
    Signal::ALL.map(|signal| reader.target(signal))
}

/// The exporter that `telemetry.otlp` and the variables describe.
fn default_exporter(
    settings: &Settings,
    [traces, metrics, logs]: [Option<Target>; 3],
    variables: &mut Variables<'_>,
) -> ExporterPlan {
    let metric_timeout = variables.millis("OTEL_METRIC_EXPORT_TIMEOUT");
    let trace_timeout = variables.millis("OTEL_BSP_EXPORT_TIMEOUT");
    let log_timeout = variables.millis("OTEL_BLRP_EXPORT_TIMEOUT");
    let content = content(settings, variables);
    let total = settings.queue_bytes.unwrap_or(QueueOptions::default().bytes);
    let base = base_queue(settings);
    let rendering = Rendering {
        spans: SpanOptions {
            content: content.on_spans,
            ..span_options(settings, variables, "OTEL_SPAN_")
        },
        events: SpanOptions {
            content: content.on_events,
            details: content.events,
            ..span_options(settings, variables, "OTEL_LOGRECORD_")
        },
        names: settings.names,
        histograms: histograms(settings, variables),
        sums: sums(variables),
    };
    let options = ExporterOptions {
        name: ExporterOptions::DEFAULT.to_owned(),
        traces: within(traces, trace_timeout),
        metrics: within(metrics, metric_timeout),
        logs: within(logs, log_timeout),
        trace_queue: queue(variables, "OTEL_BSP", QueueOptions { bytes: total / 4 * 3, ..base }),
        // Sums are collected whole: there is nothing to wait for, and the next ones replace them.
        metric_queue: QueueOptions { bytes: total / 8, delay: Duration::ZERO, ..base },
        log_queue: queue(variables, "OTEL_BLRP", QueueOptions { bytes: total / 8, ..base }),
        disk_queue: settings.disk_queue.clone(),
        sums_replace: rendering.sums == Sums::Cumulative,
    };
    ExporterPlan { preset: Preset::default(), rendering, resource: Vec::new(), options }
}

/// One of `exporters`: as the default one is, but that no variable says where it is.
fn further_exporter(
    index: usize,
    of: &ExporterSettings,
    (default, resource): (&ExporterPlan, &ResourceAttributes),
    mistakes: &mut Vec<Misread>,
    ignored: &mut Vec<Misread>,
) -> ExporterPlan {
    let place = format!("telemetry.exporters.{index}");
    let mut resource = resource.clone();
    of.resource.iter().for_each(|(key, value)| resource.set(key, value));
    let (receiver, placed) = receiver(of);
    if !placed.iter().any(|placed| *placed) {
        let expected = "a URL with http:// or https:// and a host";
        note(mistakes, &format!("{place}.endpoint"), expected);
    }
    for (key, expected) in of.preset.missing(&receiver, &resource) {
        note(mistakes, &format!("{place}.{key}"), &expected);
    }
    let Signals { traces, metrics, logs } = of.signals.unwrap_or(of.preset.signals());
    let mut reader =
        TargetReader { receiver: &receiver, place: &place, variables: None, mistakes, ignored };
    let wanted = [(Signal::Traces, traces), (Signal::Metrics, metrics), (Signal::Logs, logs)];
    let [traces, metrics, logs] =
        wanted.map(|(signal, wanted)| wanted.then(|| reader.target(signal)).flatten());
    let some = placed.iter().any(|placed| *placed);
    for ((signal, wanted), placed) in wanted.into_iter().zip(placed) {
        // Said by name, and only others have an endpoint.
        if wanted && of.signals.is_some() && some && !placed {
            let what = format!("{place}.{}_endpoint", signal.name());
            note(mistakes, &what, "a URL, or `endpoint` for all signals");
        }
    }
    let mut rendering = of.preset.rendering(default.rendering);
    let spans = &mut rendering.spans;
    spans.tree = of.tree.unwrap_or(spans.tree);
    spans.detail = of.detail.unwrap_or(spans.detail);
    rendering.events.detail = rendering.spans.detail;
    rendering.sums = of.sums.unwrap_or(rendering.sums);
    rendering.histograms = of.histograms.unwrap_or(rendering.histograms);
    ExporterPlan {
        preset: of.preset,
        rendering,
        resource: of.resource.clone(),
        options: ExporterOptions {
            name: of.name.clone(),
            traces,
            metrics,
            logs,
            disk_queue: of.disk_queue.clone(),
            sums_replace: rendering.sums == Sums::Cumulative,
            ..default.options.clone()
        },
    }
}

/// How a receiver is reached, with what its preset knows, and which signals have an endpoint. The
/// preset's endpoints count only where the user sets none.
fn receiver(of: &ExporterSettings) -> (Receiver, [bool; 3]) {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let headers = of.preset.headers().iter().map(own).chain(of.otlp.headers.iter().cloned());
    let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
    let user = is_set(&of.otlp.endpoint) || of.otlp.signal_endpoints.iter().any(is_set);
    let (endpoint, signal_endpoints) = if user || of.otlp.endpoint.is_some() {
        (of.otlp.endpoint.clone(), of.otlp.signal_endpoints.clone())
    } else {
        of.preset.endpoints()
    };
    let placed = signal_endpoints.each_ref().map(|own| is_set(own) || is_set(&endpoint));
    let receiver = Receiver {
        endpoint,
        signal_endpoints,
        protocol: of.otlp.protocol.or(of.preset.protocol()),
        headers: headers.collect(),
        ..of.otlp.clone()
    };
    (receiver, placed)
}

/// A second bound on the time of an export, where one is set.
fn within(target: Option<Target>, bound: Option<Duration>) -> Option<Target> {
    target.map(|target| Target {
        timeout: bound.map_or(target.timeout, |bound| bound.min(target.timeout)),
        ..target
    })
}

fn base_queue(settings: &Settings) -> QueueOptions {
    let base = QueueOptions::default();
    QueueOptions { max_age: settings.max_retry_age.unwrap_or(base.max_age), ..base }
}

fn queue(variables: &mut Variables<'_>, prefix: &str, base: QueueOptions) -> QueueOptions {
    let pieces = variables.positive(&format!("{prefix}_MAX_QUEUE_SIZE")).unwrap_or(base.pieces);
    let batch = variables.positive(&format!("{prefix}_MAX_EXPORT_BATCH_SIZE"));
    let delay = variables.millis(&format!("{prefix}_SCHEDULE_DELAY")).unwrap_or(base.delay);
    let batch_pieces = batch.unwrap_or(base.batch_pieces).min(pieces);
    let due_pieces = batch.unwrap_or(base.due_pieces).min(pieces);
    QueueOptions { pieces, due_pieces, batch_pieces, delay, ..base }
}

/// Attribute limits: for one kind of data, else for all.
fn span_options(settings: &Settings, variables: &mut Variables<'_>, prefix: &str) -> SpanOptions {
    let base = settings.spans.limits;
    let mut limit = |suffix: &str, base: usize| {
        let own = variables.number(&format!("{prefix}{suffix}"));
        own.or_else(|| variables.number(&format!("OTEL_{suffix}"))).unwrap_or(base)
    };
    let limits = AttributeLimits {
        count: limit("ATTRIBUTE_COUNT_LIMIT", base.count),
        value: limit("ATTRIBUTE_VALUE_LENGTH_LIMIT", base.value),
    };
    SpanOptions { limits, ..settings.spans }
}

/// Where captured content goes.
struct ContentPlaces {
    on_spans: bool,
    on_events: bool,
    /// Whether there are events of model calls.
    events: bool,
}

/// The words of OpenTelemetry's own instrumentations. They say where captured content goes; whether
/// any is captured only our configuration says. Unset: on spans, which every backend reads.
fn content(settings: &Settings, variables: &mut Variables<'_>) -> ContentPlaces {
    let what = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
    let expected = "NO_CONTENT, SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT";
    let places = variables.read(what, expected, |text| {
        match text.to_ascii_uppercase().as_str() {
            // Its older form only switched on and off.
            "SPAN_ONLY" | "TRUE" => Some((true, false)),
            "NO_CONTENT" | "FALSE" => Some((false, false)),
            "EVENT_ONLY" => Some((false, true)),
            "SPAN_AND_EVENT" => Some((true, true)),
            _ => None,
        }
    });
    let (on_spans, on_events) = places.unwrap_or((true, false));
    let events = variables.boolean("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT");
    let events = events.unwrap_or(on_events || settings.spans.details);
    ContentPlaces { on_spans, on_events, events }
}

/// Trace context is read and written as W3C has it, and nothing else is.
fn propagators(variables: &mut Variables<'_>) {
    let name = "OTEL_PROPAGATORS";
    let list = variables.text(name).unwrap_or_default();
    let known = |word: &str| matches!(word, "" | "tracecontext" | "baggage");
    if !list.split(',').map(str::trim).all(known) {
        variables.ignore(name, "tracecontext, baggage or both");
    }
}

/// Who emits: what is known of this process, what the file says, and over it what the variables say.
fn resource(settings: &Settings, variables: &mut Variables<'_>) -> ResourceAttributes {
    let mut known = ResourceAttributes::detected();
    for (key, value) in &settings.resource {
        known.set(key, value);
    }
    if let Some(service) = &settings.service_name {
        known.set(SERVICE_NAME, service);
    }
    let what = "OTEL_RESOURCE_ATTRIBUTES";
    for pair in variables.text(what).unwrap_or_default().split(',') {
        match pair.split_once('=') {
            Some((key, value)) => {
                known.set(decoded(key.trim()).trim(), decoded(value.trim()).trim());
            }
            None if pair.trim().is_empty() => {}
            None => variables.ignore(what, "name=value pairs separated by commas"),
        }
    }
    if let Some(service) = variables.text("OTEL_SERVICE_NAME") {
        known.set(SERVICE_NAME, &service);
    }
    known
}

fn histograms(settings: &Settings, variables: &mut Variables<'_>) -> Histograms {
    let what = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    let expected = "explicit_bucket_histogram or base2_exponential_bucket_histogram";
    let named = variables.read(what, expected, |text| match text {
        "explicit_bucket_histogram" => Some(Histograms::Explicit),
        "base2_exponential_bucket_histogram" => Some(Histograms::Exponential),
        _ => None,
    });
    named.or(settings.histograms).unwrap_or_default()
}

fn sums(variables: &mut Variables<'_>) -> Sums {
    let what = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
    let expected = "cumulative, delta or lowmemory";
    let named = variables.read(what, expected, |text| match text.to_ascii_lowercase().as_str() {
        "cumulative" => Some(Sums::Cumulative),
        "delta" => Some(Sums::Delta),
        "lowmemory" => Some(Sums::LowMemory),
        _ => None,
    });
    named.unwrap_or_default()
}

/// What is the same for all exporters.
struct EncoderReader<'a> {
    settings: &'a Settings,
    variables: Variables<'a>,
}

impl EncoderReader<'_> {
    fn encoder(&mut self, resource: ResourceAttributes) -> EncoderOptions {
        let (settings, base) = (self.settings, MetricOptions::default());
        EncoderOptions {
            resource,
            metric: MetricOptions {
                tags: settings.metric_tags.clone().unwrap_or_else(|| base.tags.clone()),
                sets: settings.metric_sets.unwrap_or(base.sets),
                secure: settings.secure,
                fine: settings.fine_buckets,
                ..base
            },
            names: settings.names,
            exemplars: self.exemplars(),
            diagnostics: settings.diagnostics.unwrap_or(true),
        }
    }

    /// Defaults to everything, following the caller.
    fn sampler(&mut self) -> Sampler {
        let argument =
            self.variables.read("OTEL_TRACES_SAMPLER_ARG", "a number from 0 to 1", ratio);
        let typed = Sampler {
            ratio: self.settings.sample_ratio.unwrap_or(1.0),
            parent_based: self.settings.parent_based.unwrap_or(true),
        };
        let named = self.variables.read("OTEL_TRACES_SAMPLER", SAMPLERS, |word| {
            let (parent_based, root) = match word.strip_prefix("parentbased_") {
                Some(root) => (true, root),
                None => (false, word),
            };
            let ratio = match root {
                "always_on" => 1.0,
                "always_off" => 0.0,
                "traceidratio" => argument.unwrap_or(1.0),
                _ => return None,
            };
            Some(Sampler { ratio, parent_based })
        });
        named.unwrap_or(typed)
    }

    fn exemplars(&mut self) -> ExemplarFilter {
        let what = "OTEL_METRICS_EXEMPLAR_FILTER";
        let expected = "trace_based, always_on or always_off";
        let named = self.variables.read(what, expected, |text| match text {
            "trace_based" => Some(ExemplarFilter::Sampled),
            "always_on" => Some(ExemplarFilter::All),
            "always_off" => Some(ExemplarFilter::Off),
            _ => None,
        });
        named.unwrap_or(ExemplarFilter::Sampled)
    }
}

const SERVICE_NAME: &str = "service.name";

fn ratio(text: &str) -> Option<f64> {
    text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio))
}

#[cfg(test)]
mod tests;
