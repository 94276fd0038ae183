//! What a receiver's answer means: delivered, to be tried again, or refused.
//!
//! In: statuses, headers and bodies. Out: an [`Answer`]. Sources: OTLP, "OTLP/gRPC Response", "OTLP/HTTP
//! Response"; the error model of gRPC. Pure: knows no connection.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse as Response;
use prost::Message;
use tonic::{Code, Status};

/// The longest pause that a receiver can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Most letters of a receiver's own words.
const LONGEST_MESSAGE: usize = 300;

/// What became of one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// DiskBatch, but for so many units.
    Delivered {
        /// Units that the receiver refused.
        rejected: u64,
    },
    /// The request may work later; the receiver may say when.
    Retry {
        /// The pause that the receiver asks for; `None`: it asks for none.
        after: Option<Duration>,
        /// For our own log.
        why: FailureReason,
    },
    /// The same request will never work.
    Refused(FailureReason),
    /// The request is too long; less may work.
    TooLarge,
}

impl Answer {
    /// Units that the receiver took not, of those it was sent; `None`: it took nothing.
    pub(crate) fn delivered(self) -> Option<u64> {
        if let Self::Delivered { rejected } = self { Some(rejected) } else { None }
    }

    /// FailureReason nothing was taken, in our words.
    pub(crate) fn error(self) -> Option<String> {
        match self {
            Self::Delivered { .. } => None,
            Self::Retry { why, .. } | Self::Refused(why) => Some(why.to_string()),
            Self::TooLarge => Some("the message is too large".to_owned()),
        }
    }

    /// Whether a receiver of OTLP gave it, as far as can be told.
    pub(crate) fn is_otlp(self) -> bool {
        match self {
            Self::Delivered { .. } | Self::TooLarge => true,
            Self::Retry { why, .. } | Self::Refused(why) => match why {
                FailureReason::Grpc(code) => !matches!(code, Code::Unimplemented | Code::Unknown),
                // A receiver that is too busy, or wants other credentials, speaks the protocol.
                FailureReason::Http(status) => matches!(status.as_u16(), 401 | 403 | 429 | 503),
                FailureReason::Timeout
                | FailureReason::Connection
                | FailureReason::WebPage
                | FailureReason::NotOtlp => false,
            },
        }
    }
}

/// An answer, and what it was read from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Received {
    /// What it means.
    pub(crate) answer: Answer,
    /// Its status; `None`: there was none.
    pub(crate) status: Option<AnswerStatus>,
    /// The receiver's own words; empty unless they are wanted.
    pub(crate) message: String,
}

impl From<Answer> for Received {
    fn from(answer: Answer) -> Self {
        Self { answer, status: None, message: String::new() }
    }
}

/// The status of an answer, by the protocol that it came by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AnswerStatus {
    /// Of HTTP.
    Http(StatusCode),
    /// Of gRPC.
    Grpc(Code),
}

impl fmt::Display for AnswerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(status) => write!(f, "HTTP {}", status.as_u16()),
            Self::Grpc(code) => write!(f, "gRPC {code:?}"),
        }
    }
}

/// Why a request failed: words of ours and codes, never the text of a receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum FailureReason {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// No connection, or it broke.
    #[error("no connection")]
    Connection,
    /// An HTTP status.
    #[error("HTTP status {0}")]
    Http(StatusCode),
    /// A gRPC status.
    #[error("gRPC status {0:?}")]
    Grpc(Code),
    /// A web page: something else than a receiver answers there.
    #[error("it answers with a web page")]
    WebPage,
    /// An answer in protobuf that is none of OTLP.
    #[error("its answer is not OTLP")]
    NotOtlp,
}

/// Units that a receiver says it did not take. The three signals answer in the same shape.
pub(crate) fn rejected(answer: Response) -> u64 {
    let partial = answer.partial_success;
    partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}

