//! Our own log lines into OTLP log records, through the same delivery as events.
//!
//! A layer for the subscriber that the program builds. It computes and queues, it never waits; what
//! the delivery itself and the libraries under it say stays out, or every export would cause another.
//! Knows no output format of the console.

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::Severity;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_proto::tonic::{common::v1::any_value::Value, logs::v1::LogRecord};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLoggerProvider};
use std::sync::Arc;
use std::time::Duration;
use tidegauge_core::{Outbox, Scope};
use tracing::{Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use crate::attribute::{cut, pair};
use crate::encoder::{Encoder, piece, share};
use crate::semconv::LOG_TARGET;

/// Targets whose lines are never exported.
const UNHEARD: &[&str] = &[
    "tidegauge_export",
    "tidegauge_otel",
    "h2",
    "hyper",
    "hyper_util",
    "hyper_rustls",
    "opentelemetry",
    "opentelemetry_sdk",
    "opentelemetry_proto",
    "rustls",
    "tokio_util",
    "tonic",
    "tower",
    // A call is a span and an event already.
    "tidegauge::access",
];

/// A layer that exports log lines of level INFO and above; `None` when log lines are not exported.
/// It holds the outboxes, not the encoder: after shutdown lines are dropped and counted.
pub fn layer<S>(encoder: &Encoder) -> Option<Box<dyn Layer<S> + Send + Sync>>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let (outboxes, longest) = encoder.diagnostics()?;
    let queued = Queued { outboxes, longest };
    let provider = SdkLoggerProvider::builder().with_log_processor(queued).build();
    let bridge = OpenTelemetryTracingBridge::new(&provider);
    let heard = filter_fn(is_heard).and(LevelFilter::INFO);
    Some(Box::new(bridge.with_filter(heard)))
}

fn is_heard(metadata: &Metadata<'_>) -> bool {
    let root = metadata.target().split("::").next().unwrap_or_default();
    !UNHEARD.contains(&root) && !UNHEARD.contains(&metadata.target())
}

/// Puts log records into the queues of events.
#[derive(Debug)]
struct Queued {
    outboxes: Vec<Arc<dyn Outbox>>,
    longest: usize,
}

impl LogProcessor for Queued {
    fn emit(&self, record: &mut SdkLogRecord, _scope: &InstrumentationScope) {
        let mut log = LogRecord::from(&*record);
        if let Some(target) = record.target() {
            log.attributes.push(pair(LOG_TARGET, Value::StringValue(target.to_string())));
        }
        // The bridge names a line after the place in the source: that is no event.
        log.event_name = String::new();
        let texts = log.attributes.iter_mut().map(|pair| &mut pair.value).chain([&mut log.body]);
        for value in texts.flatten() {
            if let Some(Value::StringValue(text)) = &mut value.value {
                text.truncate(cut(text, self.longest).len());
            }
        }
        share(&self.outboxes, vec![piece(Scope::Own, &log)]);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn event_enabled(&self, level: Severity, _: &str, _: Option<&str>) -> bool {
        level >= Severity::Info
    }
}
