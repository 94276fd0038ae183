//! Records into OpenTelemetry: OTLP spans, metrics and events, and a metrics page.
//!
//! In: finished [`Record`](tidegauge_core::Record)s, through the [`Sink`](tidegauge_core::Sink) of an
//! [`Encoder`]. Out: encoded pieces for each exporter, and the page that Prometheus scrapes. Meaning
//! only: no queue, no network, no runtime; it must not know the proxy, a provider or a price list.

mod attribute;
mod cardinality;
mod content;
mod diagnostics;
mod encoded;
mod encoder;
mod event;
mod exemplar;
mod exposition;
mod metric;
mod names;
mod openmetrics;
mod points;
mod process;
mod prometheus;
mod protobuf;
mod redact;
mod rendering;
mod resource;
mod sample;
mod semconv;
mod span;
#[cfg(any(test, feature = "testing"))]
#[expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tools of tests: what is not as it should be ends the test"
)]
#[expect(missing_docs, reason = "names of records say what they are")]
pub mod testing;

pub use attribute::AttributeLimits;
pub use diagnostics::layer;
pub use encoder::{Encoder, EncoderOptions, Subscriber};
pub use exemplar::ExemplarFilter;
pub use exposition::Format;
pub use metric::{Histograms, MetricOptions, Sums};
pub use names::Names;
pub use rendering::Rendering;
pub use resource::ResourceAttributes;
pub use sample::sample;
pub use span::{CacheWriteName, CallDetail, Compat, Extra, SpanOptions, SpanTree};
