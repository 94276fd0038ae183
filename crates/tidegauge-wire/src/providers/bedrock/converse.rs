//! Converse and its stream: the service's own format for every model.

use std::time::Duration;

use tidegauge_core::{Request, Response, Tool};

use super::{errors, path, usage, words};
use crate::answer::{Answer, MAX_NAME};
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::providers::tools;
use crate::transcript::{Prompt, Reply};

/// How many stop sequences and tags are kept.
const MAX_KEPT: usize = 16;

/// `POST /model/MODEL/converse` and `/converse-stream`
pub(super) struct Converse;

impl Reader for Converse {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        path::read(&head.path, into);
        read_body(body, into);
    }

    fn read_tools(&self, body: Json<'_>, into: &mut Vec<Tool>) {
        for tool in body.get("toolConfig").get("tools").items() {
            let told = tool.get("toolSpec");
            tools::keep(told.get("name"), told.get("inputSchema").get("json"), into);
        }
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        match event.name.filter(|_| event.stream) {
            Some(name) => read_named(name, event.data, into),
            None => read_whole(event.data, into),
        }
    }

    fn write_prompt(&self, body: Json<'_>, into: &mut Prompt) {
        words::write_converse(body, into);
    }

    fn write_reply(&self, event: Event<'_>, into: &mut Reply) {
        match event.name.filter(|_| event.stream) {
            Some(name) => words::write_named(name, event.data, into),
            None => words::write_whole(event.data, into),
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
    let content = body.get("output").get("message").get("content");
    for (place, block) in content.items().enumerate() {
        read_block(block, place as u64, into);
    }
    read_stop(body.get("stopReason"), into);
    usage::read(body.get("usage"), &mut into.usage);
    into.service_tier(body.get("serviceTier").get("type"));
    took(body.get("metrics").get("latencyMs").size(), &mut into.response);
}

fn read_block(block: Json<'_>, place: u64, into: &mut Answer) {
    into.text(block.get("text"));
    into.reasoning(block.get("reasoningContent").get("reasoningText").get("text"));
    let tool = block.get("toolUse");
    if tool.is_object() {
        into.call(0, Some(place), tool.get("toolUseId"), tool.get("input"));
        into.tool(tool.get("name"));
    }
    let made = ["image", "video", "audio", "citationsContent"];
    into.response.output |= made.iter().any(|name| block.get(name).is_object());
}

/// One event of a stream, by its name.
pub(super) fn read_named(name: &str, data: Json<'_>, into: &mut Answer) {
    match name {
        "contentBlockStart" => read_start(data, into),
        "contentBlockDelta" => read_delta(data, into),
        "messageStop" => read_stop(data.get("stopReason"), into),
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
        into.call(0, data.get("contentBlockIndex").size(), tool.get("toolUseId"), Json::ABSENT);
        into.tool(tool.get("name"));
    }
}

fn read_delta(data: Json<'_>, into: &mut Answer) {
    let delta = data.get("delta");
    into.text(delta.get("text"));
    into.reasoning(delta.get("reasoningContent").get("text"));
    let piece = delta.get("toolUse").get("input");
    if piece.has_text() {
        into.token = true;
        into.more_arguments(0, data.get("contentBlockIndex").size(), piece);
    }
    if delta.get("image").is_object() {
        into.token = true;
        into.response.output = true;
    }
}

fn read_stop(reason: Json<'_>, into: &mut Answer) {
    into.finish(0, reason);
    let is = |words: &[&str]| words.iter().any(|word| reason.is(word));
    into.response.content_filter |= is(&["guardrail_intervened", "content_filtered"]);
    into.response.refusal |= is(&["refusal"]);
    if is(&["malformed_tool_use", "malformed_model_output"]) {
        into.bad_call();
    }
}

/// The service's own time, in milliseconds.
pub(super) fn took(milliseconds: Option<u64>, into: &mut Response) {
    into.processing = milliseconds.map(Duration::from_millis).or(into.processing);
}
