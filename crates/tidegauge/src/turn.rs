//! Turns a turn of a session into an exchange and an observation of its own.
//!
//! It has its own id, inference span and times; who calls and where it goes are the session's. The
//! request, its tries and what the proxy added are counted with the session alone.

use std::time::{Duration, UNIX_EPOCH};

use tidegauge_core::{Content, Exchange, ExchangeId, Observation, Overhead, SpanId, Times, Trace};
use tidegauge_wire::Turn;

/// The turn as a record tells it, and what was said in it if that was kept. Its times count from when it
/// began.
pub(crate) fn finish(
    turn: Turn,
    session: &Exchange,
) -> (Exchange, Observation, Option<Box<Content>>) {
    let started = session.started + turn.began;
    let since = |at: Duration| at.saturating_sub(turn.began);
    let millis = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let trace = &session.trace;
    let exchange = Exchange {
        id: ExchangeId::new(u64::try_from(millis).unwrap_or(u64::MAX), fastrand::u128(..)),
        started,
        trace: Trace {
            parent: None,
            link: None,
            inference: SpanId(fastrand::u64(1..).to_be_bytes()),
            ..trace.clone()
        },
        operation: turn.operation,
        attempts: Vec::new(),
        status: None,
        request_bytes: turn.asked_bytes,
        upstream_bytes: turn.bytes,
        response_bytes: turn.bytes,
        times: Times {
            sent: Some(Duration::ZERO),
            head: None,
            first_byte: turn.first.map(since).filter(|_| turn.is_timed()),
            last_byte: turn.first.map(|_| since(turn.ended)),
            ended: since(turn.ended),
        },
        overhead: Overhead::default(),
        end: turn.end,
        failure: turn.failure,
        ..session.clone()
    };
    let (observation, words) = turn.conclude(&exchange);
    (exchange, observation, words)
}
