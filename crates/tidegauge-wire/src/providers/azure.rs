//! Azure OpenAI and AI Foundry: OpenAI's formats under deployments, with the results of filters.

use bytes::Bytes;
use http::StatusCode;
use tidegauge_core::{
    Category, Dialect, Filter, Head, Matched, Operation, ProviderError, Request, Response, Splice,
    UsagePolicy,
};

use super::anthropic;
use super::openai::{self, OpenAi, chat, completions};
use super::plain::Found;
use super::routes;
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Provider, Reader, SocketReader, Streams};
use crate::transcript::Prompt;

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
        let end = head.path.trim_end_matches('/');
        match () {
            () if end.ends_with("/chat/completions") => Some(&Filtered(chat::Chat)),
            () if end.ends_with("/completions") => Some(&Filtered(completions::Completions)),
            () => find(head).and_then(|(_, reader)| reader),
        }
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

/// An API of OpenAI's whose choices say what filters thought of them.
struct Filtered<R>(R);

impl<R: Reader> Reader for Filtered<R> {
    fn api(&self) -> Option<&'static str> {
        self.0.api()
    }

    fn has_terminator(&self) -> bool {
        self.0.has_terminator()
    }

    fn streams(&self) -> Streams {
        self.0.streams()
    }

    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        self.0.read_request(head, body, into);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        self.0.read_event(event, into);
        into.response.content_filter |= event.data.get("choices").items().any(filtered);
    }

    fn write_prompt(&self, body: Json<'_>, into: &mut Prompt) {
        self.0.write_prompt(body, into);
    }
}

/// Whether a filter took something out of a choice; it may also merely have an opinion.
fn filtered(choice: Json<'_>) -> bool {
    let removed = |result: Json<'_>| result.get("filtered").bool() == Some(true);
    choice.get("content_filter_results").members().any(|(_, result)| removed(result))
}
