//! Header fields on the way through: what is left out, what is changed, what is added. Everything
//! else passes with its name, value and place among the others.
//!
//! Rules: RFC 9110 7.6, RFC 9112 6.1 and 9.6, RFC 9113 8.2.2 and 8.2.3.

use http::Version;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use tidegauge_core::{Propagate, SpanId, Trace, Upstream};

use crate::trace;

/// The trace id a client is told.
pub(crate) const TRACE_ID: HeaderName = HeaderName::from_static("x-tidegauge-trace-id");

/// Fields of one connection, not of the message.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "proxy-authenticate",
    "proxy-authorization",
];

/// Fields of a request that are ours to know and not the provider's: where the client is (it is
/// behind us), what is expected of us, and control fields for us and for other proxies.
const WITHHELD: &[&str] = &["expect", "forwarded", "host", "x-real-ip"];
const WITHHELD_PREFIXES: &[&str] = &[
    "x-forwarded-",
    "x-tidegauge-",
    "helicone-",
    "x-portkey-",
    "x-litellm-",
    "cf-aig-",
    "langfuse_",
    "x-langfuse-",
];

/// Trace context, as far as it is not what the route says: of W3C, B3, Jaeger, AWS, Google, gRPC, and of
/// vendors.
const TRACE_CONTEXT: &[&str] = &[
    "traceparent",
    "tracestate",
    "baggage",
    "b3",
    "uber-trace-id",
    "x-amzn-trace-id",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "sentry-trace",
    "elastic-apm-traceparent",
    "newrelic",
];
const TRACE_CONTEXT_PREFIXES: &[&str] =
    &["x-b3-", "uberctx-", "ot-tracer-", "x-datadog-", "x-instana-"];

/// What else decides about the fields of a request.
#[derive(Clone, Debug)]
pub(crate) struct Outward<'a> {
    /// The client's protocol.
    pub(crate) version: Version,
    /// Where it goes.
    pub(crate) upstream: &'a Upstream,
    /// The trace it belongs to and the span that stands for this attempt.
    pub(crate) trace: &'a Trace,
    pub(crate) span: SpanId,
    /// The body was spliced: the answer must come readable.
    pub(crate) spliced: bool,
    /// The length of the body, if it differs from what the client said.
    pub(crate) length: Option<u64>,
    /// Another protocol is asked for.
    pub(crate) upgrade: bool,
    /// Who sends it on.
    pub(crate) via: HeaderValue,
}

/// The fields of a client's request as the upstream gets them. `Host` is left to the connection.
pub(crate) fn outward(from: &HeaderMap, out: Outward<'_>) -> HeaderMap {
    let nominated = Nominated::of(from);
    let set = |name: &HeaderName| out.upstream.headers.iter().any(|(known, _)| known == name);
    let mut to = HeaderMap::with_capacity(from.len() + out.upstream.headers.len() + 4);
    for (name, value) in from {
        if withheld(name) || set(name) || nominated.names(name) {
            continue;
        }
        if out.upstream.propagate != Propagate::Passthrough && is_trace_context(name) {
            continue;
        }
        match *name {
            header::ACCEPT_ENCODING if out.spliced => {}
            header::CONTENT_LENGTH if out.length.is_some() => {}
            header::COOKIE if out.version == Version::HTTP_2 => join_cookies(&mut to, value),
            _ => _ = to.append(name, value.clone()),
        }
    }
    if out.spliced {
        to.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if let Some(length) = out.length {
        to.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if wants_trailers(from) && out.version == Version::HTTP_2 {
        to.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    if out.upgrade {
        to.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = from.get(header::UPGRADE) {
            to.insert(header::UPGRADE, protocol.clone());
        }
    }
    if out.upstream.propagate == Propagate::Inject {
        inject(&mut to, out.trace, out.span);
    }
    for (name, value) in &out.upstream.headers {
        to.append(name, value.clone());
    }
    to.append(header::VIA, out.via);
    to
}

/// What else decides about the fields of a response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inward {
    /// Bytes may be taken out of the body.
    pub(crate) filtered: bool,
    /// The response switches protocols.
    pub(crate) upgrade: bool,
}

/// The fields of an upstream's response as the client gets them.
pub(crate) fn inward(from: &HeaderMap, inward: Inward) -> HeaderMap {
    let nominated = Nominated::of(from);
    let coded = from.contains_key(header::TRANSFER_ENCODING);
    let mut to = HeaderMap::with_capacity(from.len() + 1);
    for (name, value) in from {
        if HOP_BY_HOP.contains(&name.as_str()) || nominated.names(name) {
            continue;
        }
        if *name == header::CONTENT_LENGTH {
            if !inward.filtered && !coded {
                // Equal lengths told twice are told once.
                to.insert(name, value.clone());
            }
            continue;
        }
        to.append(name, value.clone());
    }
    if inward.upgrade {
        to.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = from.get(header::UPGRADE) {
            to.insert(header::UPGRADE, protocol.clone());
        }
    }
    to
}

/// Whether a request asks for another protocol on its connection.
pub(crate) fn asks_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(header::UPGRADE)
        && headers
            .get_all(header::CONNECTION)
            .iter()
            .any(|value| list(value).any(|token| token.eq_ignore_ascii_case("upgrade")))
}

/// Whether the client can take trailers.
pub(crate) fn wants_trailers(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::TE)
        .iter()
        .any(|value| list(value).any(|token| token.eq_ignore_ascii_case("trailers")))
}

