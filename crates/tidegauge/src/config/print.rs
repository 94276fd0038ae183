//! Writes what runs as a configuration file that reads back to the same. Secrets are written as the
//! variable or file they come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tidegauge_core::Timeouts;

use super::file::{
    Capture as CaptureFile, CaptureSetting, Compat, Console as ConsoleFile, ConsoleWord,
    DiskQueueWord, ExporterWord, File, JournalWord, Limits as LimitsFile, ListenTls as TlsFile,
    Log as LogFile, LogFormat, Off, Otlp as OtlpFile, Pricing, RecordFile as RecordFileMap,
    RecordFileWord, Sampling, SecretFile, SecretWord, Semconv, Spans, Telemetry as TelemetryFile,
    TimeOrOff, TimeoutsWord, Upstream as UpstreamFile, UpstreamTls as UpstreamTlsFile,
};
use super::pricing;
use super::secret::Secret;
use super::shape::escape;
use super::upstream::{Upstream, UpstreamTls};
use super::value::{Size, Time};
use super::{CaptureSettings, Config, Console, DiskQueue, Exporter, Otlp, RecordFile, Telemetry};

impl Config {
    /// The configuration as YAML.
    ///
    /// # Errors
    /// None is known; the serializer's own is passed on.
    pub fn print(&self) -> Result<String, serde_saphyr::ser_error::Error> {
        serde_saphyr::to_string(&self.file())
    }

    /// The part of it that was `set`, as YAML; `None`: nothing was.
    ///
    /// # Errors
    /// None is known; the serializers' own are passed on.
    pub(crate) fn print_set(&self, set: &File) -> anyhow::Result<Option<String>> {
        let set = serde_json::to_value(set)?;
        let part = part(serde_json::to_value(self.file())?, &set);
        if part.as_object().is_none_or(serde_json::Map::is_empty) {
            return Ok(None);
        }
        // Through the type, for the order of its keys.
        let part: File = serde_json::from_value(part)?;
        Ok(Some(serde_saphyr::to_string(&part)?))
    }

    /// The file that resolves to this.
    pub(crate) fn file(&self) -> File {
        File {
            listen: Some(self.listen.to_string()),
            listen_tls: self
                .listen_tls
                .as_ref()
                .map(|tls| TlsFile { cert: tls.cert_file.clone(), key: tls.key_file.clone() }),
            console: Some(console(self.console.as_ref())),
            upstreams: Some(
                self.upstreams.iter().map(|one| (one.name.clone(), upstream(one))).collect(),
            ),
            default_upstream: Some(self.default_upstream.clone()),
            telemetry: Some(telemetry(&self.telemetry)),
            capture: Some(capture(&self.capture)),
            pricing: Some(Pricing {
                file: self.price_file.as_deref().map(path),
                models: Some(self.prices.iter().map(pricing::written).collect::<Vec<_>>())
                    .filter(|prices| !prices.is_empty()),
                aliases: Some(escaped(&self.aliases)).filter(|aliases| !aliases.is_empty()),
            })
            .filter(|pricing| *pricing != Pricing::default()),
            limits: Some(LimitsFile {
                connections: Some(self.limits.connections),
                head_bytes: Some(Size(self.limits.head_bytes)),
                headers: Some(self.limits.headers),
                head_timeout: Some(Time(self.limits.head_timeout)),
                keep_alive: Some(Time(self.limits.keep_alive)),
                hold: Some(Size(self.limits.hold)),
                held_bytes: Some(Size(self.limits.held_bytes)),
                body_idle: Some(bound(self.limits.body_idle)),
                drain_delay: Some(Time(self.limits.drain_delay)),
                drain: Some(Time(self.limits.drain)),
                records: Some(self.limits.records),
                telemetry_queue: Some(Size(self.limits.telemetry_queue)),
                metric_sets: Some(self.limits.metric_sets),
            }),
            log: Some(LogFile {
                format: self.log.json.map(
                    |json| {
                        if json { LogFormat::Json } else { LogFormat::Text }
                    },
                ),
                level: Some(escape(&self.log.level)),
                access: self.log.access,
            }),
            record_file: self.record_file.as_ref().map(record_file),
            data_dir: self.data_dir.as_deref().map(path),
        }
    }
}

