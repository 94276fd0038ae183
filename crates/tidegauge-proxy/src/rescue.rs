//! The one place where our own failures become responses. What an upstream answers, errors
//! included, never comes through here.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use serde_json::json;
use tidegauge_core::{Dialect, Failure, Policy, Refused, Rejected};

use crate::body::Reply;
use crate::check::{ALLOW, Refusal};

/// Upstreams that are named to somebody who asked for none.
const NAMED: usize = 50;

/// Answers for an upstream that did not, in a shape its clients can read.
pub(crate) fn failed(failure: Failure, dialect: &dyn Dialect) -> Response<Reply> {
    let (status, error, message) = told(failure);
    let kind = failure.error_type();
    respond(status, error, dialect.error_body(status, kind.as_str(), message))
}

/// Answers a request that a rule stopped, in a shape its clients can read.
pub(crate) fn denied(refused: &Refused, dialect: &dyn Dialect) -> Response<Reply> {
    let kind = refused.failure.error_type();
    let body = dialect.error_body(refused.status, kind.as_str(), &refused.message);
    let mut response = respond(refused.status, "http_request_denied", body);
    if let Some(after) = refused.retry_after {
        // Not before the time has passed.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Answers a request that was refused before it had an upstream.
pub(crate) fn refused(refusal: Refusal) -> Response<Reply> {
    let error = match refusal.reason {
        Rejected::Loop => "proxy_loop_detected",
        Rejected::Connections => "connection_limit_reached",
        Rejected::Parse
        | Rejected::HeadTimeout
        | Rejected::Host
        | Rejected::Framing
        | Rejected::Path
        | Rejected::Method
        | Rejected::Expectation
        | Rejected::Stream
        | Rejected::Route => "http_request_error",
    };
    let kind = format!("request_{}", refusal.reason.name());
    let mut response = respond(refusal.status, error, neutral(&kind, refusal.message));
    if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOW));
    }
    response
}

/// Answers a request for which there is no upstream, and says how to ask for one.
/// `page`: a web page asks, whose business the names are not.
pub(crate) fn unrouted(
    policy: &Policy,
    listen: std::net::SocketAddr,
    page: bool,
) -> Response<Reply> {
    const UNKNOWN: &str = "unknown_upstream";
    if page {
        let message = "No upstream for this path. A path begins with the name of one.";
        let body = neutral(UNKNOWN, message);
        return respond(StatusCode::NOT_FOUND, "destination_not_found", body);
    }
    let names = policy.upstreams.iter().map(|upstream| &*upstream.name).take(NAMED);
    let names = names.collect::<Vec<_>>();
    let usual = policy.default_upstream.as_ref().map(|upstream| &*upstream.name);
    let message = match usual.or_else(|| names.first().copied()) {
        None => "No upstream is configured.".to_owned(),
        Some(usual) => {
            let known = names.join(", ");
            format!(
                "No upstream for this path. A path begins with the name of one, such as \
                 http://{listen}/{usual}/... Known upstreams: {known}."
            )
        }
    };
    respond(StatusCode::NOT_FOUND, "destination_not_found", neutral(UNKNOWN, &message))
}

/// Lets a web page read an answer of ours: nothing in it is anybody's.
pub(crate) fn readable(response: &mut Response<Reply>) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

/// Status, RFC 9209 error type, and what people are told.
fn told(failure: Failure) -> (StatusCode, &'static str, &'static str) {
    const BAD: StatusCode = StatusCode::BAD_GATEWAY;
    const LATE: StatusCode = StatusCode::GATEWAY_TIMEOUT;
    match failure {
        Failure::Dns => (BAD, "dns_error", "The upstream's name does not resolve."),
        Failure::ConnectRefused => {
            (BAD, "connection_refused", "The upstream refuses connections or cannot be reached.")
        }
        Failure::ConnectTimeout => {
            (LATE, "connection_timeout", "No connection to the upstream in time.")
        }
        Failure::TlsCertificate => {
            (BAD, "tls_certificate_error", "The upstream's certificate does not hold.")
        }
        Failure::TlsProtocol => (BAD, "tls_protocol_error", "No TLS session with the upstream."),
        Failure::AddressRefused => {
            (BAD, "destination_ip_prohibited", "The upstream's address is not allowed.")
        }
        Failure::HeadTimeout => (LATE, "http_response_timeout", "No answer in time."),
        Failure::IdleTimeout => (LATE, "http_response_timeout", "The answer stopped coming."),
        Failure::ClosedEarly => {
            (BAD, "connection_terminated", "The upstream closed the connection without an answer.")
        }
        Failure::Protocol => (BAD, "http_protocol_error", "The upstream's answer is not HTTP."),
        Failure::StreamCut => (BAD, "http_response_incomplete", "The upstream's answer broke off."),
        Failure::RequestAborted => {
            (StatusCode::BAD_REQUEST, "http_request_error", "The request body broke off.")
        }
        Failure::RequestStalled => {
            (StatusCode::REQUEST_TIMEOUT, "http_request_error", "The request body stopped coming.")
        }
        Failure::Descriptors => (
            StatusCode::SERVICE_UNAVAILABLE,
            "proxy_internal_error",
            "The proxy has no file descriptor left for a connection.",
        ),
        // A rule says what it has to say itself.
        Failure::Budget | Failure::Guardrail | Failure::RouteDisabled => {
            (StatusCode::FORBIDDEN, "http_request_denied", "A rule of the proxy stopped it.")
        }
        // Nobody is left to be told of the last two.
        Failure::Internal | Failure::Killed | Failure::MaybeKilled => {
            (StatusCode::INTERNAL_SERVER_ERROR, "proxy_internal_error", "The proxy made a mistake.")
        }
    }
}

/// The error shape that most clients know.
fn neutral(kind: &str, message: &str) -> Bytes {
    let error =
        json!({ "message": message, "type": "tidegauge_error", "param": null, "code": kind });
    json!({ "error": error }).to_string().into()
}

fn respond(status: StatusCode, error: &str, body: Bytes) -> Response<Reply> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(Reply::Own(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, length);
    if let Ok(status) = HeaderValue::try_from(format!("tidegauge; error={error}")) {
        headers.insert("proxy-status", status);
    }
    response
}

#[cfg(test)]
mod tests;
