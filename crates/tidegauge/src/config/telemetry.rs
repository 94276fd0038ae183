//! Turns the telemetry part of a configuration, and the standard variables, into what the exporter
//! is told.

use std::path::Path;
use std::sync::Arc;

use tidegauge_otel::{
    ConfigError, DiskQueue, Histograms, Mistake, Settings, SpanOptions, SpoolSettings,
};

use super::file::{CompressionWord, HistogramsWord, ProtocolWord};
use super::{Config, Outside};

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
) -> Result<tidegauge_otel::Config, ConfigError> {
    tidegauge_otel::Config::from_env(&settings(config), outside.env)
}

/// Where a mistake stands in the file; `None`: it is in a variable.
pub(super) fn place(mistake: &Mistake) -> Option<&'static [&'static str]> {
    PLACES.iter().find(|(what, _)| *what == mistake.what).map(|(_, path)| *path)
}

fn settings(config: &Config) -> Settings {
    let telemetry = &config.telemetry;
    let otlp = &telemetry.otlp;
    let file = |pem: &Option<(std::path::PathBuf, Arc<[u8]>)>| {
        pem.as_ref().map(|(path, _)| Path::to_string_lossy(path).into_owned())
    };
    let headers = otlp.headers.iter();
    Settings {
        endpoint: otlp.endpoint.clone(),
        protocol: otlp.protocol.map(|protocol| {
            let word = match protocol {
                ProtocolWord::Grpc => "grpc",
                ProtocolWord::Http => "http/protobuf",
            };
            word.to_owned()
        }),
        headers: headers.map(|(name, secret)| (name.clone(), secret.expose().to_owned())).collect(),
        compression: otlp.compression.map(|compression| {
            let word = match compression {
                CompressionWord::None => "none",
                CompressionWord::Gzip => "gzip",
                CompressionWord::Zstd => "zstd",
            };
            word.to_owned()
        }),
        timeout: otlp.timeout,
        certificate: file(&otlp.tls.ca),
        client_certificate: file(&otlp.tls.cert),
        client_key: file(&otlp.tls.key),
        service_name: telemetry.service_name.clone(),
        resource: telemetry.resource.clone().into_iter().collect(),
        sample_ratio: telemetry.sample_ratio,
        parent_based: telemetry.parent_based,
        metric_interval: telemetry.metric_interval,
        histograms: Some(match telemetry.histograms {
            HistogramsWord::Exponential => Histograms::Exponential,
            HistogramsWord::Explicit => Histograms::Explicit,
        }),
        metric_tags: Some(telemetry.metric_tags.clone()),
        queue_bytes: usize::try_from(config.limits.telemetry_queue).ok(),
        max_retry_age: None,
        disk_queue: telemetry.disk_queue.as_ref().map(|queue| DiskQueue {
            dir: queue.path.clone(),
            settings: SpoolSettings {
                cap_bytes: queue.max_bytes,
                segment_bytes: queue.segment_bytes,
                fsync_every: queue.fsync,
            },
        }),
        spans: SpanOptions { usage_cost: telemetry.usage_cost, ..SpanOptions::default() },
        diagnostics: telemetry.diagnostics,
        secure: config.listen_tls.is_some(),
    }
}
