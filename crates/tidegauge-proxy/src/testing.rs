//! Doors to what is read of a request's head, for tests and fuzzing.
//!
//! Only built with the feature `testing`. Must not hold logic of its own.

use std::time::UNIX_EPOCH;

use http::{HeaderMap, HeaderValue, Method};
use tidegauge_core::{Labels, Policy, Trace};

use crate::{attribution, redact, route, trace};

/// The place in a trace that a request's headers give it, in 1970.
pub fn place(headers: &HeaderMap, policy: &Policy) -> Trace {
    trace::place(headers, policy, UNIX_EPOCH)
}

/// The `traceparent` that goes on from there.
pub fn traceparent(trace: &Trace) -> Option<HeaderValue> {
    trace::traceparent(trace, trace.server)
}

/// Who is calling, by the headers of a request.
pub fn labels(headers: &HeaderMap) -> Labels {
    attribution::labels(headers)
}

/// The name of the upstream a request goes to, and the path that it sees.
pub fn route(
    policy: &Policy,
    method: &Method,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Option<(String, String)> {
    let route = route::find(policy, route::Asked { method, path, query, headers })?;
    Some((route.upstream.name.to_string(), route.path.to_owned()))
}

/// A query as it is kept: without the values of secret parameters.
pub fn redacted(query: &str) -> String {
    redact::query(query)
}
