//! What a request must be before it is looked at any further: one host, one way to frame it, one
//! way to read its path. Strictness is a promise: nothing that passes here can mean one thing to us
//! and another to the upstream.

use http::header::{self, HeaderMap};
use http::uri::Authority;
use http::{Method, StatusCode, Uri, Version};
use tidegauge_core::Rejected;

use crate::framing::Bad;
use crate::hops::Hop;

/// Methods that are forwarded. CONNECT and TRACE never are.
const METHODS: &[Method] = &[
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// The same for the `Allow` field.
pub(crate) const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// How often a path is unescaped while looking for what hides in it.
const LAYERS: usize = 3;

/// Why a request goes no further.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) reason: Rejected,
    /// For people.
    pub(crate) message: &'static str,
}

const fn refusal(status: StatusCode, reason: Rejected, message: &'static str) -> Refusal {
    Refusal { status, reason, message }
}

const fn bad(reason: Rejected, message: &'static str) -> Refusal {
    refusal(StatusCode::BAD_REQUEST, reason, message)
}

/// A request head, and what the connection noticed about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) version: Version,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) bad: Option<Bad>,
}

/// Bounds on a head that the parser does not keep itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) target: usize,
    pub(crate) headers: usize,
}

/// All checks, cheapest first.
///
/// # Errors
/// The first check that fails.
pub(crate) fn check(asked: Asked<'_>, bounds: Bounds, hop: &Hop) -> Result<(), Refusal> {
    framing(asked)?;
    if !METHODS.contains(asked.method) {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(refusal(status, Rejected::Method, "This method is not forwarded."));
    }
    size(asked, bounds)?;
    host(asked)?;
    if let Some(expect) = asked.headers.get(header::EXPECT)
        && !expect.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        let status = StatusCode::EXPECTATION_FAILED;
        return Err(refusal(status, Rejected::Expectation, "Only 100-continue can be expected."));
    }
    path(asked.uri.path())?;
    if hop.is_loop(asked.headers) {
        let status = StatusCode::LOOP_DETECTED;
        return Err(refusal(status, Rejected::Loop, "This request goes round in a loop."));
    }
    Ok(())
}

/// RFC 9112 6.1 and 6.3, without the leniencies.
fn framing(asked: Asked<'_>) -> Result<(), Refusal> {
    match asked.bad {
        Some(Bad::Framing) => {
            return Err(bad(Rejected::Framing, "Send one Content-Length or Transfer-Encoding."));
        }
        Some(Bad::Target) => return Err(bad(Rejected::Path, "A target has no fragment.")),
        None => {}
    }
    let mut codings = asked.headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
        if !chunked || codings.next().is_some() {
            return Err(bad(Rejected::Framing, "The only transfer coding known is chunked, once."));
        }
        if asked.headers.contains_key(header::CONTENT_LENGTH) {
            return Err(bad(Rejected::Framing, "Send one Content-Length or Transfer-Encoding."));
        }
    }
    if asked.headers.get_all(header::CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(bad(Rejected::Framing, "Send one Content-Length."));
    }
    Ok(())
}

fn size(asked: Asked<'_>, bounds: Bounds) -> Result<(), Refusal> {
    let target = asked.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > bounds.target {
        return Err(refusal(StatusCode::URI_TOO_LONG, Rejected::Parse, "The target is too long."));
    }
    if asked.headers.len() > bounds.headers {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(refusal(status, Rejected::Parse, "There are too many header fields."));
    }
    Ok(())
}

/// RFC 9112 3.2, RFC 9113 8.3.1. The host is never used for routing.
fn host(asked: Asked<'_>) -> Result<(), Refusal> {
    let mut hosts = asked.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(bad(Rejected::Host, "There is more than one Host."));
    }
    let host = match host {
        Some(host) => match authority(host.as_bytes()) {
            Some(host) => Some(host),
            None => return Err(bad(Rejected::Host, "The Host is not a host.")),
        },
        None => None,
    };
    match (asked.uri.authority(), host) {
        (Some(target), _) if target.as_str().contains('@') => {
            Err(bad(Rejected::Path, "A target has no user."))
        }
        (Some(target), Some(host)) if !same(target, &host, asked.uri) => {
            Err(bad(Rejected::Host, "The Host is not the one of the target."))
        }
        (None, None) if asked.version > Version::HTTP_10 => {
            Err(bad(Rejected::Host, "There is no Host."))
        }
        _ => Ok(()),
    }
}

/// A host with or without a port, and nothing else.
fn authority(host: &[u8]) -> Option<Authority> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~[]:%!$&'()*+,;=".contains(byte);
    if !host.iter().all(plain) {
        return None;
    }
    let authority = Authority::try_from(host).ok()?;
    let named = !authority.host().is_empty();
    let port = authority.as_str().get(authority.host().len()..).unwrap_or_default();
    let ported = port.is_empty() || authority.port_u16().is_some();
    (named && ported).then_some(authority)
}

fn same(target: &Authority, host: &Authority, uri: &Uri) -> bool {
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(usual);
    target.host().eq_ignore_ascii_case(host.host()) && port(target) == port(host)
}

/// A path that names the same thing however often it is unescaped: it begins at the root, climbs
/// nowhere, has no backslash and no control character, and its escapes are escapes of UTF-8.
pub(crate) fn path(path: &str) -> Result<(), Refusal> {
    const CLIMBS: Refusal = bad(Rejected::Path, "The path could mean another one.");
    if !path.starts_with('/') {
        return Err(bad(Rejected::Path, "The target is not a path."));
    }
    let mut layer = std::borrow::Cow::Borrowed(path.as_bytes());
    for depth in 0..=LAYERS {
        let odd = |byte: &u8| *byte == b'\\' || byte.is_ascii_control();
        if layer.iter().any(odd) || layer.split(|byte| *byte == b'/').any(climbs) {
            return Err(CLIMBS);
        }
        if !layer.contains(&b'%') {
            return Ok(());
        }
        let Some(inner) = unescaped(&layer) else {
            // Inside an escape, a percent sign may be just that.
            return if depth == 0 { Err(CLIMBS) } else { Ok(()) };
        };
        if std::str::from_utf8(&inner).is_err() {
            return Err(CLIMBS);
        }
        layer = inner.into();
    }
    Err(CLIMBS)
}

/// A dot segment, also one with parameters.
fn climbs(segment: &[u8]) -> bool {
    let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
    name == b"." || name == b".."
}

/// `None` when a percent sign begins no escape.
fn unescaped(path: &[u8]) -> Option<Vec<u8>> {
    let mut inner = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [byte, after @ ..] = rest {
        if *byte == b'%' {
            let [high, low, ..] = after else { return None };
            let digit = |digit: &u8| char::from(*digit).to_digit(16);
            inner.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
            rest = after.get(2..)?;
        } else {
            inner.push(*byte);
            rest = after;
        }
    }
    Some(inner)
}

#[cfg(test)]
mod tests;
