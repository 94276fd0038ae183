//! Identity of an exchange in a distributed trace (W3C Trace Context, level 2).

use std::fmt;

/// Sixteen bytes, never all zero; shown as 32 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// Eight bytes, never all zero; shown as 16 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

/// The trace an exchange belongs to and the ids of the spans it will become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The caller's trace id, or a fresh one.
    pub trace_id: TraceId,
    /// The caller's span, when a valid `traceparent` came in and was trusted.
    pub parent: Option<SpanId>,
    /// The caller's context when it was not trusted: the span links to it instead of continuing it.
    pub link: Option<(TraceId, SpanId)>,
    /// Whether the spans are exported. Metrics count every exchange, sampled or not.
    pub sampled: bool,
    /// Whether the trace id is random (the W3C flag of that name), as far as its maker says so.
    pub random: bool,
    /// Whether the caller's own spans say tokens and cost, where the request tells; then ours do not.
    pub caller_counts: Option<bool>,
    /// `tracestate` as it came, entries in order; empty when there was none.
    pub state: String,
    /// The HTTP server span.
    pub server: SpanId,
    /// The inference span: the logical call with all its attempts.
    pub inference: SpanId,
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// At most 32 digits, written at once: this is on every response.
fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    let text = text.get(..bytes.len() * 2).unwrap_or_default();
    f.write_str(std::str::from_utf8(text).map_err(|_| fmt::Error)?)
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
