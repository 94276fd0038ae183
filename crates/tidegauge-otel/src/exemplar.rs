//! Examples for a distribution: from a percentile to a trace that has it.
//!
//! The SDK leaves them out, so they are kept here, beside it: for each attribute set of a metric the
//! largest and the latest value since the last export. Pure; bounded by the number of sets.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, exemplar::Value};
use tidegauge_core::Record;

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

/// A metric and one of its attribute sets, sorted by name.
type Series = (String, Vec<KeyValue>);

/// Examples since the last export.
#[derive(Debug)]
pub(crate) struct Exemplars {
    filter: ExemplarFilter,
    /// Sets that find no room here are without an example; nothing else is lost.
    room: usize,
    kept: Mutex<HashMap<Series, Pair>>,
}

#[derive(Clone, Debug)]
struct Pair {
    largest: Exemplar,
    latest: Exemplar,
}

impl Exemplars {
    /// Keeps examples for at most `room` sets.
    pub(crate) fn new(filter: ExemplarFilter, room: usize) -> Self {
        Self { filter, room, kept: Mutex::default() }
    }

    /// A value of `metric` that `record` had.
    pub(crate) fn offer(&self, metric: &str, set: &[KeyValue], value: f64, record: &Record) {
        let wanted = match self.filter {
            ExemplarFilter::Off => false,
            ExemplarFilter::Sampled => record.exchange.trace.sampled,
            ExemplarFilter::All => true,
        };
        if !wanted {
            return;
        }
        let new = exemplar(record, value);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = kept.len() < self.room;
        let series = (metric.to_owned(), set.to_vec());
        if let Some(pair) = kept.get_mut(&series) {
            if value > number(&pair.largest) {
                pair.largest = new.clone();
            }
            pair.latest = new;
        } else if room {
            kept.insert(series, Pair { largest: new.clone(), latest: new });
        }
    }

    /// All examples; then none are kept.
    pub(crate) fn take(&self) -> Taken {
        Taken(std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// Examples on their way into an export.
#[derive(Debug, Default)]
pub(crate) struct Taken(HashMap<Series, Pair>);

impl Taken {
    /// The examples for one point.
    pub(crate) fn of(&mut self, metric: &str, set: Vec<KeyValue>) -> Vec<Exemplar> {
        let pair = self.0.remove(&(metric.to_owned(), set));
        pair.map_or_else(Vec::new, |Pair { largest, latest }| {
            if largest == latest { vec![latest] } else { vec![largest, latest] }
        })
    }
}

fn exemplar(record: &Record, value: f64) -> Exemplar {
    let exchange = &record.exchange;
    let trace = &exchange.trace;
    let span = if has_inference(record) { trace.inference } else { trace.server };
    Exemplar {
        filtered_attributes: Vec::new(),
        time_unix_nano: at(exchange.started, exchange.times.ended),
        span_id: span.0.to_vec(),
        trace_id: trace.trace_id.0.to_vec(),
        value: Some(Value::AsDouble(value)),
    }
}

fn number(exemplar: &Exemplar) -> f64 {
    match exemplar.value {
        Some(Value::AsDouble(value)) => value,
        _ => f64::NEG_INFINITY,
    }
}
