//! Ollama: its own API, with one JSON value a line, beside the OpenAI-compatible one.

use bytes::Bytes;
use http::{Method, StatusCode};
use tidegauge_core::{
    Dialect, Filter, Head, Matched, Operation, OutputType, Request, Splice, UsagePolicy,
};

use super::anthropic;
use super::openai::{self, OpenAi};
use super::plain::{self, Found};
use super::routes::{self, Route};
use crate::answer::{Answer, MAX_NAME};
use crate::field::Json;
use crate::figures::Figures;
use crate::provider::{Asked, Event, Provider, Reader};

/// An Ollama server.
#[derive(Debug)]
pub(crate) struct Ollama;

impl Dialect for Ollama {
    fn kind(&self) -> &'static str {
        "ollama"
    }

    fn provider(&self) -> &'static str {
        "ollama"
    }

    fn claims(&self, _head: Head<'_>) -> bool {
        false
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        find(head).map_or_else(routes::unknown, |(matched, _)| matched)
    }

    fn may_splice(&self, operation: Operation, head: Head<'_>) -> bool {
        openai::may_splice(operation, head)
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

impl Provider for Ollama {
    fn upstream(&self) -> Option<&'static str> {
        Some("http://127.0.0.1:11434")
    }

    fn usage(&self) -> UsagePolicy {
        UsagePolicy::Inject
    }

    fn public(&self) -> bool {
        false
    }

    fn reader(&self, head: Head<'_>) -> Option<&'static dyn Reader> {
        find(head).and_then(|(_, reader)| reader)
    }
}

/// Its own API, and the two it imitates.
fn find(head: Head<'_>) -> Option<Found> {
    plain::by_table(ROUTES, head).or_else(|| openai::find(head)).or_else(|| anthropic::find(head))
}

static ROUTES: &[Route] = &[
    post("api/chat", Operation::Chat, &Generate),
    post("api/generate", Operation::TextCompletion, &Generate),
    post("api/embed", Operation::Embeddings, &Embed),
    post("api/embeddings", Operation::Embeddings, &Embed),
    any("api/tags", Operation::Models),
    any("api/ps", Operation::Models),
    any("api/show", Operation::Models),
];

const fn post(pattern: &'static str, operation: Operation, reader: &'static dyn Reader) -> Route {
    Route { method: Some(Method::POST), pattern, operation, reader: Some(reader) }
}

const fn any(pattern: &'static str, operation: Operation) -> Route {
    Route { method: None, pattern, operation, reader: None }
}

/// `POST /api/chat` and `POST /api/generate`
struct Generate;

impl Reader for Generate {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Request) {
        into.model = body.get("model").kept(MAX_NAME);
        into.stream = body.get("stream").bool().unwrap_or(body.exists());
        into.messages = body.get("messages").len();
        into.tools = body.get("tools").len();
        let format = body.get("format");
        into.output_type = (format.is("json") || format.is_object()).then_some(OutputType::Json);
        let options = body.get("options");
        into.max_tokens = options.get("num_predict").size();
        into.temperature = options.get("temperature").float();
        into.top_p = options.get("top_p").float();
        into.top_k = options.get("top_k").size();
        into.seed = options.get("seed").integer();
        let stops = options.get("stop").items().take(16);
        into.stop_sequences = stops.filter_map(|stop| stop.kept(MAX_NAME)).collect();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let line = event.data;
        into.model(line.get("model"));
        into.text(line.get("response"));
        into.reasoning(line.get("thinking"));
        let message = line.get("message");
        into.text(message.get("content"));
        into.reasoning(message.get("thinking"));
        for call in message.get("tool_calls").items() {
            into.whole_call(call.get("function").get("arguments"));
        }
        if line.get("done").bool() == Some(true) {
            into.ended = true;
            into.finish(0, line.get("done_reason"));
            read_counts(line, into);
        }
    }
}

/// Counts are absent when the prompt was cached, which is not zero.
fn read_counts(line: Json<'_>, into: &mut Answer) {
    let mut odd = false;
    let input = line.get("prompt_eval_count").count(&mut odd);
    let output = line.get("eval_count").count(&mut odd);
    if input.is_some() || output.is_some() {
        Figures { input, output, odd, ..Figures::default() }.fill(&mut into.usage);
    }
}

/// `POST /api/embed`
struct Embed;

impl Reader for Embed {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Request) {
        into.model = body.get("model").kept(MAX_NAME);
        into.dimensions = body.get("dimensions").size();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.model(body.get("model"));
        let first = body.get("embeddings").items().next().unwrap_or(body.get("embedding"));
        into.response.output |= first.is_array();
        into.response.dimensions = first.len();
        read_counts(body, into);
    }
}
