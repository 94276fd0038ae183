//! Converse and its stream: the service's own format for every model.

use std::time::Duration;

use tidegauge_core::{Request, Response};

use super::{errors, path, usage, words};
use crate::answer::{Answer, MAX_NAME};
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// How many stop sequences and tags are kept.
const MAX_KEPT: usize = 16;

/// `POST /model/MODEL/converse` and `/converse-stream`
pub(super) struct Converse;

impl Reader for Converse {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        path::read(&head.path, &mut into.request);
        read_body(body, &mut into.request);
        words::write_converse(body, into);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        match event.name.filter(|_| event.stream) {
            Some(name) => read_named(name, event.data, into),
            None => read_whole(event.data, into),
        }
    }
}

/// The request body, which some models take as their own.
pub(super) fn read_body(body: Json<'_>, into: &mut Request) {
    into.messages = body.get("messages").len();
    into.tools = body.get("toolConfig").get("tools").len();
    into.service_tier = body.get("serviceTier").get("type").kept(MAX_NAME);
    into.tool_errors = body.get("messages").items().map(failed_tools).sum();
    let config = body.get("inferenceConfig");
    into.max_tokens =
        config.get("maxTokens").size().or_else(|| config.get("max_new_tokens").size());
    into.temperature = config.get("temperature").float();
    into.top_p = config.get("topP").float().or_else(|| config.get("top_p").float());
    into.top_k = config.get("topK").size().or_else(|| config.get("top_k").size());
    let stops = config.get("stopSequences").items().take(MAX_KEPT);
    into.stop_sequences = stops.filter_map(|stop| stop.kept(MAX_NAME)).collect();
    for (name, value) in body.get("requestMetadata").members().take(MAX_KEPT) {
        if let (Some(name), Some(value)) = (name.kept(MAX_NAME), value.kept(MAX_NAME)) {
            into.labels.tags.insert(name, value);
        }
    }
}

fn failed_tools(message: Json<'_>) -> u64 {
    let failed = |part: &Json<'_>| part.get("toolResult").get("status").is("error");
    message.get("content").items().filter(failed).count() as u64
}

/// An answer without stream.
pub(super) fn read_whole(body: Json<'_>, into: &mut Answer) {
    let message = body.get("output").get("message");
    into.role(0, message.get("role"));
    for (place, block) in message.get("content").items().enumerate() {
        read_block(block, place as u64, into);
    }
    into.finish(0, body.get("stopReason"));
    usage::read(body.get("usage"), &mut into.usage);
    into.service_tier(body.get("serviceTier").get("type"));
    took(body.get("metrics").get("latencyMs").size(), &mut into.response);
}

fn read_block(block: Json<'_>, place: u64, into: &mut Answer) {
    let place = Some(place);
    let (thought, tool) = (block.get("reasoningContent"), block.get("toolUse"));
    if tool.is_object() {
        into.call(0, place, tool.get("toolUseId"), tool.get("name"), tool.get("input"));
    } else if block.get("text").exists() {
        into.text(0, place, block.get("text"));
    } else if thought.get("reasoningText").is_object() {
        into.reasoning(0, place, thought.get("reasoningText").get("text"));
    } else {
        let made = ["image", "video", "audio", "citationsContent"];
        into.response.output |= made.iter().any(|name| block.get(name).is_object());
        into.part(0, |scribe| words::read_block(block, scribe));
    }
}

/// One event of a stream, by its name.
pub(super) fn read_named(name: &str, data: Json<'_>, into: &mut Answer) {
    match name {
        "messageStart" => into.role(0, data.get("role")),
        "contentBlockStart" => read_start(data, into),
        "contentBlockDelta" => read_delta(data, into),
        "messageStop" => into.finish(0, data.get("stopReason")),
        "metadata" => {
            usage::read(data.get("usage"), &mut into.usage);
            into.service_tier(data.get("serviceTier").get("type"));
            took(data.get("metrics").get("latencyMs").size(), &mut into.response);
            into.ended = true;
        }
        _ => into.fail(errors::of_message(name, data)),
    }
}

fn read_start(data: Json<'_>, into: &mut Answer) {
    let tool = data.get("start").get("toolUse");
    if tool.is_object() {
        let index = data.get("contentBlockIndex").size();
        into.call(0, index, tool.get("toolUseId"), tool.get("name"), Json::ABSENT);
    }
}

fn read_delta(data: Json<'_>, into: &mut Answer) {
    let (delta, index) = (data.get("delta"), data.get("contentBlockIndex").size());
    into.text(0, index, delta.get("text"));
    into.reasoning(0, index, delta.get("reasoningContent").get("text"));
    into.more_arguments(0, index, delta.get("toolUse").get("input"));
    if delta.get("image").is_object() {
        into.token = true;
        into.response.output = true;
    }
}

/// The service's own time, in milliseconds.
pub(super) fn took(milliseconds: Option<u64>, into: &mut Response) {
    into.processing = milliseconds.map(Duration::from_millis).or(into.processing);
}
