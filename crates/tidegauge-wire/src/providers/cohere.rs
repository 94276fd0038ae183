//! Cohere: two generations of chat, vectors, ranking, and a compatible API beside them.

mod words;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tidegauge_core::{
    Billed, Bucket, Category, Dialect, Head, Matched, Operation, OutputType, Peek, ProviderError,
    RateLimit, Request, Response, Source,
};

use super::headers;
use super::openai::{self, audio};
use super::plain::{self, Found};
use super::routes::{self, Route, any, post};
use crate::answer::{Answer, MAX_NAME};
use crate::field::Json;
use crate::figures::Figures;
use crate::provider::{Asked, Event, Provider, Reader, Streams, peek};
use crate::splice::quoted;
use crate::transcript::Prompt;

/// How many stop sequences are kept.
const MAX_STOPS: usize = 16;
/// How much of an error text is kept.
const MAX_MESSAGE: usize = 2048;

/// api.cohere.com.
#[derive(Debug)]
pub(crate) struct Cohere;

impl Dialect for Cohere {
    fn kind(&self) -> &'static str {
        "cohere"
    }

    fn provider(&self) -> &'static str {
        "cohere"
    }

    /// Ranking and vectors under `/v2` are served by others too.
    fn claims(&self, head: Head<'_>) -> bool {
        head.path == "/v2/chat"
    }

    fn peek(&self, head: Head<'_>, body: &[u8]) -> Option<Peek> {
        peek(self, head, body)
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        find(head).map_or_else(routes::unknown, |(matched, _)| matched)
    }

    /// `{"id", "message"}`
    fn error_body(&self, _status: StatusCode, kind: &str, message: &str) -> Bytes {
        let (kind, message) = (quoted(kind), quoted(message));
        Bytes::from(format!(r#"{{"id":"","message":{message},"error_type":{kind}}}"#))
    }
}

impl Provider for Cohere {
    fn upstream(&self) -> Option<&'static str> {
        Some("https://api.cohere.com")
    }

    fn price_id(&self) -> Option<&'static str> {
        Some("cohere")
    }

    fn reader(&self, head: Head<'_>) -> Option<&'static dyn Reader> {
        find(head).and_then(|(_, reader)| reader)
    }

    fn read_headers(&self, told: &HeaderMap, into: &mut Answer) {
        headers::read(told, &mut into.response);
        let number = |name: &str| told.get(name)?.to_str().ok()?.trim().parse().ok();
        let limit = number("x-trial-endpoint-call-limit");
        let remaining = number("x-trial-endpoint-call-remaining");
        if limit.is_some() || remaining.is_some() {
            into.response.rate_limits.push(RateLimit {
                resource: "requests",
                limit,
                remaining,
                reset: None,
            });
        }
    }

    fn classify(&self, response: &Response, error: &ProviderError) -> Option<Category> {
        // "A request or response contains a deny-listed token."
        if response.status.is_some_and(|status| status.as_u16() == 498) {
            return Some(Category::ContentFilter);
        }
        // The model tried to call a tool and gave up: nothing came, and the error's type says why.
        if error.kind.as_deref() == Some("INVALID_TOOL_GENERATION") {
            return Some(Category::Empty);
        }
        // Also one that was removed.
        let model = error.message.as_deref().is_some_and(|text| text.starts_with("model '"));
        let missing = response.status == Some(StatusCode::NOT_FOUND);
        (missing && model).then_some(Category::ModelNotFound)
    }
}

/// Its own API, and the one it imitates.
fn find(head: Head<'_>) -> Option<Found> {
    plain::by_table(ROUTES, head).or_else(|| openai::find(head))
}

static ROUTES: &[Route] = &[
    post("v1/chat", Operation::Chat, &Chat),
    post("v2/chat", Operation::Chat, &Chat),
    post("v1/generate", Operation::TextCompletion, &Generate),
    post("v1/embed", Operation::Embeddings, &Embed),
    post("v2/embed", Operation::Embeddings, &Embed),
    post("v1/rerank", Operation::Rerank, &Rerank),
    post("v2/rerank", Operation::Rerank, &Rerank),
    post("v2/audio/transcriptions", Operation::Transcription, &audio::Transcription),
    post("v1/tokenize", Operation::CountTokens, &Tokenize),
    any("v1/detokenize", Operation::Other),
    any("v1/classify", Operation::Other),
    any("v1/summarize", Operation::Other),
    any("v1/embed-jobs", Operation::Batch),
    any("v1/embed-jobs/{id}", Operation::Batch),
    any("v1/datasets", Operation::Batch),
    any("v1/datasets/{id}", Operation::Batch),
];

/// `POST /v1/chat` and `/v2/chat`. Events of the first are told by `event_type`, of the second by
/// `type`.
struct Chat;

