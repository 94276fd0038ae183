//! Amazon Bedrock: one API of its own, and other vendors' bodies wrapped. The model stands in the
//! path and nowhere else.

mod converse;
mod count;
mod invoke;
mod path;
mod usage;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tidegauge_core::{
    Category, Dialect, Filter, Head, Matched, Operation, ProviderError, Response, Splice, Usage,
};

use self::path::Path;
use super::headers;
use super::openai::{self, OpenAi};
use crate::field::{Json, clip};
use crate::provider::{Provider, Reader};
use crate::splice::quoted;

/// bedrock-runtime, in any region.
#[derive(Debug)]
pub(crate) struct Bedrock;

impl Dialect for Bedrock {
    fn kind(&self) -> &'static str {
        "bedrock"
    }

    fn provider(&self) -> &'static str {
        "aws.bedrock"
    }

    fn claims(&self, head: Head<'_>) -> bool {
        Path::of(head.path).is_some()
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        match Path::of(head.path) {
            Some(path) => Matched { operation: path.operation(), route: path.route().into() },
            None if is_catalogue(head.path) => {
                Matched { operation: Operation::Models, route: "/foundation-models".into() }
            }
            None => OpenAi.matched(head),
        }
    }

    fn may_splice(&self, operation: Operation, head: Head<'_>) -> bool {
        OpenAi.may_splice(operation, head)
    }

    fn splice(&self, body: &[u8]) -> Option<Splice> {
        OpenAi.splice(body)
    }

    fn refuses_splice(&self, status: StatusCode, body: &[u8]) -> bool {
        OpenAi.refuses_splice(status, body)
    }

    fn filter(&self) -> Box<dyn Filter> {
        OpenAi.filter()
    }

    /// `{"__type", "message"}`: the type is looked for here where no header tells it.
    fn error_body(&self, status: StatusCode, kind: &str, message: &str) -> Bytes {
        let exception = match status.as_u16() {
            401 | 403 => "AccessDeniedException",
            404 => "ResourceNotFoundException",
            408 | 504 => "ModelTimeoutException",
            429 => "ThrottlingException",
            500 => "InternalServerException",
            501.. => "ServiceUnavailableException",
            _ => "ValidationException",
        };
        let (message, kind) = (quoted(message), quoted(kind));
        Bytes::from(format!(r#"{{"__type":"{exception}","message":{message},"reason":{kind}}}"#))
    }
}

impl Provider for Bedrock {
    /// Every region is a host of its own.
    fn upstream(&self) -> Option<&'static str> {
        None
    }

    fn price_id(&self) -> Option<&'static str> {
        Some("aws")
    }

    fn reader(&self, head: Head<'_>) -> Option<&'static dyn Reader> {
        match Path::of(head.path) {
            Some(path) => path.reader(),
            None => openai::reader(head),
        }
    }

    fn read_headers(&self, told: &HeaderMap, into: &mut Response) {
        headers::read(told, into);
        let text = |name: &str| told.get(name).and_then(|value| value.to_str().ok());
        let latency = text("x-amzn-bedrock-invocation-latency").and_then(|text| text.parse().ok());
        converse::took(latency, into);
        if let Some(exception) = text("x-amzn-errortype") {
            let kind = Some(exception_name(exception));
            into.error = Some(ProviderError { kind, ..ProviderError::default() });
        }
    }

    /// What stands before the service itself writes names in its own way.
    fn read_error(&self, body: Json<'_>, into: &mut Response) {
        let error = into.error.get_or_insert_default();
        error.message = error.message.take().or_else(|| body.get("Message").kept(2048));
        let kind = body.get("__type").text().map(|written| exception_name(&written));
        error.kind = error.kind.take().or(kind);
    }

    fn classify(&self, _response: &Response, error: &ProviderError) -> Option<Category> {
        let kind = error.kind.as_deref().unwrap_or_default().to_ascii_lowercase();
        let message = error.message.as_deref().unwrap_or_default().to_ascii_lowercase();
        let is = |words: &[&str]| words.iter().any(|word| kind.starts_with(word));
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        match () {
            () if is(&["incompletesignature", "missingauthentication", "notauthorizedtoken"]) => {
                Some(Category::Auth)
            }
            () if says(&["bearer token", "api key", "security token", "signature"])
                && is(&["accessdenied", "unrecognized", "expired", "invalidsignature"])
                || says(&["bearer token", "api key"]) && kind.is_empty() =>
            {
                Some(Category::Auth)
            }
            () if says(&["could not resolve the foundation model"]) => {
                Some(Category::ModelNotFound)
            }
            () if is(&["modelerror", "modelstreamerror"]) => Some(Category::ServerError),
            () => None,
        }
    }

    fn read_usage(&self, headers: &HeaderMap, into: &mut Usage) {
        usage::of_headers(headers, into);
    }
}

/// Models are listed by a sister service, on a host of its own.
fn is_catalogue(path: &str) -> bool {
    path.starts_with("/foundation-models") || path.starts_with("/inference-profiles")
}

/// `ValidationException` of `com.amazon.coral#ValidationException:http://...`
fn exception_name(written: &str) -> String {
    let name = written.split(':').next().unwrap_or_default();
    clip(name.rsplit('#').next().unwrap_or_default().trim(), 64).to_owned()
}
