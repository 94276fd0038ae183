//! Ollama: its own API, a line of JSON per piece, and the compatible ones beside it.

mod words;

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tidegauge_core::{
    Dialect, Filter, Head, Matched, Operation, OutputType, Peek, Source, Splice, UsagePolicy,
};

use super::anthropic;
use super::openai::{self, OpenAi};
use super::plain::{self, Found};
use super::routes::{self, Route, any, post};
use crate::answer::{Answer, MAX_NAME};
use crate::field::Json;
use crate::provider::{Asked, Event, Provider, Reader, Streams, peek};
use crate::splice::quoted;
use crate::transcript::Prompt;

/// How many stop sequences are kept.
const MAX_STOPS: usize = 16;

/// A server of one's own, or ollama.com.
#[derive(Debug)]
pub(crate) struct Ollama;

impl Dialect for Ollama {
    fn kind(&self) -> &'static str {
        "ollama"
    }

    fn provider(&self) -> &'static str {
        "ollama"
    }

    fn claims(&self, head: Head<'_>) -> bool {
        let path = head.path.strip_prefix('/');
        ROUTES.iter().any(|row| path == Some(row.pattern) && row.operation != Operation::Other)
    }

    fn peek(&self, head: Head<'_>, body: &[u8]) -> Option<Peek> {
        peek(self, head, body)
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        find(head).map_or_else(routes::unknown, |(matched, _)| matched)
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

    /// `{"error": "text"}`: its own clients expect a string where others expect an object.
    fn error_body(&self, _status: StatusCode, kind: &str, message: &str) -> Bytes {
        let error = quoted(&format!("{kind}: {message}"));
        Bytes::from(format!(r#"{{"error":{error}}}"#))
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
    any("api/version", Operation::Other),
    any("api/pull", Operation::Other),
    any("api/push", Operation::Other),
    any("api/create", Operation::Other),
    any("api/copy", Operation::Other),
    any("api/delete", Operation::Other),
];

/// `POST /api/chat` and `/api/generate`: they differ in where the text stands.
struct Generate;

impl Reader for Generate {
    fn streams(&self) -> Streams {
        Streams::Lines
    }

    /// A stream is what one gets unless one declines.
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Prompt) {
        into.request.model = body.get("model").kept(MAX_NAME);
        into.request.stream = body.is_object() && body.get("stream").bool() != Some(false);
        into.request.messages = body.get("messages").len();
        into.request.tools = body.get("tools").len();
        into.request.reasoning_level = body.get("think").kept(64);
        let options = body.get("options");
        into.request.max_tokens = options.get("num_predict").size();
        into.request.temperature = options.get("temperature").float();
        into.request.top_p = options.get("top_p").float();
        into.request.top_k = options.get("top_k").size();
        into.request.seed = options.get("seed").integer();
        into.request.presence_penalty = options.get("presence_penalty").float();
        into.request.frequency_penalty = options.get("frequency_penalty").float();
        let stops = options.get("stop").items().take(MAX_STOPS);
        into.request.stop_sequences = stops.filter_map(|stop| stop.kept(MAX_NAME)).collect();
        let format = body.get("format");
        if format.is("json") || format.is_object() {
            into.request.output_type = Some(OutputType::Json);
        }
        words::write_prompt(body, into);
    }

    /// Tool calls come whole and are not repeated; the counts come with the last line.
    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        let message = body.get("message");
        into.model(body.get("model"));
        into.role(0, message.get("role"));
        into.reasoning(0, None, message.get("thinking"));
        into.reasoning(0, None, body.get("thinking"));
        into.text(0, None, message.get("content"));
        into.text(0, None, body.get("response"));
        for call in message.get("tool_calls").items() {
            let function = call.get("function");
            let (name, arguments) = (function.get("name"), function.get("arguments"));
            into.whole_call(0, call.get("id"), name, arguments);
        }
        if body.get("done").bool() == Some(true) {
            into.ended = true;
            let reason = body.get("done_reason");
            into.finish(0, reason);
            // Without a prompt a model is merely loaded or let go.
            into.pending |= reason.is("load") || reason.is("unload");
        }
        read_counts(body, into);
    }
}

/// `POST /api/embed` and the older `/api/embeddings`
struct Embed;

impl Reader for Embed {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Prompt) {
        into.request.model = body.get("model").kept(MAX_NAME);
        into.request.dimensions = body.get("dimensions").size();
        let input = body.get("input");
        into.request.messages = input.len().or_else(|| input.has_text().then_some(1));
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.model(body.get("model"));
        let vector = body.get("embeddings").items().next().unwrap_or(body.get("embedding"));
        into.response.dimensions = vector.len();
        into.response.output = vector.len().is_some_and(|length| length > 0);
        read_counts(body, into);
    }
}

/// A prompt that was cached whole is not counted by older servers.
fn read_counts(body: Json<'_>, into: &mut Answer) {
    let mut odd = false;
    let mut count = |name: &str| body.get(name).count(&mut odd);
    let usage = &mut into.usage;
    usage.input = count("prompt_eval_count").or(usage.input);
    usage.output = count("eval_count").or(usage.output);
    let nanoseconds = count("total_duration");
    usage.odd |= odd;
    if usage.is_known() {
        usage.source = Source::Provider;
    }
    into.response.processing = nanoseconds.map(Duration::from_nanos).or(into.response.processing);
}
