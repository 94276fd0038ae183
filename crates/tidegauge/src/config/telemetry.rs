//! Turns the telemetry part of a configuration, and the standard variables, into what the exporter
//! is told.

use std::path::PathBuf;
use std::sync::Arc;

use tidegauge_export::{Compression, DiskQueueOptions};
use tidegauge_otel::{Compat, Extra, SpanOptions, Sums};
use tidegauge_spool::SpoolBounds;

use super::file::{BucketsWord, CompressionWord, SignalWord, TemporalityWord};
use super::{Config, Exporter, Otlp, Outside, Telemetry};
use crate::telemetry::{
    ExporterSettings, Misread, Receiver, Settings, Signals, TelemetryConfig, TelemetryMistakes,
};

/// Where a setting of the exporter stands in our file.
const PLACES: [(&str, &[&str]); 11] = [
    ("telemetry.endpoint", &["telemetry", "otlp", "endpoint"]),
    ("telemetry.protocol", &["telemetry", "otlp", "protocol"]),
    ("telemetry.headers", &["telemetry", "otlp", "headers"]),
    ("telemetry.compression", &["telemetry", "otlp", "compression"]),
    ("telemetry.timeout", &["telemetry", "otlp", "timeout"]),
    ("telemetry.certificate", &["telemetry", "otlp", "tls", "ca"]),
    ("telemetry.client_certificate", &["telemetry", "otlp", "tls", "cert"]),
    ("telemetry.client_key", &["telemetry", "otlp", "tls", "key"]),
    ("telemetry.service_name", &["telemetry", "service_name"]),
    ("telemetry.resource", &["telemetry", "resource"]),
    ("telemetry.sample_ratio", &["telemetry", "sampling", "ratio"]),
];

/// What the exporter is told; the `OTEL_*` variables win.
pub(super) fn exporter(
    config: &Config,
    outside: &Outside<'_>,
) -> Result<TelemetryConfig, TelemetryMistakes> {
    TelemetryConfig::from_env(&settings(config), outside.env)
}

/// Where a mistake stands in the file.
pub(super) fn place(mistake: &Misread) -> Vec<String> {
    let of = |path: &[&str]| path.iter().map(|key| (*key).to_owned()).collect();
    if let Some((_, path)) = PLACES.iter().find(|(what, _)| *what == mistake.what) {
        return of(path);
    }
    let further = mistake.what.strip_prefix("telemetry.exporters.");
    let Some((index, key)) = further.and_then(|rest| rest.split_once('.')) else {
        return mistake.what.split('.').map(str::to_owned).collect();
    };
    let path: Vec<String> = of(&["telemetry", "exporters", index]);
    let keys: &[&str] = match key {
        "certificate" => &["tls", "ca"],
        "client_certificate" => &["tls", "cert"],
        "client_key" => &["tls", "key"],
        _ => return [path, vec![key.to_owned()]].concat(),
    };
    [path, of(keys)].concat()
}

fn settings(config: &Config) -> Settings {
    let telemetry = &config.telemetry;
    Settings {
        otlp: receiver(&telemetry.otlp),
        service_name: telemetry.service_name.clone(),
        resource: telemetry.resource.clone().into_iter().collect(),
        sample_ratio: telemetry.sample_ratio,
        parent_based: telemetry.parent_based,
        metric_interval: telemetry.metric_interval,
        histograms: Some(telemetry.histograms),
        fine_buckets: telemetry.page_buckets == BucketsWord::Fine,
        metric_tags: Some(telemetry.metric_tags.clone()),
        metric_sets: usize::try_from(config.limits.metric_sets).ok(),
        queue_bytes: usize::try_from(config.limits.telemetry_queue).ok(),
        max_retry_age: None,
        disk_queue: telemetry.disk_queue.as_ref().map(disk_queue),
        exporters: telemetry.exporters.iter().map(further).collect(),
        spans: spans(telemetry),
        names: telemetry.names,
        diagnostics: telemetry.diagnostics,
        secure: config.listen_tls.is_some(),
    }
}

fn spans(telemetry: &Telemetry) -> SpanOptions {
    SpanOptions {
        usage_cost: telemetry.usage_cost,
        cache_write: telemetry.cache_write,
        detail: telemetry.call_span,
        compat: if telemetry.openinference {
            Compat::NONE.and(Extra::OpenInference)
        } else {
            Compat::NONE
        },
        ..SpanOptions::default()
    }
}

fn further(exporter: &Exporter) -> ExporterSettings {
    let signals = exporter.signals.as_ref().map(|words| Signals {
        traces: words.contains(&SignalWord::Traces),
        metrics: words.contains(&SignalWord::Metrics),
        logs: words.contains(&SignalWord::Logs),
    });
    ExporterSettings {
        name: exporter.name.clone(),
        preset: exporter.preset,
        otlp: Receiver {
            signal_endpoints: [
                exporter.traces_endpoint.clone(),
                exporter.metrics_endpoint.clone(),
                exporter.logs_endpoint.clone(),
            ],
            ..receiver(&exporter.otlp)
        },
        signals,
        tree: exporter.spans,
        detail: exporter.usage,
        sums: exporter.temporality.map(|word| match word {
            TemporalityWord::Cumulative => Sums::Cumulative,
            TemporalityWord::Delta => Sums::Delta,
        }),
        histograms: exporter.histograms,
        resource: exporter.resource.clone().into_iter().collect(),
        disk_queue: exporter.disk_queue.as_ref().map(disk_queue),
    }
}

fn receiver(otlp: &Otlp) -> Receiver {
    Receiver {
        signal_endpoints: Default::default(),
        endpoint: otlp.endpoint.clone(),
        protocol: otlp.protocol,
        headers: headers(otlp),
        compression: otlp.compression.and_then(compression),
        timeout: otlp.timeout,
        certificate: file(&otlp.tls.ca),
        client_certificate: file(&otlp.tls.cert),
        client_key: file(&otlp.tls.key),
    }
}

fn compression(word: CompressionWord) -> Option<Compression> {
    match word {
        CompressionWord::None => None,
        CompressionWord::Gzip => Some(Compression::Gzip),
        CompressionWord::Zstd => Some(Compression::Zstd),
    }
}

fn headers(otlp: &Otlp) -> Vec<(String, String)> {
    let headers = otlp.headers.iter();
    headers.map(|(name, secret)| (name.clone(), secret.expose().to_owned())).collect()
}

fn file(pem: &Option<(PathBuf, Arc<[u8]>)>) -> Option<String> {
    pem.as_ref().map(|(path, _)| path.to_string_lossy().into_owned())
}

fn disk_queue(queue: &super::DiskQueue) -> DiskQueueOptions {
    DiskQueueOptions {
        dir: queue.path.clone(),
        bounds: SpoolBounds {
            cap_bytes: queue.max_bytes,
            segment_bytes: queue.segment_bytes,
            fsync_every: queue.fsync,
        },
    }
}