/// The keys of `full` that `set` has too. Names of headers are the same in any case of letters.
fn part(full: Value, set: &Value) -> Value {
    match (full, set) {
        (Value::Object(full), Value::Object(set)) => {
            let same = |key: &str| {
                let any_case = || set.iter().find(|(other, _)| other.eq_ignore_ascii_case(key));
                set.get(key).or_else(|| any_case().map(|(_, value)| value))
            };
            let kept = full.into_iter().filter_map(|(key, value)| {
                let set = same(&key)?;
                Some((key, part(value, set)))
            });
            Value::Object(kept.collect())
        }
        (Value::Array(full), Value::Array(set)) if full.len() == set.len() => {
            Value::Array(full.into_iter().zip(set).map(|(full, set)| part(full, set)).collect())
        }
        (full, _) => full,
    }
}

fn console(console: Option<&Console>) -> ConsoleWord {
    match console {
        None => ConsoleWord::Address("off".to_owned()),
        Some(Console { listen, token: None }) => ConsoleWord::Address(listen.to_string()),
        Some(Console { listen, token: Some(token) }) => ConsoleWord::Map(ConsoleFile {
            listen: Some(listen.to_string()),
            token: Some(word(token)),
        }),
    }
}

fn record_file(file: &RecordFile) -> RecordFileWord {
    match file.max_bytes {
        None => RecordFileWord::Path(path(&file.path)),
        Some(most) => RecordFileWord::Map(RecordFileMap {
            path: path(&file.path),
            max_bytes: Some(Size(most)),
            keep: Some(file.keep),
        }),
    }
}

fn bound(time: Option<Duration>) -> TimeOrOff {
    time.map_or(TimeOrOff::Off(Off::Off), |time| TimeOrOff::Time(Time(time)))
}

fn upstream(upstream: &Upstream) -> UpstreamFile {
    let Timeouts { connect, head, idle } = upstream.timeouts;
    UpstreamFile {
        provider: Some(upstream.provider.to_owned()),
        base_url: Some(escape(&upstream.origin.to_string())),
        usage: Some(upstream.usage.into()),
        timeouts: Some(TimeoutsWord {
            connect: Some(Time(connect)),
            head: Some(bound(head)),
            idle: Some(bound(idle)),
        }),
        tls: tls(&upstream.tls),
        headers: secrets(&upstream.headers),
        propagate: Some(upstream.propagate.into()),
        capture: Some(upstream.capture.into()),
        http2: Some(upstream.http2),
    }
}

fn capture(capture: &CaptureSettings) -> CaptureSetting {
    let CaptureSettings { level: permitted, patterns, tool_schemas } = capture;
    if patterns.is_empty() && !tool_schemas {
        return CaptureSetting::Word((*permitted).into());
    }
    CaptureSetting::Map(CaptureFile {
        level: Some((*permitted).into()),
        patterns: Some(patterns.iter().map(|pattern| escape(pattern)).collect()),
        tool_schemas: Some(*tool_schemas),
    })
}

