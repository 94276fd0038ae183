//! Anthropic: Messages and their stream, token counting, batches, and the legacy completions.

mod words;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, StatusCode};
use tidegauge_core::{Billed, Bucket, Head, Labels, Operation, OutputType, Source, Usage};

use super::openai;
use super::plain::{self, Found, Plain};
use super::results;
use super::routes::{Route, any, post};
use crate::answer::{Answer, MAX_NAME};
use crate::failure;
use crate::field::{Doc, Json, clip};
use crate::provider::{Asked, Event, Reader};
use crate::splice::quoted;
use crate::transcript::Prompt;

/// api.anthropic.com.
pub(crate) static ANTHROPIC: Plain = Plain {
    kind: "anthropic",
    provider: "anthropic",
    upstream: Some("https://api.anthropic.com"),
    price_id: Some("anthropic"),
    client_variable: Some(("ANTHROPIC_BASE_URL", "")),
    claims: |head| {
        let messages = head.path == "/v1/messages" || head.path.starts_with("/v1/messages/");
        messages || head.headers.contains_key("anthropic-version")
    },
    // The host serves OpenAI's chat beside its own API.
    find: |head| find(head).or_else(|| openai::find_chat(head)),
    error_body,
    read_headers: |_, _| {},
};

/// What a path of this API asks for, whoever serves it.
pub(crate) fn find(head: Head<'_>) -> Option<Found> {
    plain::by_table(ROUTES, head)
}

