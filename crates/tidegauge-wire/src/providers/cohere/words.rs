//! What is said in both generations of chat.

use tidegauge_core::{Message, Part, Value};

use crate::field::Json;
use crate::providers::openai;
use crate::transcript::{Prompt, Reply, Scribe};

/// The second generation has messages; the first the last turn apart from the others.
pub(super) fn write_prompt(body: Json<'_>, into: &mut Prompt) {
    if body.get("messages").is_array() {
        return openai::words::write_chat(body, into);
    }
    let preamble = into.scribe.said(body.get("preamble"));
    into.system(preamble);
    for turn in into.scribe.items(body.get("chat_history")) {
        write_turn(turn, into);
    }
    let last = into.scribe.said(body.get("message"));
    into.says("user", last.into_iter().collect());
    let results = read_results(body.get("tool_results"), &mut into.scribe);
    into.says("tool", results);
    for tool in into.scribe.items(body.get("tools")) {
        into.function(tool.get("name"), tool.get("description"), tool.get("parameter_definitions"));
    }
}

fn write_turn(turn: Json<'_>, into: &mut Prompt) {
    let told = into.scribe.name(turn.get("role")).unwrap_or_default();
    let role = match told.as_str() {
        "CHATBOT" => "assistant".to_owned(),
        _ => told.to_ascii_lowercase(),
    };
    let mut parts: Vec<Part> = into.scribe.said(turn.get("message")).into_iter().collect();
    for call in into.scribe.items(turn.get("tool_calls")) {
        let name = into.scribe.name(call.get("name")).unwrap_or_default();
        let arguments = into.scribe.object(call.get("parameters"));
        into.scribe.push(&mut parts, Part::ToolCall { id: None, name, arguments });
    }
    let results = read_results(turn.get("tool_results"), &mut into.scribe);
    into.scribe.extend(&mut parts, results);
    into.message(Message { role, parts, ..Message::default() });
}

/// A result names the tool that was called; there are no ids.
fn read_results(results: Json<'_>, scribe: &mut Scribe) -> Vec<Part> {
    let mut parts = Vec::new();
    for result in scribe.items(results) {
        let id = scribe.name(result.get("call").get("name"));
        let outputs = result.get("outputs");
        let response = if outputs.exists() { scribe.value(outputs) } else { Value::Null };
        scribe.push(&mut parts, Part::ToolCallResponse { id, response });
    }
    parts
}

/// An event of the second generation.
pub(super) fn write_second(kind: &str, body: Json<'_>, into: &mut Reply) {
    let delta = body.get("delta");
    let message = delta.get("message");
    let index = body.get("index").size();
    match kind {
        "message-start" => into.role(0, message.get("role")),
        "content-start" | "content-delta" => write_content(message.get("content"), index, into),
        "tool-plan-delta" => into.reasoning(0, None, message.get("tool_plan")),
        "tool-call-start" | "tool-call-delta" => {
            let call = message.get("tool_calls");
            into.call(0, index, call.get("id"), call.get("function").get("name"));
            into.arguments(0, index, call.get("function").get("arguments"));
        }
        "message-end" => into.finish(0, delta.get("finish_reason")),
        _ => {}
    }
}

/// A whole message of the second generation.
pub(super) fn write_message(body: Json<'_>, into: &mut Reply) {
    let message = body.get("message");
    into.role(0, message.get("role"));
    into.reasoning(0, None, message.get("tool_plan"));
    into.text(0, None, message.get("content"));
    for (place, part) in message.get("content").items().enumerate() {
        write_content(part, Some(place as u64), into);
    }
    for (place, call) in message.get("tool_calls").items().enumerate() {
        let place = Some(place as u64);
        into.call(0, place, call.get("id"), call.get("function").get("name"));
        into.arguments(0, place, call.get("function").get("arguments"));
    }
    into.finish(0, body.get("finish_reason"));
}

fn write_content(content: Json<'_>, index: Option<u64>, into: &mut Reply) {
    into.text(0, index, content);
    into.text(0, index, content.get("text"));
    into.reasoning(0, index, content.get("thinking"));
}

/// An event of the first generation. Its end carries the whole answer again.
pub(super) fn write_first(kind: &str, body: Json<'_>, into: &mut Reply) {
    match kind {
        "text-generation" => into.text(0, None, body.get("text")),
        "stream-end" => write_answer(body.get("response"), into),
        _ => {}
    }
}

/// A whole answer of the first generation, or what the end of a stream adds to what was said.
pub(super) fn write_answer(answer: Json<'_>, into: &mut Reply) {
    if into.is_empty() {
        into.text(0, None, answer.get("text"));
    }
    for call in answer.get("tool_calls").items() {
        into.whole_call(0, Json::ABSENT, call.get("name"), call.get("parameters"));
    }
    into.finish(0, answer.get("finish_reason"));
}