/// Whether a response's body is as its media type says, not compressed.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|value| list(value).all(|coding| coding.eq_ignore_ascii_case("identity")))
}

/// Whether the end of a response's body could be read in two ways (RFC 9112 6.1 and 6.3), or is coded so
/// that it would have to be decoded: what `chunked` alone does not say.
pub(crate) fn is_ambiguous(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return false };
    !coding.as_bytes().eq_ignore_ascii_case(b"chunked")
        || codings.next().is_some()
        || headers.contains_key(header::CONTENT_LENGTH)
}

fn is_trace_context(name: &HeaderName) -> bool {
    let name = name.as_str();
    TRACE_CONTEXT.contains(&name)
        || TRACE_CONTEXT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn withheld(name: &HeaderName) -> bool {
    let name = name.as_str();
    HOP_BY_HOP.contains(&name)
        || WITHHELD.contains(&name)
        || WITHHELD_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The fields that `Connection` names, which end with it; except those that no client may take out
/// by naming them there: what carries identity, content or routing.
struct Nominated(Vec<HeaderName>);

impl Nominated {
    fn of(headers: &HeaderMap) -> Self {
        let named = headers.get_all(header::CONNECTION).iter().flat_map(list);
        let named = named.filter_map(|token| HeaderName::try_from(token).ok());
        Self(named.filter(|name| !protected(name)).collect())
    }

    fn names(&self, name: &HeaderName) -> bool {
        self.0.contains(name)
    }
}

fn protected(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(name, "host" | "cookie" | "set-cookie" | "via" | "date" | "accept" | "user-agent")
        || name.starts_with("content-")
        || name.ends_with("-key")
        || name.contains("auth")
        || name.contains("token")
        || name.contains("version")
}

/// The members of a field that is a list.
pub(crate) fn list(value: &HeaderValue) -> impl Iterator<Item = &str> {
    let text = value.to_str().unwrap_or_default();
    text.split(',').map(str::trim).filter(|token| !token.is_empty())
}

/// HTTP/2 may send a cookie in pieces; HTTP/1 wants them in one line (RFC 9113 8.2.3).
fn join_cookies(to: &mut HeaderMap, piece: &HeaderValue) {
    let joined = match to.get(header::COOKIE) {
        Some(before) => {
            HeaderValue::from_bytes(&[before.as_bytes(), b"; ", piece.as_bytes()].concat())
        }
        None => Ok(piece.clone()),
    };
    if let Ok(joined) = joined {
        to.insert(header::COOKIE, joined);
    }
}

fn inject(to: &mut HeaderMap, trace: &Trace, span: SpanId) {
    if let Some(value) = trace::traceparent(trace, span) {
        to.insert("traceparent", value);
    }
    if let Ok(state) = HeaderValue::try_from(&trace.state)
        && !state.is_empty()
    {
        to.insert("tracestate", state);
    }
}

#[cfg(test)]
pub(crate) mod tests;