impl Reader for Chat {
    fn streams(&self) -> Streams {
        Streams::Lines
    }

    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Prompt) {
        read_sampling(body, &mut into.request);
        let turns = body.get("messages").len();
        // The first generation has the last turn apart from the others.
        let before = body.get("chat_history").len().unwrap_or(0);
        let last = body.get("message").has_text().then(|| before.saturating_add(1));
        into.request.messages = turns.or(last);
        into.request.tools = body.get("tools").len();
        if body.get("response_format").get("type").is("json_object") {
            into.request.output_type = Some(OutputType::Json);
        }
        words::write_prompt(body, into);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        let word = |name: &str| body.get(name).text().unwrap_or_default();
        match (&*word("event_type"), &*word("type")) {
            ("", "") if body.get("message").is_object() => {
                into.id(body.get("id"));
                read_message(body.get("message"), into);
                read_end(body, into);
            }
            ("", "") => {
                into.text(0, None, body.get("text"));
                read_answer(body, into);
            }
            ("", kind) => read_second(kind, body, into),
            (kind, _) => read_first(kind, body, into),
        }
    }
}

fn read_sampling(body: Json<'_>, into: &mut Request) {
    into.model = body.get("model").kept(MAX_NAME);
    into.stream = body.get("stream").bool().unwrap_or(false);
    into.max_tokens = body.get("max_tokens").size();
    into.temperature = body.get("temperature").float();
    into.top_p = body.get("p").float();
    into.top_k = body.get("k").size();
    into.seed = body.get("seed").integer();
    into.frequency_penalty = body.get("frequency_penalty").float();
    into.presence_penalty = body.get("presence_penalty").float();
    into.choices = body.get("num_generations").size();
    let stops = body.get("stop_sequences").items().take(MAX_STOPS);
    into.stop_sequences = stops.filter_map(|stop| stop.kept(MAX_NAME)).collect();
}

/// An event of the second generation.
fn read_second(kind: &str, body: Json<'_>, into: &mut Answer) {
    let delta = body.get("delta");
    let message = delta.get("message");
    let index = body.get("index").size();
    let call = message.get("tool_calls");
    let (name, arguments) =
        (call.get("function").get("name"), call.get("function").get("arguments"));
    match kind {
        "message-start" => {
            into.id(body.get("id"));
            into.role(0, message.get("role"));
        }
        "content-start" | "content-delta" => read_content(message.get("content"), index, into),
        "tool-plan-delta" => into.reasoning(0, None, message.get("tool_plan")),
        "tool-call-start" => into.call(0, index, call.get("id"), name, arguments),
        "tool-call-delta" => into.more_arguments(0, index, arguments),
        "message-end" => {
            read_end(delta, into);
            read_error(delta, into);
            into.ended = true;
        }
        _ => {}
    }
}

/// An event of the first generation. Its end carries the whole answer again.
fn read_first(kind: &str, body: Json<'_>, into: &mut Answer) {
    match kind {
        "stream-start" => into.id(body.get("generation_id")),
        "text-generation" => into.text(0, None, body.get("text")),
        "tool-calls-chunk" => into.token |= body.get("tool_call_delta").is_object(),
        "stream-end" => {
            let answer = body.get("response");
            into.repeat(None, |into| into.text(0, None, answer.get("text")));
            read_answer(answer, into);
            into.ended = true;
        }
        _ => {}
    }
}

/// A whole answer of the first generation, but for its text.
fn read_answer(answer: Json<'_>, into: &mut Answer) {
    into.id(answer.get("generation_id"));
    for call in answer.get("tool_calls").items() {
        into.whole_call(0, Json::ABSENT, call.get("name"), call.get("parameters"));
    }
    into.finish(0, answer.get("finish_reason"));
    read_usage(answer.get("meta"), into);
}

fn read_message(message: Json<'_>, into: &mut Answer) {
    into.role(0, message.get("role"));
    into.reasoning(0, None, message.get("tool_plan"));
    read_content(message.get("content"), None, into);
    for (place, part) in message.get("content").items().enumerate() {
        read_content(part, Some(place as u64), into);
    }
    for (place, call) in message.get("tool_calls").items().enumerate() {
        let function = call.get("function");
        let (name, arguments) = (function.get("name"), function.get("arguments"));
        into.call(0, Some(place as u64), call.get("id"), name, arguments);
    }
}

/// Content is text as it is, or a part that names its kind.
fn read_content(content: Json<'_>, index: Option<u64>, into: &mut Answer) {
    into.text(0, index, content);
    into.text(0, index, content.get("text"));
    into.reasoning(0, index, content.get("thinking"));
}

fn read_end(holder: Json<'_>, into: &mut Answer) {
    let reason = holder.get("finish_reason");
    into.finish(0, reason);
    if reason.is("TIMEOUT") {
        let kind = reason.kept(64);
        into.fail(Some(ProviderError { kind, ..ProviderError::default() }));
    }
    read_usage(holder.get("usage"), into);
}

