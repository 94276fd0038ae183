//! Examples for a distribution: from a percentile to a trace that has it.

use opentelemetry_proto::tonic::metrics::v1::{Exemplar as Told, exemplar::Value};
use tidegauge_core::{Record, SpanId, TraceId};

use crate::span::{at, has_inference};

/// Which exchanges may become an example (`OTEL_METRICS_EXEMPLAR_FILTER`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ExemplarFilter {
    /// Those whose spans are exported.
    #[default]
    Sampled,
    /// All.
    All,
    /// None.
    Off,
}

/// The way back to an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Example {
    trace_id: TraceId,
    span_id: SpanId,
    time: u64,
    sampled: bool,
}

impl Example {
    /// The way back to this one.
    pub(crate) fn of(record: &Record) -> Self {
        let exchange = &record.exchange;
        let trace = &exchange.trace;
        Self {
            trace_id: trace.trace_id,
            span_id: if has_inference(record) { trace.inference } else { trace.server },
            time: at(exchange.started, exchange.times.ended),
            sampled: trace.sampled,
        }
    }

    /// Whether a reader with that filter wants it.
    pub(crate) fn fits(&self, filter: ExemplarFilter) -> bool {
        match filter {
            ExemplarFilter::Off => false,
            ExemplarFilter::Sampled => self.sampled,
            ExemplarFilter::All => true,
        }
    }
}

/// A value and whose it was.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Exemplar {
    /// Whose.
    pub(crate) example: Example,
    /// The value.
    pub(crate) value: f64,
}

impl Exemplar {
    /// As it goes over the wire.
    pub(crate) fn proto(&self) -> Told {
        Told {
            filtered_attributes: Vec::new(),
            time_unix_nano: self.example.time,
            span_id: self.example.span_id.0.to_vec(),
            trace_id: self.example.trace_id.0.to_vec(),
            value: Some(Value::AsDouble(self.value)),
        }
    }
}
