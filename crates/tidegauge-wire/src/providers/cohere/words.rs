//! What is said in both generations of chat.

use tidegauge_core::{Message, Part, Value};

use crate::field::Json;
use crate::providers::openai;
use crate::transcript::{Prompt, Scribe};

/// The second generation has messages; the first the last turn apart from the others.
pub(super) fn write_prompt(body: Json<'_>, into: &mut Prompt) {
    if body.get("messages").is_array() {
        return openai::words::write_chat(body, into);
    }
    if into.is_wanted() {
        write_turns(body, into);
    }
    // Tools of this generation have no schema.
    for tool in into.scribe.items(body.get("tools")) {
        into.define(tool.get("name"), tool.get("description"), tool.get("parameter_definitions"));
    }
}

fn write_turns(body: Json<'_>, into: &mut Prompt) {
    let preamble = into.scribe.said(body.get("preamble"));
    into.system(preamble);
    for turn in into.scribe.items(body.get("chat_history")) {
        write_turn(turn, into);
    }
    let last = into.scribe.said(body.get("message"));
    into.says("user", last.into_iter().collect());
    let results = read_results(body.get("tool_results"), &mut into.scribe);
    into.says("tool", results);
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