/// What a body behind a good status says. An empty one, or one of another kind, is an acknowledgement;
/// a web page comes from something that is no receiver (a login page, a wrong port).
pub(crate) fn judge_body(kind: &str, body: Bytes) -> Answer {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind {
        _ if body.is_empty() => Answer::Delivered { rejected: 0 },
        "text/html" | "application/xhtml+xml" => Answer::Refused(FailureReason::WebPage),
        "application/x-protobuf" | "application/protobuf" => match Response::decode(body) {
            Ok(answer) => Answer::Delivered { rejected: rejected(answer) },
            Err(_) => Answer::Refused(FailureReason::NotOtlp),
        },
        "application/json" => Answer::Delivered { rejected: rejected_json(&body) },
        _ if is_page(&body) => Answer::Refused(FailureReason::WebPage),
        // A receiver that does not name its answer's type still may send protobuf.
        "" => Answer::Delivered { rejected: Response::decode(body).map_or(0, rejected) },
        _ => Answer::Delivered { rejected: 0 },
    }
}

/// Whether a body begins as HTML does.
fn is_page(body: &[u8]) -> bool {
    let begin = body.trim_ascii_start();
    ["<!doctype html", "<html"].iter().any(|head| {
        begin.get(..head.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(head.as_bytes()))
    })
}

/// The same count in an answer in JSON, where 64-bit numbers are texts (OTLP, "JSON Protobuf
/// Encoding").
fn rejected_json(body: &[u8]) -> u64 {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let partial = answer.get("partialSuccess").or(answer.get("partial_success"));
    let Some(partial) = partial.and_then(serde_json::Value::as_object) else { return 0 };
    let counts = partial.iter().filter(|(name, _)| name.starts_with("rejected"));
    let number = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    counts.filter_map(|(_, value)| number(value)).max().unwrap_or(0)
}

/// Only four statuses may be tried again (OTLP, "Retryable Response Codes").
pub(crate) fn judge_http(status: StatusCode, headers: &HeaderMap) -> Answer {
    let why = FailureReason::Http(status);
    match status.as_u16() {
        429 | 502 | 503 | 504 => {
            let after =
                headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let after = after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
            Answer::Retry { after, why }
        }
        413 => Answer::TooLarge,
        _ => Answer::Refused(why),
    }
}

/// OTLP, "Failures": which codes may be tried again.
pub(crate) fn judge_grpc(status: &Status) -> Answer {
    let why = FailureReason::Grpc(status.code());
    let after = retry_delay(status.details());
    match status.code() {
        Code::ResourceExhausted | Code::OutOfRange if says_too_large(status.message()) => {
            Answer::TooLarge
        }
        Code::ResourceExhausted if after.is_none() => Answer::Refused(why),
        Code::Unavailable
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::DataLoss
        | Code::ResourceExhausted => Answer::Retry { after, why },
        _ => Answer::Refused(why),
    }
}

/// What servers say when a message is over their limit; there is no code of its own for it.
fn says_too_large(message: &str) -> bool {
    ["larger than max", "too large", "exceeds the limit", "exceeds max"]
        .iter()
        .any(|words| message.contains(words))
}

/// `google.rpc.Status`, as far as it is read.
#[derive(Clone, PartialEq, prost::Message)]
struct Details {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The delay in a `RetryInfo`; zero when there is one without a delay.
fn retry_delay(details: &[u8]) -> Option<Duration> {
    let details = Details::decode(details).ok()?.details;
    let info = details.iter().find(|detail| detail.type_url.ends_with("google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.delay.unwrap_or_default();
    let seconds = u64::try_from(delay.seconds).unwrap_or(0);
    let nanos = u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999);
    Some(Duration::new(seconds, nanos).min(LONGEST_WAIT))
}

/// The receiver's own words, as they may be shown: cut, on one line.
pub(crate) fn shown(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(LONGEST_MESSAGE).collect::<String>().trim().to_owned()
}

/// The receiver's own words in the body of an error: of a `google.rpc.Status`, or as they are.
pub(crate) fn error_text(body: &[u8]) -> String {
    match Details::decode(body) {
        Ok(status) if !status.message.is_empty() => shown(&status.message),
        _ => shown(&String::from_utf8_lossy(body)),
    }
}

/// The receiver's own words beside a delivery: why it rejects a part.
pub(crate) fn partial_text(kind: &str, body: &[u8]) -> String {
    match Response::decode(body) {
        _ if kind.starts_with("application/json") => shown(&String::from_utf8_lossy(body)),
        Ok(answer) => shown(&answer.partial_success.unwrap_or_default().error_message),
        Err(_) => String::new(),
    }
}
