//! Records into OpenTelemetry: OTLP spans, metrics and events, delivered, and a metrics page.
//!
//! In: finished [`Record`](tidegauge_core::Record)s, through [`Telemetry`]'s
//! [`Sink`](tidegauge_core::Sink), and a [`Config`]. Out: OTLP over gRPC or HTTP, and the page that Prometheus scrapes.
//! The only crate that names OpenTelemetry; it must not know the proxy, a provider or a price list.
//! Everything that waits does so on a thread of its own.

mod attribute;
mod backlog;
mod cardinality;
mod config;
mod content;
mod deliver;
mod diagnostics;
mod encoded;
mod envelope;
mod event;
mod exemplar;
mod export;
mod exposition;
mod metric;
mod names;
mod openmetrics;
mod outlet;
mod percent;
mod points;
mod prometheus;
mod protobuf;
mod queue;
mod redact;
mod rendering;
mod resource;
mod semconv;
mod span;
mod transport;

#[cfg(test)]
mod testing;

pub use attribute::AttributeLimits;
pub use backlog::DiskQueue;
pub use config::{
    Compression, Config, ConfigError, Exporter, ExporterSettings, Identity, Mistake, Preset,
    Protocol, QueueOptions, Receiver, Sampler, Settings, Signals, Sums, Target,
};
pub use diagnostics::layer;
pub use exemplar::ExemplarFilter;
pub use export::Telemetry;
pub use exposition::Format;
pub use metric::{Histograms, MetricOptions};
pub use names::Names;
pub use outlet::StartError;
pub use rendering::Rendering;
pub use resource::ResourceAttributes;
pub use span::{CacheWriteName, CallDetail, Compat, SpanOptions};
pub use transport::TlsError;
