//! Chat completions, whole and streamed.

use tidegauge_core::{Modality, OutputType, ProviderError};

use super::{request, usage, words};
use crate::answer::Answer;
use crate::failure;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST .../chat/completions`
pub(crate) struct Chat;

impl Reader for Chat {
    fn api(&self) -> Option<&'static str> {
        Some("chat_completions")
    }

    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        request::read_common(head, body, &mut into.request);
        request::read_sampling(body, &mut into.request);
        into.request.top_k = body.get("top_k").size();
        into.request.messages = body.get("messages").len();
        into.request.tools = body.get("tools").len().or_else(|| body.get("functions").len());
        into.request.reasoning_level = body
            .get("reasoning_effort")
            .kept(64)
            .or_else(|| body.get("reasoning").get("effort").kept(64));
        let spoken = body.get("modalities").items().any(|modality| modality.is("audio"));
        into.request.output_type = if spoken {
            Some(OutputType::Speech)
        } else {
            request::output_type(body.get("response_format"))
        };
        words::write_chat(body, into);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.id(body.get("id"));
        into.model(body.get("model"));
        into.service_tier(body.get("service_tier"));
        into.fingerprint(body.get("system_fingerprint"));
        for (place, choice) in body.get("choices").items().enumerate() {
            read_choice(choice, place, event.stream, into);
        }
        // Some hosts tell usage only in a corner of their own.
        let told = body.get("usage");
        let corner = body.get("x_groq");
        let told = if told.is_object() { told } else { corner.get("usage") };
        usage::read(told, into);
        usage::read_timings(body.get("timings"), &mut into.response);
        if failure::is_told(corner) {
            into.fail(failure::read(corner));
        }
        into.fail(failure::of_status(body.get("base_resp")));
        // The answer is to be fetched later.
        into.pending |= body.get("request_id").has_text() && !body.get("choices").exists();
    }
}

/// Reasons to finish that say the host could not go on.
const FAILED: &[&str] = &["error", "insufficient_system_resource", "network_error"];

fn read_choice(choice: Json<'_>, place: usize, stream: bool, into: &mut Answer) {
    let index = choice.get("index").size().unwrap_or(place as u64);
    let reason = choice.get("finish_reason");
    into.finish(index, reason);
    // A router says here that the provider behind it failed half-way.
    if failure::is_told(choice) {
        into.fail(failure::read(choice));
    } else if into.response.error.is_none() && FAILED.iter().any(|word| reason.is(word)) {
        into.fail(Some(ProviderError { kind: reason.kept(64), ..ProviderError::default() }));
    }
    into.response.content_filter |= filtered(choice);
    let message = message_of(choice, stream);
    if message.is_object() {
        read_message(message, index, stream, into);
    } else {
        into.text(index, None, choice.get("text"));
    }
    // Some hosts state the usage of a stream inside its last choice.
    usage::read(choice.get("usage"), into);
}

/// What a choice says: a piece of a message in a stream, else the message. Some hosts send the other
/// one empty beside it.
pub(super) fn message_of(choice: Json<'_>, stream: bool) -> Json<'_> {
    let names = if stream { ["delta", "message"] } else { ["message", "delta"] };
    let [first, second] = names.map(|name| choice.get(name));
    if first.is_object() { first } else { second }
}

fn read_message(message: Json<'_>, choice: u64, stream: bool, into: &mut Answer) {
    into.role(choice, message.get("role"));
    // Some hosts state the same thoughts under both names.
    let thoughts = ["reasoning_content", "reasoning"].map(|name| message.get(name));
    let thought = thoughts.into_iter().find(|thought| thought.has_text());
    into.reasoning(choice, None, thought.unwrap_or(Json::ABSENT));
    read_content(message.get("content"), choice, into);
    into.refusal(choice, None, message.get("refusal"));
    read_made(message, choice, into);
    for (place, call) in message.get("tool_calls").items().enumerate() {
        let index = if stream { call.get("index").size() } else { Some(place as u64) };
        let (function, custom) = (call.get("function"), call.get("custom"));
        let told = if custom.is_object() { custom } else { function };
        into.call(choice, index, call.get("id"), told.get("name"), function.get("arguments"));
        if custom.is_object() {
            into.free_text(choice, index, custom.get("input"));
        }
    }
    let run = message.get("executed_tools").items().filter(is_web_tool).count() as u64;
    if run > 0 {
        into.usage.hosted_tools = Some(into.usage.hosted_tools.unwrap_or(0) + run);
    }
    let legacy = message.get("function_call");
    if legacy.is_object() {
        let (name, arguments) = (legacy.get("name"), legacy.get("arguments"));
        into.call(choice, Some(u64::MAX), Json::ABSENT, name, arguments);
    }
}

/// Audio with its transcript, and pictures.
fn read_made(message: Json<'_>, choice: u64, into: &mut Answer) {
    let audio = message.get("audio");
    if audio.is_object() || message.get("images").items().next().is_some() {
        into.response.output = true;
        into.token = true;
    }
    if audio.get("data").has_text() {
        into.part(choice, |scribe| Some(scribe.data(Modality::Audio, None, audio.get("data"))));
    }
    into.text(choice, None, audio.get("transcript"));
    for image in message.get("images").items() {
        into.part(choice, |scribe| words::read_link(Modality::Image, image, "image_url", scribe));
    }
}

/// A tool of the host's that looked something up, which has a fee.
fn is_web_tool(tool: &Json<'_>) -> bool {
    ["browser_search", "search", "visit"].iter().any(|kind| tool.get("type").is(kind))
}

/// `content` is a string, parts of several types, or the JSON object that was asked for.
fn read_content(content: Json<'_>, choice: u64, into: &mut Answer) {
    into.text(choice, None, content);
    if content.is_object() {
        into.token = true;
        into.response.output = true;
    }
    for part in content.items() {
        into.text(choice, None, part.get("text"));
        into.refusal(choice, None, part.get("refusal"));
        for thought in part.get("thinking").items() {
            into.reasoning(choice, None, thought.get("text"));
        }
    }
}

/// Whether a filter of the host's took something out of a choice; it may also merely have an opinion.
pub(super) fn filtered(choice: Json<'_>) -> bool {
    let removed = |result: Json<'_>| result.get("filtered").bool() == Some(true);
    choice.get("content_filter_results").members().any(|(_, result)| removed(result))
}
