//! A bounded list of OTLP attributes: what is absent is left out, what is long is cut.
//!
//! Written straight into the message they belong to. Knows no names. Values past the count limit are
//! dropped and counted. Source of the field numbers: opentelemetry-proto 1.10, `common.proto`.

use std::fmt::{self, Write as _};
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use prost::Message;

use crate::protobuf::{length, varint, varint_len};

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

/// `KeyValue.key` and `KeyValue.value`, of the length-delimited kind.
const KEY: u8 = 1 << 3 | 2;
const VALUE: u8 = 2 << 3 | 2;
/// The fields of `AnyValue`.
const TEXT: u8 = 1 << 3 | 2;
const FLAG: u8 = 2 << 3;
const WHOLE: u8 = 3 << 3;
const REAL: u8 = 4 << 3 | 1;
const ARRAY: u8 = 5 << 3 | 2;

/// Attributes of one span, event or series, on their way into its message.
#[derive(Debug)]
pub(crate) struct Attributes<'a> {
    out: &'a mut Vec<u8>,
    /// The number of the field that holds them.
    field: u32,
    limits: AttributeLimits,
    written: usize,
    dropped: u32,
}

impl<'a> Attributes<'a> {
    /// An empty list at the end of `out`, where `field` is the message's field for attributes.
    pub(crate) fn new(out: &'a mut Vec<u8>, field: u32, limits: AttributeLimits) -> Self {
        Self { out, field, limits, written: 0, dropped: 0 }
    }

    /// A text; nothing when absent or empty.
    #[inline]
    pub(crate) fn text<'t>(&mut self, key: &str, value: impl Into<Option<&'t str>>) {
        if let Some(value) = value.into().filter(|value| !value.is_empty()) {
            self.put_text([key, ""], value);
        }
    }

    /// A text under a name that somebody chose.
    pub(crate) fn text_under(&mut self, prefix: &str, name: &str, value: &str) {
        if !value.is_empty() {
            self.put_text([prefix, name], value);
        }
    }

    /// A text that must stay whole: whoever writes it has bounded it.
    pub(crate) fn text_uncut(&mut self, key: &str, value: &str) {
        if self.admit() {
            self.open([key, ""], 1 + varint_len(value.len()) + value.len());
            self.out.push(TEXT);
            varint(self.out, value.len() as u64);
            self.out.extend_from_slice(value.as_bytes());
        }
    }

    /// Any value, as it is.
    pub(crate) fn any(&mut self, key: &str, value: &AnyValue) {
        if self.admit() {
            let value = value.encode_to_vec();
            self.open([key, ""], value.len());
            self.out.extend_from_slice(&value);
        }
    }

    /// What `value` shows; nothing when that is empty.
    pub(crate) fn show(&mut self, key: &str, value: impl fmt::Display) {
        let mut text = Short::default();
        if write!(text, "{value}").is_ok() {
            self.text(key, text.as_str());
        } else {
            self.text(key, value.to_string().as_str());
        }
    }

    /// Texts in order; nothing when there are none.
    pub(crate) fn texts<S: AsRef<str>>(&mut self, key: &str, values: &[S]) {
        if values.is_empty() || !self.admit() {
            return;
        }
        let limits = self.limits;
        let cuts = || values.iter().take(limits.count).map(|text| cut(text.as_ref(), limits.value));
        // An entry is an `AnyValue` with a text in it.
        let inner = |text: &str| 1 + varint_len(text.len()) + text.len();
        let list: usize = cuts().map(|text| 1 + varint_len(inner(text)) + inner(text)).sum();
        self.open([key, ""], 1 + varint_len(list) + list);
        self.out.push(ARRAY);
        varint(self.out, list as u64);
        for text in cuts() {
            length(self.out, 1, inner(text));
            self.out.push(TEXT);
            varint(self.out, text.len() as u64);
            self.out.extend_from_slice(text.as_bytes());
        }
    }

    /// A whole number; nothing when absent or too large for the wire.
    #[inline]
    pub(crate) fn whole(&mut self, key: &str, value: impl TryInto<i64>) {
        if let Ok(value) = value.try_into()
            && self.admit()
        {
            let value: i64 = value;
            let value = u64::from_ne_bytes(value.to_ne_bytes());
            let bits = u64::BITS - (value | 1).leading_zeros();
            self.open([key, ""], 1 + (bits as usize).div_ceil(7));
            self.out.push(WHOLE);
            varint(self.out, value);
        }
    }

    /// A whole number that may be absent.
    #[inline]
    pub(crate) fn count(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            self.whole(key, value);
        }
    }

    /// A real number; nothing when absent or not finite.
    #[inline]
    pub(crate) fn real(&mut self, key: &str, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into().filter(|value| value.is_finite())
            && self.admit()
        {
            self.open([key, ""], 9);
            self.out.push(REAL);
            self.out.extend_from_slice(&value.to_le_bytes());
        }
    }

    /// A time in seconds.
    #[inline]
    pub(crate) fn seconds(&mut self, key: &str, value: impl Into<Option<Duration>>) {
        self.real(key, value.into().map(|value| value.as_secs_f64()));
    }

    /// `true`, or nothing: false is never said.
    #[inline]
    pub(crate) fn flag(&mut self, key: &str, value: bool) {
        if value && self.admit() {
            self.open([key, ""], 2);
            self.out.extend_from_slice(&[FLAG, 1]);
        }
    }

    /// The message they stand in, and how many found no room in it.
    pub(crate) fn finish(self) -> (&'a mut Vec<u8>, u32) {
        (self.out, self.dropped)
    }

    fn put_text(&mut self, key: [&str; 2], value: &str) {
        if !self.admit() {
            return;
        }
        let value = cut(value, self.limits.value);
        self.open(key, 1 + varint_len(value.len()) + value.len());
        self.out.push(TEXT);
        varint(self.out, value.len() as u64);
        self.out.extend_from_slice(value.as_bytes());
    }

    /// Whether one more may be written.
    #[inline]
    fn admit(&mut self) -> bool {
        let room = self.written < self.limits.count;
        if room {
            self.written += 1;
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
        room
    }

    /// The pair up to its value, an `AnyValue` of `len` bytes.
    #[inline]
    fn open(&mut self, key: [&str; 2], len: usize) {
        let name = key.iter().map(|part| part.len()).sum();
        let pair = 2 + varint_len(name) + name + varint_len(len) + len;
        length(self.out, self.field, pair);
        self.out.push(KEY);
        varint(self.out, name as u64);
        for part in key {
            self.out.extend_from_slice(part.as_bytes());
        }
        self.out.push(VALUE);
        varint(self.out, len as u64);
    }
}

/// Room for what is shown, off the heap: an id, an address.
struct Short {
    bytes: [u8; 64],
    len: usize,
}

impl Default for Short {
    fn default() -> Self {
        Self { bytes: [0; 64], len: 0 }
    }
}

impl Short {
    fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

/// One attribute.
pub(crate) fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

/// The longest beginning of `text` that is at most `limit` bytes and whole characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or(text)
}

#[cfg(test)]
mod tests;
