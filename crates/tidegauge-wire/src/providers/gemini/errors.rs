//! Google's errors: a canonical status beside the HTTP one, and details that say more.

use bytes::Bytes;
use http::StatusCode;
use tidegauge_core::{Category, ProviderError, Response};

use crate::answer::MAX_NAME;
use crate::field::Json;
use crate::splice::quoted;

/// How many of the quotas that were exceeded are looked at.
const MAX_VIOLATIONS: usize = 8;

/// What stands in the details: how long to wait, and which quota is meant. It joins the message,
/// which says "quota" also where a minute's wait is all it takes.
pub(in crate::providers) fn read(body: Json<'_>, into: &mut Response) {
    let body = body.items().next().unwrap_or(body);
    let details = body.get("error").get("details");
    into.retry_after = into.retry_after.or_else(|| details.items().find_map(retry_delay));
    let violations = details.items().flat_map(|detail| detail.get("violations").items());
    let Some(message) = into.error.as_mut().and_then(|error| error.message.as_mut()) else {
        return;
    };
    for violation in violations.take(MAX_VIOLATIONS) {
        if let Some(quota) = violation.get("quotaId").kept(MAX_NAME) {
            message.push(' ');
            message.push_str(&quota);
        }
    }
}

/// Seconds to wait, rounded up: `"48s"`, `"48.939s"`.
fn retry_delay(detail: Json<'_>) -> Option<u64> {
    let delay = detail.get("retryDelay").text()?;
    let seconds = delay.strip_suffix('s')?.parse::<f64>().ok()?;
    (0.0..=1e9).contains(&seconds).then_some(seconds.ceil() as u64)
}

/// Where the meaning differs from what status and words say elsewhere: a limit of nothing is one that
/// the plan does not include, and no wait helps.
pub(in crate::providers) fn classify(error: &ProviderError) -> Option<Category> {
    let message = error.message.as_deref().unwrap_or_default();
    let nothing = ["limit: 0,", "limit: 0\n", "limit: 0 "].iter().any(|no| message.contains(no));
    let nothing = nothing || message.ends_with("limit: 0");
    let exhausted = error.kind.as_deref() == Some("RESOURCE_EXHAUSTED");
    (exhausted && nothing).then_some(Category::Quota)
}

/// `{"error": {"code", "message", "status", "details"}}`
pub(in crate::providers) fn body(status: StatusCode, kind: &str, message: &str) -> Bytes {
    let code = status.as_u16();
    let (message, reason) = (quoted(message), quoted(kind));
    let canonical = canonical(status);
    let details = format!(
        r#"[{{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":{reason},"domain":"tidegauge"}}]"#
    );
    Bytes::from(format!(
        r#"{{"error":{{"code":{code},"message":{message},"status":"{canonical}","details":{details}}}}}"#
    ))
}

/// The canonical status of an HTTP one.
fn canonical(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 413 | 414 | 422 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        402 | 403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 => "UNAVAILABLE",
        408 | 504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    }
}
