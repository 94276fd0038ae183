//! Cohere: chat in two versions, generation, embeddings, reranking.

use http::Method;
use tidegauge_core::{Operation, Request};

use super::openai::{self, audio::Transcription};
use super::plain::{self, Plain};
use super::routes::Route;
use crate::answer::{Answer, MAX_NAME};
use crate::field::Json;
use crate::figures::Figures;
use crate::provider::{Asked, Event, Reader};

/// api.cohere.com.
pub(crate) static COHERE: Plain = Plain {
    kind: "cohere",
    provider: "cohere",
    upstream: Some("https://api.cohere.com"),
    price_id: Some("cohere"),
    client_variable: None,
    claims: |_| false,
    find: |head| plain::by_table(ROUTES, head).or_else(|| openai::find(head)),
    error_body: |_, kind, message| openai::error_body(kind, message),
    read_headers: |_, _| {},
};

static ROUTES: &[Route] = &[
    post("v2/chat", Operation::Chat, &Chat),
    post("chat", Operation::Chat, &ChatV1),
    post("generate", Operation::TextCompletion, &Generate),
    post("embed", Operation::Embeddings, &Embed),
    post("rerank", Operation::Rerank, &Rerank),
    post("audio/transcriptions", Operation::Transcription, &Transcription),
    any("tokenize", Operation::Other),
    any("embed-jobs", Operation::Batch),
    any("embed-jobs/{id}", Operation::Batch),
    any("models", Operation::Models),
    any("models/{*}", Operation::Models),
];

const fn post(pattern: &'static str, operation: Operation, reader: &'static dyn Reader) -> Route {
    Route { method: Some(Method::POST), pattern, operation, reader: Some(reader) }
}

const fn any(pattern: &'static str, operation: Operation) -> Route {
    Route { method: None, pattern, operation, reader: None }
}

fn read_common(body: Json<'_>, into: &mut Request) {
    into.model = body.get("model").kept(MAX_NAME);
    into.stream = body.get("stream").bool().unwrap_or(false);
    into.max_tokens = body.get("max_tokens").size();
    into.temperature = body.get("temperature").float();
    into.top_p = body.get("p").float();
    into.top_k = body.get("k").size();
    into.seed = body.get("seed").integer();
    into.frequency_penalty = body.get("frequency_penalty").float();
    into.presence_penalty = body.get("presence_penalty").float();
    into.tools = body.get("tools").len();
}

/// `tokens` is what the model saw, `billed_units` what is paid; the first is told if it is there.
fn read_usage(told: Json<'_>, into: &mut Answer) {
    let mut odd = false;
    let (tokens, billed) = (told.get("tokens"), told.get("billed_units"));
    let mut count = |name: &str| {
        let seen = tokens.get(name).count(&mut odd);
        seen.or_else(|| billed.get(name).count(&mut odd))
    };
    let (input, output) = (count("input_tokens"), count("output_tokens"));
    let cache_read = told.get("cached_tokens").count(&mut odd);
    if input.is_some() || output.is_some() {
        Figures { input, output, cache_read, odd, ..Figures::default() }.fill(&mut into.usage);
    }
    into.usage.searches = billed.get("search_units").size().or(into.usage.searches);
}

/// `POST /v2/chat`
struct Chat;

impl Reader for Chat {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Request) {
        read_common(body, into);
        into.messages = body.get("messages").len();
        let stops = body.get("stop_sequences").items().take(16);
        into.stop_sequences = stops.filter_map(|stop| stop.kept(MAX_NAME)).collect();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.id(body.get("id"));
        let delta = if event.stream { body.get("delta") } else { body };
        let message = delta.get("message");
        into.reasoning(message.get("tool_plan"));
        read_content(message.get("content"), into);
        message.get("content").items().for_each(|part| read_content(part, into));
        for call in message.get("tool_calls").items() {
            into.whole_call(call.get("function").get("arguments"));
        }
        read_call_piece(body, message.get("tool_calls"), into);
        into.finish(0, delta.get("finish_reason"));
        read_usage(delta.get("usage"), into);
    }
}

fn read_content(part: Json<'_>, into: &mut Answer) {
    into.text(part.get("text"));
    into.reasoning(part.get("thinking"));
}

/// In a stream a call begins with one event, and its arguments follow in others.
fn read_call_piece(event: Json<'_>, call: Json<'_>, into: &mut Answer) {
    let arguments = call.get("function").get("arguments");
    let index = event.get("index").size();
    if event.get("type").is("tool-call-start") {
        into.call(0, index, call.get("id"), arguments);
    } else if event.get("type").is("tool-call-delta") {
        into.more_arguments(0, index, arguments);
    }
}

/// `POST /v1/chat`
struct ChatV1;

impl Reader for ChatV1 {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Request) {
        read_common(body, into);
        let history = body.get("chat_history").len().unwrap_or(0);
        into.messages = body.get("message").exists().then_some(history + 1);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let line = event.data;
        into.id(line.get("generation_id"));
        into.text(line.get("text"));
        let whole = if event.stream { line.get("response") } else { line };
        into.finish(0, whole.get("finish_reason"));
        for call in whole.get("tool_calls").items() {
            into.whole_call(call.get("parameters"));
        }
        read_usage(whole.get("meta"), into);
        into.ended |= line.get("is_finished").bool() == Some(true);
    }
}

/// `POST /v1/generate`: long deprecated.
struct Generate;

impl Reader for Generate {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Request) {
        read_common(body, into);
        into.choices = body.get("num_generations").size();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let line = event.data;
        into.text(line.get("text"));
        let whole = if event.stream { line.get("response") } else { line };
        into.id(whole.get("id"));
        whole.get("generations").items().for_each(|made| into.text(made.get("text")));
        read_usage(whole.get("meta"), into);
        into.ended |= line.get("is_finished").bool() == Some(true);
    }
}

/// `POST /v1/embed` and `/v2/embed`
struct Embed;

impl Reader for Embed {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Request) {
        read_common(body, into);
        into.messages = body.get("texts").len().or_else(|| body.get("inputs").len());
        into.dimensions = body.get("output_dimension").size();
        let formats = body.get("embedding_types").items().take(8);
        into.encoding_formats = formats.filter_map(|format| format.kept(64)).collect();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.id(body.get("id"));
        let made = body.get("embeddings");
        let by_type = made.members().next().map(|(_, vectors)| vectors);
        let first = by_type.unwrap_or(made).items().next();
        into.response.output |= first.is_some();
        into.response.dimensions = first.and_then(Json::len);
        read_usage(body.get("meta"), into);
    }
}

/// `POST /v1/rerank` and `/v2/rerank`
struct Rerank;

impl Reader for Rerank {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Request) {
        read_common(body, into);
        into.messages = body.get("documents").len();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.id(body.get("id"));
        into.response.output |= body.get("results").items().next().is_some();
        read_usage(body.get("meta"), into);
    }
}
