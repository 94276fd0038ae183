//! Reads the `OTEL_*` variables and collects every mistake.
//!
//! A value that may be secret is never repeated in a mistake.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri, uri::PathAndQuery};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::{
    Compression, Config, Exporter, ExporterSettings, Identity, Preset, Protocol, QueueOptions,
    Receiver, Sampler, Settings, Signals, Sums, Target,
};
use crate::attribute::AttributeLimits;
use crate::exemplar::ExemplarFilter;
use crate::metric::{Histograms, MetricOptions};
use crate::percent;
use crate::rendering::Rendering;
use crate::resource::ResourceAttributes;
use crate::semconv as name;
use crate::span::SpanOptions;

/// One thing that was typed and means nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The variable, or the setting as `telemetry.<name>`.
    pub what: String,
    /// What would have been understood.
    pub expected: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}", self.what, self.expected)
    }
}

/// All mistakes that were found.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct ConfigError {
    /// In the order of the look-up; never empty.
    pub mistakes: Vec<Mistake>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.mistakes.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

/// A signal as the variables name it.
#[derive(Clone, Copy)]
struct Signal {
    /// In variables: `OTEL_EXPORTER_OTLP_<word>_...`.
    word: &'static str,
    /// After the endpoint for all signals, over HTTP.
    path: &'static str,
}

const TRACES: Signal = Signal { word: "TRACES", path: "v1/traces" };
const METRICS: Signal = Signal { word: "METRICS", path: "v1/metrics" };
const LOGS: Signal = Signal { word: "LOGS", path: "v1/logs" };

const TIMEOUT: Duration = Duration::from_secs(10);
const METRIC_INTERVAL: Duration = Duration::from_secs(60);

pub(super) fn resolve(
    settings: &Settings,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigError> {
    let mut read = Reader { settings, lookup, place: "telemetry", mistakes: Vec::new() };
    let off = read.boolean("OTEL_SDK_DISABLED").unwrap_or(false);
    let [traces, metrics, logs] = [TRACES, METRICS, LOGS].map(|signal| read.target(signal, off));
    let metric_timeout = read.millis("OTEL_METRIC_EXPORT_TIMEOUT");
    let trace_timeout = read.millis("OTEL_BSP_EXPORT_TIMEOUT");
    let log_timeout = read.millis("OTEL_BLRP_EXPORT_TIMEOUT");
    let words = read.words();
    let total = settings.queue_bytes.unwrap_or(QueueOptions::default().bytes);
    let default = Exporter {
        name: Exporter::DEFAULT.to_owned(),
        preset: Preset::None,
        rendering: Rendering {
            spans: SpanOptions { content: words.on_spans, ..read.options("OTEL_SPAN_") },
            events: SpanOptions {
                content: words.on_events,
                details: words.events,
                ..read.options("OTEL_LOGRECORD_")
            },
            names: settings.names,
        },
        traces: within(traces, trace_timeout),
        metrics: within(metrics, metric_timeout),
        logs: within(logs, log_timeout),
        trace_queue: read.queue("OTEL_BSP", total / 4 * 3),
        // Sums are collected whole: there is nothing to wait for, and the next ones replace them.
        metric_queue: QueueOptions { bytes: total / 8, delay: Duration::ZERO, ..read.base_queue() },
        log_queue: read.queue("OTEL_BLRP", total / 8),
        disk_queue: settings.disk_queue.clone(),
    };
    let mut exporters = Vec::new();
    if !off {
        let further = settings.exporters.iter().enumerate();
        exporters.extend(further.map(|(index, of)| read.further(index, of, &default)));
    }
    if default.traces.is_some() || default.metrics.is_some() || default.logs.is_some() {
        exporters.insert(0, default);
    }
    let config = Config {
        resource: read.resource(),
        exporters,
        sampler: read.sampler(),
        metric: MetricOptions {
            tags: settings.metric_tags.clone().unwrap_or(MetricOptions::default().tags),
            sets: settings.metric_sets.unwrap_or(MetricOptions::default().sets),
            secure: settings.secure,
            ..MetricOptions::default()
        },
        names: settings.names,
        histograms: read.histograms(),
        sums: read.sums(),
        exemplars: read.exemplars(),
        metric_interval: read
            .millis("OTEL_METRIC_EXPORT_INTERVAL")
            .or(settings.metric_interval)
            .unwrap_or(METRIC_INTERVAL),
        diagnostics: settings.diagnostics.unwrap_or(true),
    };
    if read.mistakes.is_empty() { Ok(config) } else { Err(ConfigError { mistakes: read.mistakes }) }
}

/// A second bound on the time of an export, where one is set.
fn within(target: Option<Target>, bound: Option<Duration>) -> Option<Target> {
    target.map(|target| Target {
        timeout: bound.map_or(target.timeout, |bound| bound.min(target.timeout)),
        ..target
    })
}

/// Where captured words go.
struct Words {
    on_spans: bool,
    on_events: bool,
    /// Whether there are such events.
    events: bool,
}

struct Reader<'a> {
    settings: &'a Settings,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    /// Where the settings stand in the file.
    place: &'a str,
    mistakes: Vec<Mistake>,
}

