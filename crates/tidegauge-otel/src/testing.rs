//! What the tests of this crate share: records made by hand, a collector, and ways to read spans.

pub mod conformance;
#[cfg(test)]
mod meters;
pub mod records;
#[cfg(test)]
mod reference;

#[cfg(test)]
pub(crate) use meters::{meter, metrics};

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tidegauge_core::{Record, Scope};

use crate::encoded::Encoded;
use crate::span::SpanOptions;
use crate::{event, span};

/// The spans of a record, read back from what goes over the wire.
pub fn spans(record: &Record, options: &SpanOptions) -> Vec<(Scope, Span)> {
    decoded(|out| span::encode(record, options, out))
}

/// The events of a record, the same way.
pub fn events(record: &Record, options: &SpanOptions) -> Vec<LogRecord> {
    let events = decoded(|out| event::encode(record, options, out));
    events.into_iter().map(|(_, event)| event).collect()
}

/// A value as JSON.
pub fn plain(value: &Value) -> serde_json::Value {
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
    out.take().map(|piece| (piece.scope, read(piece.bytes))).collect()
}

/// An attribute as one line of text; `None` when it is absent.
pub fn shown(list: &[KeyValue], key: &str) -> Option<String> {
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
