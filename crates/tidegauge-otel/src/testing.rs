//! What the tests of this crate share: records made by hand, a collector, and ways to read spans.

pub(crate) mod collector;
pub(crate) mod conformance;
pub(crate) mod records;
mod reference;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};

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