/// A value with the name of what it was read from.
struct Told {
    what: String,
    value: String,
    /// From a variable for this signal alone.
    own: bool,
}

impl Reader<'_> {
    /// One of `exporters`: read as the default one is, but that no variable speaks of it.
    fn further(&mut self, index: usize, of: &ExporterSettings, default: &Exporter) -> Exporter {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let headers = of.preset.headers().iter().map(own).chain(of.otlp.headers.iter().cloned());
        let protocol = || of.preset.protocol().map(|protocol| protocol.word().to_owned());
        let otlp = Receiver {
            protocol: of.otlp.protocol.clone().or_else(protocol),
            headers: headers.collect(),
            ..of.otlp.clone()
        };
        let nowhere = otlp.endpoint.as_ref().is_none_or(|endpoint| endpoint.trim().is_empty());
        let settings = Settings { otlp, ..Settings::default() };
        let place = format!("telemetry.exporters.{index}");
        let mut read =
            Reader { settings: &settings, lookup: &|_| None, place: &place, mistakes: Vec::new() };
        if nowhere {
            read.mistake(&format!("{place}.endpoint"), "a URL with http:// or https:// and a host");
        }
        let Signals { traces, metrics, logs } = of.signals.unwrap_or(of.preset.signals());
        let [traces, metrics, logs] = [(TRACES, traces), (METRICS, metrics), (LOGS, logs)]
            .map(|(signal, wanted)| wanted.then(|| read.target(signal, false)).flatten());
        let found = read.mistakes;
        self.mistakes.extend(found);
        Exporter {
            name: of.name.clone(),
            preset: of.preset,
            traces,
            metrics,
            logs,
            disk_queue: of.disk_queue.clone(),
            rendering: of.preset.rendering(default.rendering),
            ..default.clone()
        }
    }

    fn target(&mut self, signal: Signal, off: bool) -> Option<Target> {
        let wanted = self.exporter(signal);
        let endpoint =
            self.otlp(signal, "ENDPOINT", "endpoint", self.settings.otlp.endpoint.clone());
        if off || wanted == Some(false) || (wanted.is_none() && endpoint.is_none()) {
            return None;
        }
        let typed = endpoint.as_ref().map_or("", |told| &told.value);
        let protocol = self.protocol(signal, typed);
        let endpoint = self.endpoint(signal, endpoint, protocol);
        let timeout =
            self.otlp(signal, "TIMEOUT", "timeout", None).map(|told| told_millis(self, &told));
        let ca =
            self.file(signal, "CERTIFICATE", "certificate", self.settings.otlp.certificate.clone());
        let ca = ca.and_then(|(what, pem)| self.certificates(&what, pem));
        let target = Target {
            protocol,
            endpoint: endpoint?,
            headers: self.headers(signal),
            compression: self.compression(signal),
            timeout: timeout.flatten().or(self.settings.otlp.timeout).unwrap_or(TIMEOUT),
            ca,
            identity: self.identity(signal),
        };
        Some(target)
    }

    /// `OTEL_<SIGNAL>_EXPORTER`: `None` when it is not set.
    fn exporter(&mut self, signal: Signal) -> Option<bool> {
        let what = format!("OTEL_{}_EXPORTER", signal.word);
        let value = self.text(&what)?;
        let mut wanted = false;
        for word in value.split(',').map(str::trim) {
            match word {
                "otlp" => wanted = true,
                "none" => {}
                // The text page is there in any case.
                "prometheus" if signal.word == METRICS.word => {}
                _ => {
                    self.mistake(&what, "otlp or none");
                    // So that the mistakes about its target are found too.
                    wanted = true;
                }
            }
        }
        Some(wanted)
    }

    fn protocol(&mut self, signal: Signal, endpoint: &str) -> Protocol {
        let by_port = || {
            let grpc = endpoint.trim_end_matches('/').ends_with(":4317");
            if grpc { Protocol::Grpc } else { Protocol::HttpProtobuf }
        };
        match self.otlp(signal, "PROTOCOL", "protocol", self.settings.otlp.protocol.clone()) {
            None => by_port(),
            Some(told) => match told.value.as_str() {
                "grpc" => Protocol::Grpc,
                "http/protobuf" => Protocol::HttpProtobuf,
                _ => {
                    self.mistake(&told.what, "grpc or http/protobuf");
                    by_port()
                }
            },
        }
    }

    fn endpoint(&mut self, signal: Signal, told: Option<Told>, protocol: Protocol) -> Option<Uri> {
        let told = told.unwrap_or_else(|| Told {
            what: "endpoint".to_owned(),
            value: match protocol {
                Protocol::Grpc => "http://localhost:4317".to_owned(),
                Protocol::HttpProtobuf => "http://localhost:4318".to_owned(),
            },
            own: false,
        });
        let expected = "a URL with http:// or https:// and a host";
        let mut text = told.value.clone();
        if protocol == Protocol::Grpc && !text.contains("://") {
            let plain = self.otlp(signal, "INSECURE", "insecure", None);
            let plain = plain.and_then(|told| self.truth(&told.what, &told.value)).unwrap_or(false);
            text = format!("{}://{text}", if plain { "http" } else { "https" });
        }
        let uri = Uri::from_str(&text).ok().filter(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
                && !text.contains('@')
        });
        let Some(uri) = uri else {
            self.mistake(&told.what, expected);
            return None;
        };
        match protocol {
            Protocol::Grpc => Some(uri),
            Protocol::HttpProtobuf if told.own => Some(uri),
            Protocol::HttpProtobuf => joined(uri, signal.path),
        }
    }

    /// `name=value` pairs separated by commas, values percent-encoded, as in W3C baggage.
    fn headers(&mut self, signal: Signal) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in self.settings.otlp.headers.clone() {
            let what = format!("{}.headers", self.place);
            self.header(&mut headers, &what, &name, &value);
        }
        for what in [
            "OTEL_EXPORTER_OTLP_HEADERS".to_owned(),
            format!("OTEL_EXPORTER_OTLP_{}_HEADERS", signal.word),
        ] {
            let Some(list) = self.text(&what) else { continue };
            for pair in list.split(',').filter(|pair| !pair.trim().is_empty()) {
                match pair.split_once('=') {
                    Some((name, value)) => {
                        self.header(&mut headers, &what, name.trim(), &decoded(value.trim()));
                    }
                    None => self.mistake(&what, "name=value pairs separated by commas"),
                }
            }
        }
        headers
    }

    fn header(&mut self, headers: &mut HeaderMap, what: &str, name: &str, value: &str) {
        match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
            _ => self.mistake(what, "header names and values that HTTP allows"),
        }
    }

    fn compression(&mut self, signal: Signal) -> Option<Compression> {
        let typed = self.settings.otlp.compression.clone();
        let told = self.otlp(signal, "COMPRESSION", "compression", typed)?;
        match told.value.as_str() {
            "gzip" => Some(Compression::Gzip),
            "zstd" => Some(Compression::Zstd),
            "none" => None,
            _ => {
                self.mistake(&told.what, "gzip, zstd or none");
                None
            }
        }
    }

    fn identity(&mut self, signal: Signal) -> Option<Identity> {
        let chain = self.settings.otlp.client_certificate.clone();
        let chain = self.file(signal, "CLIENT_CERTIFICATE", "client_certificate", chain);
        let key = self.settings.otlp.client_key.clone();
        let key = self.file(signal, "CLIENT_KEY", "client_key", key);
        let ((chain_from, chain), (key_from, key)) = match (chain, key) {
            (Some(chain), Some(key)) => (chain, key),
            (Some((what, _)), None) => {
                self.mistake(&what, "a client key beside it");
                return None;
            }
            (None, Some((what, _))) => {
                self.mistake(&what, "a client certificate beside it");
                return None;
            }
            (None, None) => return None,
        };
        if PrivateKeyDer::from_pem_slice(&key).is_err() {
            self.mistake(&key_from, "a file with a PEM private key");
        }
        let chain = self.certificates(&chain_from, chain)?;
        Some(Identity { chain, key })
    }

    /// The PEM, if there is at least one certificate in it and none is broken.
    fn certificates(&mut self, what: &str, pem: Arc<[u8]>) -> Option<Arc<[u8]>> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        let good = read.is_ok_and(|read| !read.is_empty());
        if !good {
            self.mistake(what, "a file with PEM certificates");
        }
        good.then_some(pem)
    }

    fn file(
        &mut self,
        signal: Signal,
        variable: &str,
        setting: &str,
        typed: Option<String>,
    ) -> Option<(String, Arc<[u8]>)> {
        let told = self.otlp(signal, variable, setting, typed)?;
        match std::fs::read(&told.value) {
            Ok(bytes) => Some((told.what, bytes.into())),
            Err(error) => {
                self.mistake(&told.what, &format!("a readable file ({})", error.kind()));
                None
            }
        }
    }

    fn resource(&mut self) -> ResourceAttributes {
        let mut known = ResourceAttributes::detected();
        for (key, value) in &self.settings.resource {
            known.set(key, value);
        }
        if let Some(service) = &self.settings.service_name {
            known.set(name::SERVICE_NAME, service);
        }
        let what = "OTEL_RESOURCE_ATTRIBUTES";
        for pair in self.text(what).unwrap_or_default().split(',') {
            match pair.split_once('=') {
                Some((key, value)) => {
                    known.set(decoded(key.trim()).trim(), decoded(value.trim()).trim());
                }
                None if pair.trim().is_empty() => {}
                None => self.mistake(what, "name=value pairs separated by commas"),
            }
        }
        if let Some(service) = self.text("OTEL_SERVICE_NAME") {
            known.set(name::SERVICE_NAME, &service);
        }
        known
    }

    /// Defaults to everything, following the caller.
    fn sampler(&mut self) -> Sampler {
        let argument = self.ratio("OTEL_TRACES_SAMPLER_ARG");
        let typed = Sampler {
            ratio: self.settings.sample_ratio.unwrap_or(1.0),
            parent_based: self.settings.parent_based.unwrap_or(true),
        };
        let Some(word) = self.text("OTEL_TRACES_SAMPLER") else { return typed };
        let (parent_based, root) = match word.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, word.as_str()),
        };
        let ratio = match root {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => argument.unwrap_or(1.0),
            _ => {
                self.mistake(
                    "OTEL_TRACES_SAMPLER",
                    "always_on, always_off or traceidratio, or one of these after parentbased_",
                );
                return typed;
            }
        };
        Sampler { ratio, parent_based }
    }

    fn ratio(&mut self, what: &str) -> Option<f64> {
        let value = self.text(what)?.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        if value.is_none() {
            self.mistake(what, "a number from 0 to 1");
        }
        value
    }

    fn base_queue(&self) -> QueueOptions {
        let base = QueueOptions::default();
        QueueOptions { max_age: self.settings.max_retry_age.unwrap_or(base.max_age), ..base }
    }

    fn queue(&mut self, prefix: &str, bytes: usize) -> QueueOptions {
        let base = self.base_queue();
        let pieces = self.positive(&format!("{prefix}_MAX_QUEUE_SIZE")).unwrap_or(base.pieces);
        let batch = self.positive(&format!("{prefix}_MAX_EXPORT_BATCH_SIZE"));
        let delay = self.millis(&format!("{prefix}_SCHEDULE_DELAY")).unwrap_or(base.delay);
        let batch_pieces = batch.unwrap_or(base.batch_pieces).min(pieces);
        let due_pieces = batch.unwrap_or(base.due_pieces).min(pieces);
        QueueOptions { bytes, pieces, due_pieces, batch_pieces, delay, ..base }
    }

    /// Attribute limits: for one kind of data, else for all.
    fn options(&mut self, prefix: &str) -> SpanOptions {
        let base = self.settings.spans.limits;
        let mut limit = |suffix: &str, base: usize| {
            self.number(&format!("{prefix}{suffix}"))
                .or_else(|| self.number(&format!("OTEL_{suffix}")))
                .unwrap_or(base)
        };
        let limits = AttributeLimits {
            count: limit("ATTRIBUTE_COUNT_LIMIT", base.count),
            value: limit("ATTRIBUTE_VALUE_LENGTH_LIMIT", base.value),
        };
        SpanOptions { limits, ..self.settings.spans }
    }

    /// The words of OpenTelemetry's own instrumentations. They say where captured words go; whether
    /// any are captured only our configuration says. Unset: on spans, which every backend reads.
    fn words(&mut self) -> Words {
        let what = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
        let word = self.text(what).map(|word| word.to_ascii_uppercase());
        let (on_spans, on_events) = match word.as_deref() {
            // Its older form only switched on and off.
            None | Some("SPAN_ONLY" | "TRUE") => (true, false),
            Some("NO_CONTENT" | "FALSE") => (false, false),
            Some("EVENT_ONLY") => (false, true),
            Some("SPAN_AND_EVENT") => (true, true),
            Some(_) => {
                self.mistake(what, "NO_CONTENT, SPAN_ONLY, EVENT_ONLY or SPAN_AND_EVENT");
                (false, false)
            }
        };
        let events = self.boolean("OTEL_INSTRUMENTATION_GENAI_EMIT_EVENT");
        let events = events.unwrap_or(on_events || self.settings.spans.details);
        Words { on_spans, on_events, events }
    }

    fn histograms(&mut self) -> Histograms {
        let what = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
        let typed = self.settings.histograms.unwrap_or_default();
        match self.text(what).as_deref() {
            None => typed,
            Some("explicit_bucket_histogram") => Histograms::Explicit,
            Some("base2_exponential_bucket_histogram") => Histograms::Exponential,
            Some(_) => {
                let expected = "explicit_bucket_histogram or base2_exponential_bucket_histogram";
                self.mistake(what, expected);
                typed
            }
        }
    }

    fn sums(&mut self) -> Sums {
        let what = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
        match self.text(what).map(|value| value.to_ascii_lowercase()).as_deref() {
            None | Some("cumulative") => Sums::Cumulative,
            Some("delta") => Sums::Delta,
            Some("lowmemory") => Sums::LowMemory,
            Some(_) => {
                self.mistake(what, "cumulative, delta or lowmemory");
                Sums::Cumulative
            }
        }
    }

    fn exemplars(&mut self) -> ExemplarFilter {
        let what = "OTEL_METRICS_EXEMPLAR_FILTER";
        match self.text(what).as_deref() {
            None | Some("trace_based") => ExemplarFilter::Sampled,
            Some("always_on") => ExemplarFilter::All,
            Some("always_off") => ExemplarFilter::Off,
            Some(_) => {
                self.mistake(what, "trace_based, always_on or always_off");
                ExemplarFilter::Sampled
            }
        }
    }

    /// A value for this signal, for all signals, or of the file, in this order.
    fn otlp(
        &self,
        signal: Signal,
        variable: &str,
        setting: &str,
        typed: Option<String>,
    ) -> Option<Told> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{variable}", signal.word);
        if let Some(value) = self.text(&own) {
            return Some(Told { what: own, value, own: true });
        }
        let all = format!("OTEL_EXPORTER_OTLP_{variable}");
        if let Some(value) = self.text(&all) {
            return Some(Told { what: all, value, own: false });
        }
        let value = typed.filter(|value| !value.is_empty())?;
        Some(Told { what: format!("{}.{setting}", self.place), value, own: false })
    }

    fn text(&self, variable: &str) -> Option<String> {
        let value = (self.lookup)(variable)?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn boolean(&mut self, variable: &str) -> Option<bool> {
        let value = self.text(variable)?;
        self.truth(variable, &value)
    }

    fn truth(&mut self, what: &str, value: &str) -> Option<bool> {
        match value.to_ascii_lowercase().as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.mistake(what, "true or false");
                None
            }
        }
    }

    fn number(&mut self, variable: &str) -> Option<usize> {
        let value = self.text(variable)?.parse().ok();
        if value.is_none() {
            self.mistake(variable, "a whole number");
        }
        value
    }

    fn positive(&mut self, variable: &str) -> Option<usize> {
        let value = self.text(variable)?.parse().ok().filter(|value| *value > 0);
        if value.is_none() {
            self.mistake(variable, "a whole number above 0");
        }
        value
    }

    fn millis(&mut self, variable: &str) -> Option<Duration> {
        let value = self.text(variable)?;
        told_millis(self, &Told { what: variable.to_owned(), value, own: false })
    }

    fn mistake(&mut self, what: &str, expected: &str) {
        let mistake = Mistake { what: what.to_owned(), expected: expected.to_owned() };
        if !self.mistakes.contains(&mistake) {
            self.mistakes.push(mistake);
        }
    }
}

fn told_millis(read: &mut Reader<'_>, told: &Told) -> Option<Duration> {
    let millis = told.value.parse().ok().filter(|millis| *millis > 0).map(Duration::from_millis);
    if millis.is_none() {
        read.mistake(&told.what, "milliseconds, a whole number above 0");
    }
    millis
}

/// The URL with a path after its own.
fn joined(uri: Uri, path: &str) -> Option<Uri> {
    let base = uri.path().trim_end_matches('/');
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let path = PathAndQuery::from_str(&format!("{base}/{path}{query}")).ok()?;
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).ok()
}

/// Percent-encoding undone; what is not text then stays as it is.
fn decoded(text: &str) -> String {
    String::from_utf8(percent::decoded(text)).unwrap_or_else(|_| text.to_owned())
}
