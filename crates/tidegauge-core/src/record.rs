//! The finished, plain value of one call: what all sinks are shown.

use std::sync::Arc;

use crate::{Exchange, ExchangeId, Labels, Measurement, Observation, SpanId};

/// What a record is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RecordKind {
    /// A request and its answer, or a session over a socket: one accepted request.
    #[default]
    Request,
    /// One turn of a session, counted beside it. Times, tokens and cost are the turn's; the request, its
    /// attempts and what the proxy added are the session's alone.
    Turn {
        /// The session's record.
        of: ExchangeId,
        /// The session's inference span: the parent of the turn's.
        parent: SpanId,
    },
    /// An accepted request that a killed process left open. Nobody knows how it went on.
    Killed,
}

impl RecordKind {
    /// Whether it is a turn, which is no request of its own.
    pub fn is_turn(self) -> bool {
        matches!(self, Self::Turn { .. })
    }
}

/// What a grader thinks of a call.
#[derive(Clone, PartialEq, Debug)]
pub struct Verdict {
    /// The grader's name by configuration.
    pub grader: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// From 0, bad, to 1, good.
    pub score: Option<f64>,
    /// A word of the grader's own short list.
    pub label: Option<Arc<str>>,
    /// For people. May hold what was said.
    pub explanation: Option<String>,
}

/// Everything known about one call.
///
/// An owned value: no live upstream, no secret header, no key and no trait object is in reach, so it may
/// be kept, copied and sent anywhere. Each part is what one stage has made; a later one mends nothing.
#[derive(Clone, PartialEq, Debug)]
pub struct Record {
    /// What it is of.
    pub kind: RecordKind,
    /// Who is calling: what the headers tell, and where they do not, what the body tells.
    pub who: Labels,
    /// What the data plane saw: id, time, trace, destination, times, overhead, end.
    pub exchange: Exchange,
    /// What was said: request, response, usage, outcome, and the content where it is captured.
    pub observation: Observation,
    /// How much, how long, how dear.
    pub measurement: Measurement,
    /// What graders think of it, in the order of the configuration.
    pub verdicts: Vec<Verdict>,
}

impl Record {
    /// Puts together what the stages have made. Who is calling is moved out of both halves.
    pub fn new(
        kind: RecordKind,
        mut exchange: Exchange,
        mut observation: Observation,
        measurement: Measurement,
    ) -> Self {
        let mut who = std::mem::take(&mut exchange.labels);
        who.or(std::mem::take(&mut observation.request.labels));
        Self { kind, who, exchange, observation, measurement, verdicts: Vec::new() }
    }

    /// The id of the session that this is a turn of.
    pub fn session(&self) -> Option<ExchangeId> {
        match self.kind {
            RecordKind::Turn { of, .. } => Some(of),
            RecordKind::Request | RecordKind::Killed => None,
        }
    }
}

#[cfg(test)]
mod tests;
