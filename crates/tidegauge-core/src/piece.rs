//! Encoded telemetry on its way from those who make it to those who deliver it.
//!
//! In: what an encoder wrote. Out: the same bytes, for a queue of one exporter. This is all that the
//! two sides share: the one knows no queue and no network, the other no record. Knows no format.

use std::fmt;

use bytes::Bytes;

/// A kind of telemetry, with an endpoint and a queue of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Metric points.
    Metrics,
    /// Events and log lines.
    Logs,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// The word used in our own log lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// The instrumentation scope that a span, metric or event belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// HTTP, both sides.
    Http,
    /// Model calls.
    GenAi,
    /// This process.
    Own,
}

impl Scope {
    /// Every scope, in the order of [`Emitter::scopes`].
    pub const ALL: [Self; 3] = [Self::Http, Self::GenAi, Self::Own];
}

/// One encoded span, metric or log record.
#[derive(Clone, PartialEq, Debug)]
pub struct Piece {
    /// The scope it belongs to.
    pub scope: Scope,
    /// The message, without tag and length.
    pub bytes: Bytes,
    /// Spans, points or log records in it.
    pub units: u64,
}

/// Who made the pieces: encoded once, sent with each export.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Emitter {
    /// The encoded resource.
    pub resource: Vec<u8>,
    /// The encoded scopes, in the order of [`Scope::ALL`].
    pub scopes: [Vec<u8>; Scope::ALL.len()],
    /// The URL of the schema that what is in a scope follows, in the same order; empty: none is told.
    pub schemas: [&'static str; Scope::ALL.len()],
}

/// Where the pieces of one signal wait for one exporter.
///
/// Neither call waits for a network or a disk; what finds no room is counted by who keeps the queue.
pub trait Outbox: fmt::Debug + Send + Sync {
    /// Adds what has just been made.
    fn push(&self, pieces: Vec<Piece>);

    /// Adds pieces that make all that wait obsolete.
    fn replace(&self, pieces: Vec<Piece>);
}
