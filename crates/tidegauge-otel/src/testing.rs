//! What the tests of this crate share: records made by hand, a collector, and ways to read spans.

pub(crate) mod collector;
pub(crate) mod conformance;
pub(crate) mod records;
mod reference;

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tidegauge_core::{Health, Record};
use tokio::time::Instant;

use crate::config::Sums;
use crate::encoded::Encoded;
use crate::exemplar::ExemplarFilter;
use crate::metric::{Histograms, Meter, MetricOptions, View};
use crate::span::{Scope, SpanOptions};
use crate::{event, points, span};

/// Exporters whose next export panics.
static BREAKING: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Lets the next export of that exporter panic.
pub(crate) fn break_next(exporter: &str) {
    BREAKING.lock().unwrap().push(exporter.to_owned());
}

/// Panics if [`break_next`] was called for that exporter, once for each call.
pub(crate) fn break_here(exporter: &str) {
    let broken = {
        let mut breaking = BREAKING.lock().unwrap();
        let place = breaking.iter().position(|one| one == exporter);
        place.map(|place| breaking.swap_remove(place))
    };
    assert_eq!(broken, None, "as the test wants it");
}

/// The spans of a record, read back from what goes over the wire.
pub(crate) fn spans(record: &Record, options: &SpanOptions) -> Vec<(Scope, Span)> {
    decoded(|out| span::encode(record, options, out))
}

/// The events of a record, the same way.
pub(crate) fn events(record: &Record, options: &SpanOptions) -> Vec<LogRecord> {
    let events = decoded(|out| event::encode(record, options, out));
    events.into_iter().map(|(_, event)| event).collect()
}

/// A value as JSON.
pub(crate) fn plain(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    let inner = |value: &AnyValue| value.value.as_ref().map_or(Json::Null, plain);
    match value {
        Value::StringValue(text) => text.as_str().into(),
        Value::BoolValue(value) => (*value).into(),
        Value::IntValue(value) => (*value).into(),
        Value::DoubleValue(value) => (*value).into(),
        Value::ArrayValue(list) => list.values.iter().map(inner).collect(),
        Value::KvlistValue(map) => {
            let member = |pair: &KeyValue| {
                let value = pair.value.as_ref().map_or(Json::Null, inner);
                (pair.key.clone(), value)
            };
            Json::Object(map.values.iter().map(member).collect())
        }
        other => panic!("no such value is made here: {other:?}"),
    }
}

fn decoded<M: Message + Default>(write: impl FnOnce(&mut Encoded)) -> Vec<(Scope, M)> {
    let mut out = Encoded::default();
    write(&mut out);
    let read = |bytes| M::decode(bytes).expect("a whole message");
    out.take(Instant::now()).map(|piece| (piece.scope, read(piece.bytes))).collect()
}

/// A meter with one view: cumulative sums, and examples of what is sampled.
pub(crate) fn meter(histograms: Histograms, health: &Arc<Health>) -> Meter {
    let sums = Sums::Cumulative;
    let view = View { histograms, sums, exemplars: ExemplarFilter::Sampled, lasting: false };
    Meter::new(vec![view], &MetricOptions::default(), health)
}

/// What a meter's first view is told.
pub(crate) fn metrics(meter: &Meter) -> Vec<Metric> {
    points::metrics(meter.collect(0)).map(|(_, _, metric)| metric).collect()
}

/// An attribute as one line of text; `None` when it is absent.
pub(crate) fn shown(list: &[KeyValue], key: &str) -> Option<String> {
    let pair = list.iter().find(|pair| pair.key == key)?;
    pair.value.as_ref().and_then(|value| value.value.as_ref()).map(show)
}

fn show(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(value) => value.to_string(),
        Value::IntValue(value) => value.to_string(),
        Value::DoubleValue(value) => format!("{value:?}"),
        Value::ArrayValue(list) => {
            let values = list.values.iter().filter_map(|value| value.value.as_ref());
            format!("[{}]", values.map(show).collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}