/// A stream that fails says so in its last event.
fn read_error(delta: Json<'_>, into: &mut Answer) {
    let told = delta.get("error");
    if told.is_some() {
        let kind = delta.get("error_type").kept(64);
        let message = told.kept(MAX_MESSAGE);
        into.fail(Some(ProviderError { kind, code: None, message }));
    }
}

/// Tokens as the model saw them, and beside them what is billed; older answers only tell that.
/// Thinking is billed as output and left in it.
fn read_usage(told: Json<'_>, into: &mut Answer) {
    let mut odd = false;
    let mut count = |of: &str, name: &str| told.get(of).get(name).count(&mut odd);
    let seen = ["input_tokens", "output_tokens"].map(|name| count("tokens", name));
    let billed = ["input_tokens", "output_tokens"].map(|name| count("billed_units", name));
    let images = count("billed_units", "image_tokens").filter(|images| *images > 0);
    let searches = count("billed_units", "search_units");
    let cache_read = told.get("cached_tokens").count(&mut odd);
    let ([seen_input, seen_output], [billed_input, billed_output]) = (seen, billed);
    let (input, output) = (seen_input.or(billed_input), seen_output.or(billed_output));
    let usage = &mut into.usage;
    if input.is_some() || output.is_some() || images.is_some() {
        // Pictures are counted beside the text.
        let input = images.map_or(input, |images| Some(input.unwrap_or(0).saturating_add(images)));
        let figures =
            Figures { input, output, cache_read, input_image: images, ..Figures::default() };
        figures.fill(usage);
        usage.billed = bill(seen, billed);
    }
    if let Some(searches) = searches {
        usage.searches = Some(searches);
        usage.source = Source::Provider;
    }
    usage.odd |= odd;
}

/// A bill where one is told beside what the model saw: a side of which only one is told is billed as
/// that.
fn bill(seen: [Option<u64>; 2], billed: [Option<u64>; 2]) -> Vec<Billed> {
    let told_apart =
        seen.iter().zip(&billed).any(|(seen, billed)| seen.is_some() && billed.is_some());
    if !told_apart {
        return Vec::new();
    }
    let sides = [Bucket::Input, Bucket::Output].into_iter().zip(billed.into_iter().zip(seen));
    let tokens = sides.filter_map(|(side, (billed, seen))| Some((side, billed.or(seen)?)));
    vec![Billed { model: None, tokens: tokens.collect() }]
}

/// `POST /v1/generate`: retired; its texts, figures and end are read.
struct Generate;

impl Reader for Generate {
    fn streams(&self) -> Streams {
        Streams::Lines
    }

    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Prompt) {
        read_sampling(body, &mut into.request);
        into.text("user", body.get("prompt"));
    }

    /// The end of a stream carries the whole answer again.
    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        into.text(0, None, event.data.get("text"));
        into.ended |= event.data.get("event_type").is("stream-end");
        let inner = event.data.get("response");
        let answer = if inner.is_object() { inner } else { event.data };
        into.id(answer.get("id"));
        for (place, generation) in answer.get("generations").items().enumerate() {
            let choice = place as u64;
            if inner.is_object() {
                into.repeat(None, |into| into.text(choice, None, generation.get("text")));
            } else {
                into.text(choice, None, generation.get("text"));
            }
            into.close_as(choice, generation.get("finish_reason"));
        }
        read_usage(answer.get("meta"), into);
    }
}

/// `POST /v1/embed` and `/v2/embed`
struct Embed;

impl Reader for Embed {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Prompt) {
        into.request.model = body.get("model").kept(MAX_NAME);
        into.request.dimensions = body.get("output_dimension").size();
        let several = ["texts", "images", "inputs"].iter();
        into.request.messages =
            several.filter_map(|name| body.get(name).len()).reduce(u64::saturating_add);
        let types = body.get("embedding_types").items().take(8);
        into.request.encoding_formats = types.filter_map(|kind| kind.kept(64)).collect();
    }

    /// Vectors stand in one list, or in one for each type that was asked for.
    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.id(body.get("id"));
        let vectors = body.get("embeddings");
        let of_type = vectors.members().next().map_or(vectors, |(_, of_type)| of_type);
        into.response.output |= of_type.is_some();
        into.response.dimensions = of_type.items().next().and_then(Json::len);
        read_usage(body.get("meta"), into);
    }
}

/// `POST /v1/rerank` and `/v2/rerank`: billed by searches.
struct Rerank;

impl Reader for Rerank {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Prompt) {
        into.request.model = body.get("model").kept(MAX_NAME);
        into.request.messages = body.get("documents").len();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.id(body.get("id"));
        into.response.output |= body.get("results").items().next().is_some();
        read_usage(body.get("meta"), into);
    }
}

/// `POST /v1/tokenize`
struct Tokenize;

impl Reader for Tokenize {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Prompt) {
        into.request.model = body.get("model").kept(MAX_NAME);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        into.response.counted_tokens = event.data.get("tokens").len();
    }
}
