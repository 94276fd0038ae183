//! Azure OpenAI and AI Foundry: OpenAI's formats under deployments, with the results of filters.

use bytes::Bytes;
use http::StatusCode;
use tidegauge_core::{
    Category, Dialect, Filter, Head, Matched, Operation, Peek, ProviderError, Response, Splice,
    UsagePolicy,
};

use super::anthropic;
use super::openai::{self, OpenAi};
use super::plain::Found;
use super::routes;
use crate::provider::{Provider, Reader, SocketReader, peek};

/// The first version of the API that can be asked for usage in a stream.
const USAGE_SINCE: &str = "2024-09-01";

/// A resource of Azure's. Its host must be configured.
#[derive(Debug)]
pub(crate) struct Azure;

impl Dialect for Azure {
    fn kind(&self) -> &'static str {
        "azure"
    }

    fn provider(&self) -> &'static str {
        "azure.ai.openai"
    }

    fn claims(&self, head: Head<'_>) -> bool {
        let mut segments = routes::segments(head.path);
        segments.next() == Some("openai") && segments.next() == Some("deployments")
    }

    fn peek(&self, head: Head<'_>, body: &[u8]) -> Option<Peek> {
        peek(self, head, body)
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        find(head).map_or_else(routes::unknown, |(matched, _)| matched)
    }

    fn may_splice(&self, operation: Operation, head: Head<'_>) -> bool {
        let old = version(head).is_some_and(|version| version < USAGE_SINCE);
        !old && OpenAi.may_splice(operation, head)
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

    fn error_body(&self, _status: StatusCode, kind: &str, message: &str) -> Bytes {
        openai::error_body(kind, message)
    }
}

impl Provider for Azure {
    fn upstream(&self) -> Option<&'static str> {
        None
    }

    fn usage(&self) -> UsagePolicy {
        UsagePolicy::Inject
    }

    fn price_id(&self) -> Option<&'static str> {
        Some("azure")
    }

    fn names_surfaces(&self) -> bool {
        true
    }

    fn classify(&self, _response: &Response, error: &ProviderError) -> Option<Category> {
        let unknown = error.code.as_deref().is_some_and(|code| code == "unknown_model");
        unknown.then_some(Category::ModelNotFound)
    }

    fn reader(&self, head: Head<'_>) -> Option<&'static dyn Reader> {
        find(head).and_then(|(_, reader)| reader)
    }

    fn socket(&self, head: Head<'_>) -> Option<&'static dyn SocketReader> {
        openai::socket(head)
    }
}

/// OpenAI's APIs; Foundry serves Anthropic's models under their own.
fn find(head: Head<'_>) -> Option<Found> {
    openai::find(head).or_else(|| anthropic::find(head))
}

/// `api-version`: a date, perhaps with `-preview`. The newer surface needs none.
fn version<'a>(head: Head<'a>) -> Option<&'a str> {
    let mut parameters = head.query?.split('&');
    parameters.find_map(|parameter| parameter.strip_prefix("api-version="))
}
