//! Azure OpenAI and AI Foundry: OpenAI's formats under deployments, with the results of filters.

use bytes::Bytes;
use http::StatusCode;
use tidegauge_core::{Dialect, Filter, Head, Matched, Operation, Request, Splice, UsagePolicy};

use super::anthropic::Anthropic;
use super::openai::{self, OpenAi, chat, completions, embeddings, images};
use super::routes;
use crate::answer::{Answer, MAX_NAME};
use crate::field::{Json, clip};
use crate::percent;
use crate::provider::{Asked, Event, Provider, Reader};

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
        if is_anthropic(head) { Anthropic.matched(head) } else { OpenAi.matched(head) }
    }

    fn may_splice(&self, operation: Operation, head: Head<'_>) -> bool {
        let old = version(head).is_some_and(|version| version < USAGE_SINCE);
        !old && !is_anthropic(head) && OpenAi.may_splice(operation, head)
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

    fn reader(&self, head: Head<'_>) -> Option<&'static dyn Reader> {
        if is_anthropic(head) {
            return Anthropic.reader(head);
        }
        let end = head.path.trim_end_matches('/');
        match () {
            () if end.ends_with("/chat/completions") => Some(&Deployed(chat::Chat)),
            () if end.ends_with("/completions") => Some(&Deployed(completions::Completions)),
            () if end.ends_with("/embeddings") => Some(&Deployed(embeddings::Embeddings)),
            () if end.ends_with("/images/generations") => Some(&Deployed(images::Images)),
            () => openai::reader(head),
        }
    }
}

/// Foundry serves Anthropic's models under their own API.
fn is_anthropic(head: Head<'_>) -> bool {
    routes::segments(head.path).next() == Some("anthropic")
}

/// `api-version`: a date, perhaps with `-preview`. The newer surface needs none.
fn version<'a>(head: Head<'a>) -> Option<&'a str> {
    let mut parameters = head.query?.split('&');
    parameters.find_map(|parameter| parameter.strip_prefix("api-version="))
}

/// An API of OpenAI's where a deployment may stand for the model.
struct Deployed<R>(R);

impl<R: Reader> Reader for Deployed<R> {
    fn api(&self) -> Option<&'static str> {
        self.0.api()
    }

    fn has_terminator(&self) -> bool {
        self.0.has_terminator()
    }

    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        self.0.read_request(head, body, into);
        into.model = into.model.take().or_else(|| deployment(&head.path));
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        self.0.read_event(event, into);
        into.response.content_filter |= event.data.get("choices").items().any(filtered);
    }
}

/// The name of the deployment, which is often the model's.
fn deployment(path: &str) -> Option<String> {
    let mut segments = routes::segments(path).skip_while(|segment| *segment != "deployments");
    let name = percent::decode(segments.nth(1)?);
    Some(clip(&name, MAX_NAME).to_owned())
}

/// Whether a filter took something out of a choice; it may also merely have an opinion.
fn filtered(choice: Json<'_>) -> bool {
    let removed = |result: Json<'_>| result.get("filtered").bool() == Some(true);
    choice.get("content_filter_results").members().any(|(_, result)| removed(result))
}
