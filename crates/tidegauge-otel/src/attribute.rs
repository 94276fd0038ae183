//! A bounded list of OTLP attributes: what is absent is left out, what is long is cut.
//!
//! Knows no names. Values past the count limit are dropped and counted in the list itself.

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};

/// How long a list and a value in it may get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AttributeLimits {
    /// Attributes in a list.
    pub count: usize,
    /// Bytes of a text value; it is cut at the character before.
    pub value: usize,
}

impl Default for AttributeLimits {
    /// 128 attributes of 4 KiB.
    fn default() -> Self {
        Self { count: 128, value: 4096 }
    }
}

/// Attributes of one span or event.
#[derive(Debug)]
pub(crate) struct Attributes {
    list: Vec<KeyValue>,
    dropped: u32,
    limits: AttributeLimits,
}

impl Attributes {
    /// An empty list.
    pub(crate) fn new(limits: AttributeLimits) -> Self {
        Self { list: Vec::with_capacity(32), dropped: 0, limits }
    }

    /// A text; nothing when absent or empty.
    pub(crate) fn text<'a>(&mut self, key: &str, value: impl Into<Option<&'a str>>) {
        if let Some(value) = value.into().filter(|value| !value.is_empty()) {
            let value = Value::StringValue(cut(value, self.limits.value).to_owned());
            self.push(key, value);
        }
    }

    /// Texts in order; nothing when there are none.
    pub(crate) fn texts<S: AsRef<str>>(&mut self, key: &str, values: &[S]) {
        if values.is_empty() {
            return;
        }
        let values = values.iter().take(self.limits.count).map(|value| {
            let value = cut(value.as_ref(), self.limits.value).to_owned();
            AnyValue { value: Some(Value::StringValue(value)) }
        });
        self.push(key, Value::ArrayValue(ArrayValue { values: values.collect() }));
    }

    /// A whole number; nothing when absent or too large for the wire.
    pub(crate) fn whole(&mut self, key: &str, value: impl TryInto<i64>) {
        if let Ok(value) = value.try_into() {
            self.push(key, Value::IntValue(value));
        }
    }

    /// A whole number that may be absent.
    pub(crate) fn count(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.whole(key, value);
        }
    }

    /// A real number; nothing when absent or not finite.
    pub(crate) fn real(&mut self, key: &str, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into().filter(|value| value.is_finite()) {
            self.push(key, Value::DoubleValue(value));
        }
    }

    /// A time in seconds.
    pub(crate) fn seconds(&mut self, key: &str, value: impl Into<Option<Duration>>) {
        self.real(key, value.into().map(|value| value.as_secs_f64()));
    }

    /// `true`, or nothing: false is never said.
    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.push(key, Value::BoolValue(true));
        }
    }

    /// The list and how many found no room in it.
    pub(crate) fn finish(self) -> (Vec<KeyValue>, u32) {
        (self.list, self.dropped)
    }

    fn push(&mut self, key: &str, value: Value) {
        if self.list.len() >= self.limits.count {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.list.push(pair(key, value));
    }
}

/// One attribute.
pub(crate) fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

/// The longest beginning of `text` that is at most `limit` bytes and whole characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or(text)
}
