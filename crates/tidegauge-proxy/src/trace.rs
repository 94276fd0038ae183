//! W3C Trace Context in headers: read within bounds, decided on, written again.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use ring::digest;
use tidegauge_core::{Policy, SpanId, Trace, TraceId, Trust};

use crate::attribution;

/// Bytes of all `tracestate` fields that are looked at.
const STATE_READ: usize = 8 * 1024;
/// Entries kept, and characters in all (W3C Trace Context 3.3).
const STATE_ENTRIES: usize = 32;
const STATE_CHARS: usize = 512;

/// A valid `traceparent`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Parent {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) sampled: bool,
    pub(crate) random: bool,
}

/// The flags of `traceparent` (W3C Trace Context, level 2).
const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

/// The longest that a session is one trace, in seconds: a day of UTC.
const SESSION_WINDOW: u64 = 24 * 60 * 60;

/// The place of a new exchange in a trace: what the caller sent, as far as the policy believes it,
/// and fresh random ids for the rest. `now` is the wall time of the request.
pub(crate) fn place(headers: &HeaderMap, policy: &Policy, now: SystemTime) -> Trace {
    let caller = match policy.trust {
        Trust::Ignore => None,
        Trust::Continue | Trust::Link => parent(headers),
    };
    let continued = caller.filter(|_| policy.trust == Trust::Continue);
    let session = (policy.session_traces && caller.is_none()).then(|| session(headers)).flatten();
    let session = session.map(|session| session_trace(&session, now));
    let known = continued.map(|parent| parent.trace).or(session);
    let trace_id = known.unwrap_or_else(fresh_trace);
    let by_parent = continued.filter(|_| policy.parent_based).map(|parent| parent.sampled);
    Trace {
        trace_id,
        parent: continued.map(|parent| parent.span),
        link: caller.filter(|_| continued.is_none()).map(|parent| (parent.trace, parent.span)),
        sampled: by_parent.unwrap_or_else(|| by_ratio(trace_id, policy.sample_ratio)),
        random: continued.map_or(session.is_none(), |parent| parent.random),
        caller_counts: caller_counts(headers),
        state: continued.map_or_else(String::new, |_| state(headers)),
        server: fresh_span(),
        inference: fresh_span(),
    }
}

/// The session that headers tell.
fn session(headers: &HeaderMap) -> Option<String> {
    attribution::labels(headers).session
}

/// The trace of a session on a day. The same in every process: replicas behind a balancer agree.
fn session_trace(session: &str, now: SystemTime) -> TraceId {
    let day = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / SESSION_WINDOW;
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(b"tidegauge session trace\0");
    hash.update(&day.to_be_bytes());
    hash.update(session.as_bytes());
    let hash = hash.finish();
    let half = hash.as_ref().first_chunk::<16>().copied();
    // No session in a lifetime has a hash of zeros, and no trace may have such an id.
    half.filter(|half| *half != [0; 16]).map_or_else(fresh_trace, TraceId)
}

/// Whether the caller says that its own spans tell tokens and cost; what is no word of ours says nothing.
fn caller_counts(headers: &HeaderMap) -> Option<bool> {
    match headers.get("x-tidegauge-usage")?.as_bytes().trim_ascii() {
        b"link_only" => Some(true),
        b"own" => Some(false),
        _ => None,
    }
}

/// The `traceparent` that makes `span` the parent of what the upstream does.
pub(crate) fn traceparent(trace: &Trace, span: SpanId) -> Option<HeaderValue> {
    let mut text = String::with_capacity(55);
    let sampled = if trace.sampled { SAMPLED } else { 0 };
    let flags = sampled | if trace.random { RANDOM } else { 0 };
    write!(text, "00-{}-{span}-{flags:02x}", trace.trace_id).ok()?;
    HeaderValue::from_maybe_shared(Bytes::from(text)).ok()
}

/// A trace id as a client is told it.
pub(crate) fn header(trace: TraceId) -> Option<HeaderValue> {
    let mut text = String::with_capacity(32);
    write!(text, "{trace}").ok()?;
    HeaderValue::from_maybe_shared(Bytes::from(text)).ok()
}

/// A span id of our own.
pub(crate) fn fresh_span() -> SpanId {
    SpanId(fastrand::u64(1..).to_be_bytes())
}

fn fresh_trace() -> TraceId {
    TraceId(fastrand::u128(1..).to_be_bytes())
}

/// The same decision for every span of a trace, here and wherever else the same ratio is used.
fn by_ratio(trace: TraceId, ratio: f64) -> bool {
    let [.., a, b, c, d, e, f, g] = trace.0;
    let random = u64::from_be_bytes([0, a, b, c, d, e, f, g]);
    // 2^56 values; a ratio of 1 or more takes all of them, of 0 or less none.
    let below = (ratio.clamp(0.0, 1.0) * (1_u64 << 56) as f64) as u64;
    random < below
}

/// The caller's `traceparent`: exactly one, well formed, no id all zero. A version we do not know
/// is read like version 00 as far as that goes (W3C Trace Context 4.3).
pub(crate) fn parent(headers: &HeaderMap) -> Option<Parent> {
    let mut values = headers.get_all("traceparent").iter();
    let value = values.next()?.as_bytes().trim_ascii();
    if values.next().is_some() {
        return None;
    }
    let known = value.get(..55)?;
    let further = value.get(55..).unwrap_or_default();
    let version = hex::<1>(known.get(..2)?)?;
    let fits = match version {
        [0xff] => false,
        [0] => further.is_empty(),
        _ => further.is_empty() || further.first() == Some(&b'-'),
    };
    let dashes = [2, 35, 52].iter().all(|at| known.get(*at) == Some(&b'-'));
    let trace = hex::<16>(known.get(3..35)?)?;
    let span = hex::<8>(known.get(36..52)?)?;
    let [flags] = hex::<1>(known.get(53..55)?)?;
    let zero = trace == [0; 16] || span == [0; 8];
    (fits && dashes && !zero).then_some(Parent {
        trace: TraceId(trace),
        span: SpanId(span),
        sampled: flags & SAMPLED != 0,
        random: flags & RANDOM != 0,
    })
}

/// The caller's `tracestate`: entries in order, the last ones dropped where a bound is hit. Empty
/// when it is too large to look at or not what it should be.
pub(crate) fn state(headers: &HeaderMap) -> String {
    let values = headers.get_all("tracestate");
    if values.iter().map(HeaderValue::len).sum::<usize>() > STATE_READ {
        return String::new();
    }
    let mut state = String::new();
    let entries = values.iter().filter_map(|value| value.to_str().ok());
    let entries = entries.flat_map(|value| value.split(',')).map(str::trim);
    for entry in entries.filter(|entry| !entry.is_empty()).take(STATE_ENTRIES) {
        if entry.split_once('=').is_none_or(|(key, value)| key.is_empty() || value.is_empty()) {
            return String::new();
        }
        if state.len() + entry.len() + 1 > STATE_CHARS {
            break;
        }
        if !state.is_empty() {
            state.push(',');
        }
        state.push_str(entry);
    }
    state
}

/// Lower-case hex digits only, as the format demands.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let nibble = |digit: &u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    (digits.len() == 2 * N).then_some(bytes)
}

#[cfg(test)]
mod tests;