/// `{"type": "error", "error": {"type", "message"}, "request_id"}`
fn error_body(_status: StatusCode, kind: &str, message: &str) -> Bytes {
    let error = format!(r#"{{"type":{},"message":{}}}"#, quoted(kind), quoted(message));
    Bytes::from(format!(r#"{{"type":"error","error":{error},"request_id":null}}"#))
}

static ROUTES: &[Route] = &[
    post("messages", Operation::Chat, &Messages),
    post("messages/count_tokens", Operation::CountTokens, &CountTokens),
    post("complete", Operation::TextCompletion, &Complete),
    any("messages/batches", Operation::Batch),
    any("messages/batches/{id}", Operation::Batch),
    any("messages/batches/{id}/cancel", Operation::Batch),
    Route {
        method: Some(Method::GET),
        pattern: "messages/batches/{id}/results",
        operation: Operation::Batch,
        reader: Some(&results::FILE),
    },
    any("messages/batches/{id}/results", Operation::Batch),
    any("files", Operation::Batch),
    any("files/{id}", Operation::Batch),
    any("files/{id}/content", Operation::Batch),
    any("models", Operation::Models),
    any("models/{id}", Operation::Models),
];

/// "Tool use system prompt token count" of the provider's pricing page, for models of the fourth
/// generation where the model may choose.
const TOOL_FRAME: u64 = 346;

/// `POST /v1/messages`, also where other clouds serve it.
pub(crate) struct Messages;

impl Reader for Messages {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Prompt) {
        into.request.model = body.get("model").kept(MAX_NAME);
        into.request.stream = body.get("stream").bool().unwrap_or(false);
        into.request.max_tokens = body.get("max_tokens").size();
        into.request.temperature = body.get("temperature").float();
        into.request.top_p = body.get("top_p").float();
        into.request.top_k = body.get("top_k").size();
        into.request.service_tier = body.get("service_tier").kept(MAX_NAME);
        into.request.messages = body.get("messages").len();
        into.request.tools = body.get("tools").len();
        read_caller(body.get("metadata").get("user_id"), &mut into.request.labels);
        into.request.reasoning_level = body.get("output_config").get("effort").kept(64);
        let formatted = |holder: Json<'_>| holder.is_object();
        if formatted(body.get("output_config").get("format"))
            || formatted(body.get("output_format"))
        {
            into.request.output_type = Some(OutputType::Json);
        }
        let stops = body.get("stop_sequences").items().take(16);
        into.request.stop_sequences = stops.filter_map(|stop| stop.kept(MAX_NAME)).collect();
        into.request.tool_errors = body.get("messages").items().map(failed_tools).sum();
        into.tool_frame = TOOL_FRAME;
        words::write_prompt(body, into);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        if !event.stream {
            return read_message(body, into);
        }
        let kind = body.get("type").text().unwrap_or_default();
        match kind.as_ref() {
            "message_start" => read_message(body.get("message"), into),
            "content_block_start" => {
                let index = body.get("index").size();
                read_block(body.get("content_block"), index, Json::ABSENT, into);
            }
            "content_block_delta" => read_delta(body, into),
            "message_delta" => {
                read_stop(body.get("delta"), into);
                read_usage(body.get("usage"), into);
            }
            "message_stop" => into.ended = true,
            "error" => into.fail(failure::read(body)),
            _ => {}
        }
    }
}

/// Who calls: an id of the caller's, or the account, device and session that a coding agent writes
/// into it, as a JSON object or, in older versions, joined by their names.
fn read_caller(told: Json<'_>, into: &mut Labels) {
    let Some(text) = told.kept(MAX_CALLER) else { return };
    let mut doc = Doc::default();
    let parsed = text.starts_with('{') && doc.parse(text.as_bytes());
    let parts = doc.root(text.as_bytes());
    let session = parts.get("session_id").kept(MAX_NAME).filter(|_| parsed);
    if session.is_some() {
        let user =
            ["account_uuid", "device_id"].iter().find_map(|name| parts.get(name).kept(MAX_NAME));
        into.session = session;
        into.user = user;
    } else if let Some((device, account, session)) = joined(&text) {
        into.session = Some(session.to_owned());
        into.user = Some(if account.is_empty() { device } else { account }.to_owned());
    } else {
        into.user = Some(clip(&text, MAX_NAME).to_owned());
    }
}

/// How much of it is looked at.
const MAX_CALLER: usize = 1024;

/// `user_DEVICE_account_ACCOUNT_session_SESSION`
fn joined(text: &str) -> Option<(&str, &str, &str)> {
    let (device, rest) = text.strip_prefix("user_")?.split_once("_account_")?;
    let (account, session) =
        rest.split_once("_session_").or_else(|| Some(("", rest.strip_prefix("session_")?)))?;
    (!device.is_empty() && !session.is_empty()).then_some((device, account, session))
}

/// A tool result that says it failed.
fn failed_tools(message: Json<'_>) -> u64 {
    let failed = |part: &Json<'_>| {
        part.get("type").is("tool_result") && part.get("is_error").bool() == Some(true)
    };
    message.get("content").items().filter(failed).count() as u64
}

fn read_message(message: Json<'_>, into: &mut Answer) {
    into.role(0, message.get("role"));
    into.id(message.get("id"));
    into.model(message.get("model"));
    for (place, block) in message.get("content").items().enumerate() {
        read_block(block, Some(place as u64), block.get("input"), into);
    }
    read_stop(message, into);
    read_usage(message.get("usage"), into);
    into.service_tier(message.get("usage").get("service_tier"));
    // Another rate, whatever tier the capacity is of.
    if message.get("usage").get("speed").is("fast") {
        into.response.service_tier = Some("fast".to_owned());
    }
}

/// A content block: whole in a message, with the input of a tool call; its empty beginning in a
/// stream, where that comes in pieces.
fn read_block(block: Json<'_>, index: Option<u64>, input: Json<'_>, into: &mut Answer) {
    let kind = block.get("type").text().unwrap_or_default();
    let (id, name) = (block.get("id"), block.get("name"));
    let given = block.get("input").members().next().is_some();
    match kind.as_ref() {
        "text" => into.text(0, index, block.get("text")),
        "thinking" => into.reasoning(0, index, block.get("thinking")),
        "tool_use" => {
            let input = if given { block.get("input") } else { input };
            into.call(0, index, id, name, input);
            into.token |= given;
        }
        "server_tool_use" | "mcp_tool_use" => {
            into.server_call(0, index, id, name, block.get("input"));
        }
        "" => {}
        kind => {
            // What a tool of the provider's own came to.
            let code = block.get("content").get("error_code");
            let failed = code.has_text() || block.get("is_error").bool() == Some(true);
            if kind.ends_with("_tool_result") && failed {
                into.bad_call();
            }
            into.response.output |= !matches!(kind, "redacted_thinking" | "fallback");
            into.part(0, |scribe| words::read_block(block, scribe));
        }
    }
}

fn read_delta(event: Json<'_>, into: &mut Answer) {
    let (delta, index) = (event.get("delta"), event.get("index").size());
    into.text(0, index, delta.get("text"));
    into.reasoning(0, index, delta.get("thinking"));
    into.more_arguments(0, index, delta.get("partial_json"));
}

fn read_stop(holder: Json<'_>, into: &mut Answer) {
    let reason = holder.get("stop_reason");
    into.finish(0, reason);
    into.pending |= reason.is("pause_turn");
}

/// The totals, and the steps that led to them.
fn read_usage(told: Json<'_>, into: &mut Answer) {
    if !told.is_object() {
        return;
    }
    let usage = &mut into.usage;
    read_totals(told, usage);
    let region = told.get("inference_geo").kept(64).filter(|region| region != "not_available");
    usage.region = region.or(usage.region.take());
    let steps = told.get("iterations");
    if steps.is_shortened() {
        // Some steps would be a bill that is too low; so are the totals, but they are what was told.
        usage.odd = true;
    } else if steps.is_array() {
        read_steps(steps, into.response.model.as_deref(), usage);
    }
}

/// What each step of an answer used is billed. The totals leave out the steps that summed up the
/// conversation and those of models that helped; where they leave out nothing, they are the bill.
fn read_steps(steps: Json<'_>, model: Option<&str>, usage: &mut Usage) {
    let (mut bill, mut all) = (Usage::default(), Usage::default());
    for step in steps.items() {
        let mut own = Usage::default();
        read_totals(step, &mut own);
        let helper = step.get("model").kept(MAX_NAME).filter(|name| Some(&**name) != model);
        let held = |bucket| Some((bucket, own.get(bucket).filter(|count| *count > 0)?));
        let tokens: BTreeMap<_, _> = Bucket::ALL.into_iter().filter_map(held).collect();
        if !tokens.is_empty() {
            bill.bill(Billed { model: helper, tokens });
        }
        all.add(&own);
    }
    let helped = bill.billed.iter().any(|part| part.model.is_some());
    let differs = |bucket| all.get(bucket).unwrap_or(0) != usage.get(bucket).unwrap_or(0);
    // Thinking is told of the whole only, and costs what the rest of the output does.
    let outputs = all.output_tokens() != usage.output_tokens();
    let prompts = Bucket::ALL.into_iter().filter(|bucket| *bucket < Bucket::Output).any(differs);
    let apart = helped || outputs || prompts;
    usage.billed = if apart { bill.billed } else { Vec::new() };
    usage.odd |= bill.odd || all.odd;
}

/// Cumulative, so the highest of each figure is the figure; some hosts fill in a 0 later. The input is stated without its
/// cached parts, the output with its thinking.
fn read_totals(told: Json<'_>, into: &mut Usage) {
    let mut odd = false;
    let mut count = |holder: Json<'_>, name: &str| holder.get(name).count(&mut odd);
    let split = told.get("cache_creation");
    let (five, hour) =
        (count(split, "ephemeral_5m_input_tokens"), count(split, "ephemeral_1h_input_tokens"));
    let written = count(told, "cache_creation_input_tokens");
    into.input = count(told, "input_tokens").max(into.input);
    into.cache_read = count(told, "cache_read_input_tokens").max(into.cache_read);
    let thought = count(told.get("output_tokens_details"), "thinking_tokens").max(into.reasoning);
    let output = count(told, "output_tokens").max(into.output_tokens());
    into.searches = count(told.get("server_tool_use"), "web_search_requests").max(into.searches);
    if hour.max(five).max(written) > Some(0) || into.cache_write_tokens().is_none() {
        let hour = hour.max(into.cache_write_1h);
        let written = written.max(into.cache_write_tokens());
        let parts = five.unwrap_or(0).saturating_add(hour.unwrap_or(0));
        into.cache_write_1h = hour;
        into.cache_write_5m = match written {
            // Where the parts do not say all, the rest lived five minutes.
            Some(written) if written >= parts => Some(written - hour.unwrap_or(0)),
            _ => five,
        };
    }
    into.reasoning = thought;
    into.output = output.map(|output| output.saturating_sub(thought.unwrap_or(0)));
    into.odd |= odd || thought.unwrap_or(0) > output.unwrap_or(u64::MAX);
    if into.is_known() {
        into.source = Source::Provider;
    }
}

/// `POST /v1/messages/count_tokens`: what it counts is no usage.
pub(crate) struct CountTokens;

impl Reader for CountTokens {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Prompt) {
        Messages.read_request(&Asked::default(), body, into);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        into.response.counted_tokens = event.data.get("input_tokens").size();
    }
}

/// `POST /v1/complete`: long deprecated, tells no usage; only its text is looked at.
pub(crate) struct Complete;

impl Reader for Complete {
    fn has_terminator(&self) -> bool {
        false
    }

    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Prompt) {
        into.request.model = body.get("model").kept(MAX_NAME);
        into.request.stream = body.get("stream").bool().unwrap_or(false);
        into.request.max_tokens = body.get("max_tokens_to_sample").size();
        into.request.temperature = body.get("temperature").float();
        into.request.top_p = body.get("top_p").float();
        into.request.top_k = body.get("top_k").size();
        into.text("user", body.get("prompt"));
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        into.text(0, None, event.data.get("completion"));
        into.close_as(0, event.data.get("stop_reason"));
        if event.data.get("type").is("error") {
            into.fail(failure::read(event.data));
        }
    }
}
