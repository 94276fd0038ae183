//! Identity of an exchange in a distributed trace (W3C Trace Context, level 1).

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
    /// `tracestate` as it came, entries in order; empty when there was none.
    pub state: String,
    /// The HTTP server span.
    pub server: SpanId,
    /// The inference span: the logical call with all its attempts.
    pub inference: SpanId,
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
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