fn telemetry(telemetry: &Telemetry) -> TelemetryFile {
    let otlp = otlp(&telemetry.otlp);
    let sampling = Sampling { ratio: telemetry.sample_ratio, parent_based: telemetry.parent_based };
    let resource = &telemetry.resource;
    TelemetryFile {
        otlp: Some(otlp).filter(|otlp| *otlp != OtlpFile::default()),
        service_name: telemetry.service_name.as_deref().map(escape),
        resource: Some(escaped(resource)).filter(|map| !map.is_empty()),
        sampling: Some(sampling).filter(|sampling| *sampling != Sampling::default()),
        metric_interval: telemetry.metric_interval.map(Time),
        diagnostics: telemetry.diagnostics,
        histograms: Some(telemetry.histograms.into()),
        page_buckets: Some(telemetry.page_buckets),
        trust: Some(telemetry.trust.into()),
        trace_header: Some(telemetry.trace_header),
        metric_tags: Some(telemetry.metric_tags.iter().map(|tag| escape(tag)).collect()),
        estimate_usage: Some(telemetry.estimate_usage),
        compat: Some(Compat {
            usage_cost: Some(telemetry.usage_cost),
            openinference: Some(telemetry.openinference),
        }),
        semconv: Some(Semconv {
            genai: Some(telemetry.names.into()),
            cache_write: Some(telemetry.cache_write.into()),
        }),
        spans: Some(Spans {
            genai: Some(telemetry.call_span.into()),
            sessions: Some(telemetry.sessions),
        }),
        disk_queue: telemetry.disk_queue.as_ref().map(disk_queue),
        journal: telemetry.journal.as_deref().map(|dir| JournalWord { path: Some(path(dir)) }),
        exporters: Some(telemetry.exporters.iter().map(exporter).collect::<Vec<_>>())
            .filter(|exporters| !exporters.is_empty()),
    }
}

fn otlp(otlp: &Otlp) -> OtlpFile {
    OtlpFile {
        endpoint: otlp.endpoint.as_deref().map(escape),
        protocol: otlp.protocol.map(Into::into),
        headers: secrets(&otlp.headers),
        compression: otlp.compression,
        timeout: otlp.timeout.map(Time),
        tls: tls(&otlp.tls),
    }
}

fn exporter(exporter: &Exporter) -> ExporterWord {
    let OtlpFile { endpoint, protocol, headers, compression, timeout, tls } = otlp(&exporter.otlp);
    ExporterWord {
        name: exporter.name.clone(),
        endpoint,
        traces_endpoint: exporter.traces_endpoint.as_deref().map(escape),
        metrics_endpoint: exporter.metrics_endpoint.as_deref().map(escape),
        logs_endpoint: exporter.logs_endpoint.as_deref().map(escape),
        preset: Some(exporter.preset),
        protocol,
        headers,
        compression,
        timeout,
        tls,
        signals: exporter.signals.clone(),
        spans: exporter.spans.map(Into::into),
        usage: exporter.usage.map(Into::into),
        temporality: exporter.temporality,
        histograms: exporter.histograms.map(Into::into),
        resource: Some(escaped(&exporter.resource)).filter(|map| !map.is_empty()),
        disk_queue: exporter.disk_queue.as_ref().map(disk_queue),
    }
}

fn disk_queue(queue: &DiskQueue) -> DiskQueueWord {
    DiskQueueWord {
        path: Some(path(&queue.path)),
        max_bytes: Some(Size(queue.max_bytes)),
        segment_bytes: Some(Size(queue.segment_bytes)),
        fsync: Some(Time(queue.fsync)),
    }
}

fn secrets(headers: &BTreeMap<String, Secret>) -> Option<BTreeMap<String, SecretWord>> {
    let words = headers.iter().map(|(name, secret)| (name.clone(), word(secret)));
    (!headers.is_empty()).then(|| words.collect())
}

/// Where a secret comes from.
fn word(secret: &Secret) -> SecretWord {
    match secret.word() {
        SecretWord::Map(SecretFile { file }) => SecretWord::Map(SecretFile { file: path(file) }),
        text @ SecretWord::Text(_) => text.clone(),
    }
}

fn escaped(map: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    map.iter().map(|(key, value)| (key.clone(), escape(value))).collect()
}

/// A path as it is written; one that is no text is left to the serializer to refuse.
fn path(path: &Path) -> PathBuf {
    path.to_str().map_or_else(|| path.to_owned(), |text| escape(text).into())
}

fn tls(tls: &UpstreamTls) -> Option<UpstreamTlsFile> {
    let file = |pem: &Option<(PathBuf, Arc<[u8]>)>| pem.as_ref().map(|(file, _)| path(file));
    let word = UpstreamTlsFile { ca: file(&tls.ca), cert: file(&tls.cert), key: file(&tls.key) };
    Some(word).filter(|word| *word != UpstreamTlsFile::default())
}
