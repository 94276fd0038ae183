//! Amazon Bedrock: one API of its own, and other vendors' bodies wrapped. The model stands in the
//! path and nowhere else.

mod converse;
mod count;
mod errors;
mod invoke;
mod path;
mod usage;
mod words;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tidegauge_core::{Category, Dialect, Head, Matched, Operation, Peek, ProviderError, Response};

use self::path::Path;
use super::headers;
use super::openai::OpenAi;
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Provider, Reader, peek};

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

    fn peek(&self, head: Head<'_>, body: &[u8]) -> Option<Peek> {
        peek(self, head, body)
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

    fn error_body(&self, status: StatusCode, kind: &str, message: &str) -> Bytes {
        errors::body(status, kind, message)
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
            None => OpenAi.reader(head),
        }
    }

    fn read_headers(&self, told: &HeaderMap, into: &mut Answer) {
        headers::read(told, &mut into.response);
        usage::of_headers(told, &mut into.usage);
        let text = |name: &str| told.get(name).and_then(|value| value.to_str().ok());
        let latency = text("x-amzn-bedrock-invocation-latency").and_then(|text| text.parse().ok());
        converse::took(latency, &mut into.response);
        if let Some(exception) = text("x-amzn-errortype") {
            let kind = Some(errors::name(exception));
            into.fail(Some(ProviderError { kind, ..ProviderError::default() }));
        }
    }

    fn read_error(&self, body: Json<'_>, into: &mut Response) {
        errors::read(body, into);
    }

    fn classify(&self, _response: &Response, error: &ProviderError) -> Option<Category> {
        errors::classify(error)
    }
}

/// Models are listed by a sister service, on a host of its own.
fn is_catalogue(path: &str) -> bool {
    path.starts_with("/foundation-models") || path.starts_with("/inference-profiles")
}
