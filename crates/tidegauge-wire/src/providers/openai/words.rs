//! What is said in requests of this family, and parts that answers share with them.

use tidegauge_core::{Message, Modality, Part, Value};

use crate::field::Json;
use crate::transcript::{Prompt, Scribe};

/// The messages of a chat, and the tools beside them.
pub(in crate::providers) fn write_chat(body: Json<'_>, into: &mut Prompt) {
    if into.is_wanted() {
        for message in into.scribe.items(body.get("messages")) {
            let message = read_message(message, &mut into.scribe);
            into.message(message);
        }
    }
    write_tools(body.get("tools"), into);
    for function in into.scribe.items(body.get("functions")) {
        write_function(function, into);
    }
}

/// Tools, each of which names its type and holds what it is under that name, or beside it.
pub(in crate::providers) fn write_tools(tools: Json<'_>, into: &mut Prompt) {
    for tool in into.scribe.items(tools) {
        let kind = tool.get("type").text().unwrap_or_else(|| "function".into());
        match &*kind {
            "function" if tool.get("function").is_object() => {
                write_function(tool.get("function"), into);
            }
            "function" => write_function(tool, into),
            kind => {
                let named = [tool.get("name"), tool.get(kind).get("name")];
                let name = named.iter().find_map(|name| name.text());
                into.tool(kind, name.as_deref().unwrap_or(kind));
            }
        }
    }
}

fn write_function(function: Json<'_>, into: &mut Prompt) {
    into.function(function.get("name"), function.get("description"), function.get("parameters"));
}

/// A message of a request.
fn read_message(message: Json<'_>, scribe: &mut Scribe) -> Message {
    let role = scribe.name(message.get("role")).unwrap_or_default();
    let mut parts = Vec::new();
    let call_id = message.get("tool_call_id");
    if role == "tool" || role == "function" || call_id.has_text() {
        let response = read_result(message.get("content"), scribe);
        parts.push(Part::ToolCallResponse { id: scribe.name(call_id), response });
    } else {
        for thought in ["reasoning_content", "reasoning", "tool_plan"] {
            let content = scribe.text(message.get(thought));
            parts.extend(content.map(|content| Part::Reasoning { content }));
        }
        let content = read_content(message.get("content"), scribe);
        scribe.extend(&mut parts, content);
        let refusal = scribe.text(message.get("refusal"));
        parts.extend(refusal.map(refused));
        for call in scribe.items(message.get("tool_calls")) {
            let call = read_call(call, scribe);
            scribe.push(&mut parts, call);
        }
        let legacy = message.get("function_call");
        if legacy.is_object() {
            parts.push(read_function(Json::ABSENT, legacy, scribe));
        }
    }
    Message { role, parts, name: scribe.name(message.get("name")), finish_reason: None }
}

/// The result of a tool: a text, or parts.
fn read_result(content: Json<'_>, scribe: &mut Scribe) -> Value {
    let mut texts = Vec::new();
    for part in content.items() {
        match scribe.text(part.get("text")).filter(|_| part.get("type").is("text")) {
            Some(text) => texts.push(text),
            None => return scribe.value(content),
        }
    }
    if content.is_array() { Value::Text(texts.concat()) } else { scribe.value(content) }
}

/// Content is a text, or parts that name their type.
pub(in crate::providers) fn read_content(content: Json<'_>, scribe: &mut Scribe) -> Vec<Part> {
    if let Some(content) = scribe.said(content) {
        return vec![content];
    }
    let mut parts = Vec::new();
    for part in scribe.items(content) {
        let part = read_part(part, scribe);
        scribe.extend(&mut parts, part);
    }
    parts
}

fn read_part(part: Json<'_>, scribe: &mut Scribe) -> Option<Part> {
    let kind = part.get("type").text().unwrap_or_default();
    match &*kind {
        "text" | "input_text" | "output_text" | "summary_text" | "" => {
            scribe.said(part.get("text"))
        }
        "reasoning_text" => {
            scribe.text(part.get("text")).map(|content| Part::Reasoning { content })
        }
        "thinking" => {
            let thought = part.get("thinking");
            let pieces: Vec<_> =
                thought.items().filter_map(|piece| scribe.text(piece.get("text"))).collect();
            let content = scribe.text(thought).unwrap_or_else(|| pieces.concat());
            Some(content).filter(|text| !text.is_empty()).map(|content| Part::Reasoning { content })
        }
        "refusal" => scribe.text(part.get("refusal")).map(refused),
        "image_url" | "input_image" => read_link(Modality::Image, part, "image_url", scribe),
        "video_url" | "input_video" => read_link(Modality::Video, part, "video_url", scribe),
        "document_url" => read_link(Modality::Document, part, "document_url", scribe),
        "input_audio" => {
            let audio = part.get("input_audio");
            let format = scribe.name(audio.get("format"));
            let mime_type = format.map(|format| format!("audio/{format}"));
            Some(scribe.data(Modality::Audio, mime_type, audio.get("data")))
        }
        "file" | "input_file" => {
            let inner = part.get("file");
            read_file(if inner.is_object() { inner } else { part }, scribe)
        }
        _ => Some(Part::Other {
            kind: scribe.name(part.get("type"))?,
            content: scribe.text(part.get("text")),
        }),
    }
}

/// A URL stands there itself, or in an object; a file may stand instead.
pub(super) fn read_link(
    modality: Modality,
    part: Json<'_>,
    name: &str,
    scribe: &mut Scribe,
) -> Option<Part> {
    let told = part.get(name);
    let url = if told.is_object() { told.get("url") } else { told };
    if let Some(file_id) = scribe.name(part.get("file_id")) {
        return Some(Part::File { modality, mime_type: None, file_id });
    }
    scribe.link(modality, None, url)
}

fn read_file(file: Json<'_>, scribe: &mut Scribe) -> Option<Part> {
    let modality = Modality::Document;
    if let Some(file_id) = scribe.name(file.get("file_id")) {
        return Some(Part::File { modality, mime_type: None, file_id });
    }
    if file.get("file_data").has_text() {
        return Some(scribe.data(modality, None, file.get("file_data")));
    }
    scribe.link(modality, None, file.get("file_url"))
}

fn read_call(call: Json<'_>, scribe: &mut Scribe) -> Part {
    let custom = call.get("custom");
    if custom.is_object() {
        let name = scribe.name(custom.get("name")).unwrap_or_default();
        let arguments = scribe.text(custom.get("input")).map(Value::Text);
        return Part::ToolCall { id: scribe.name(call.get("id")), name, arguments };
    }
    read_function(call.get("id"), call.get("function"), scribe)
}

fn read_function(id: Json<'_>, function: Json<'_>, scribe: &mut Scribe) -> Part {
    let name = scribe.name(function.get("name")).unwrap_or_default();
    let arguments = scribe.object(function.get("arguments"));
    Part::ToolCall { id: scribe.name(id), name, arguments }
}

fn refused(content: String) -> Part {
    Part::Other { kind: "refusal".to_owned(), content: Some(content) }
}

/// The items and instructions of a request to the Responses API.
pub(super) fn write_items(body: Json<'_>, into: &mut Prompt) {
    if into.is_wanted() {
        write_input(body, into);
    }
    write_tools(body.get("tools"), into);
}

fn write_input(body: Json<'_>, into: &mut Prompt) {
    let instructions = into.scribe.said(body.get("instructions"));
    into.system(instructions);
    for item in into.scribe.items(body.get("instructions")) {
        let parts = read_content(item.get("content"), &mut into.scribe);
        into.system(parts);
    }
    let input = body.get("input");
    if let Some(text) = into.scribe.said(input) {
        into.says("user", vec![text]);
    }
    for item in into.scribe.items(input) {
        if let Some(message) = read_item(item, &mut into.scribe) {
            into.message(message);
        }
    }
}

/// An item of a request: a message, or what stands between messages.
fn read_item(item: Json<'_>, scribe: &mut Scribe) -> Option<Message> {
    let kind = item.get("type").text().unwrap_or_default();
    if matches!(&*kind, "message" | "") {
        let role = scribe.name(item.get("role"))?;
        let parts = read_content(item.get("content"), scribe);
        return Some(Message { role, parts, ..Message::default() });
    }
    let result = kind.ends_with("_output");
    let part = if result {
        let response = read_result(item.get("output"), scribe);
        Part::ToolCallResponse { id: scribe.name(item.get("call_id")), response }
    } else {
        read_said(item, scribe)?
    };
    let role = if result { "tool" } else { "assistant" }.to_owned();
    Some(Message { role, parts: vec![part], ..Message::default() })
}

/// What a model said beside messages: calls, thoughts, and what tools of the provider did.
pub(super) fn read_said(item: Json<'_>, scribe: &mut Scribe) -> Option<Part> {
    let kind = scribe.name(item.get("type"))?;
    let id = scribe.name(item.get("call_id")).or_else(|| scribe.name(item.get("id")));
    Some(match kind.as_str() {
        "function_call" => {
            let name = scribe.name(item.get("name")).unwrap_or_default();
            Part::ToolCall { id, name, arguments: scribe.object(item.get("arguments")) }
        }
        "custom_tool_call" => {
            let name = scribe.name(item.get("name")).unwrap_or_default();
            let arguments = scribe.text(item.get("input")).map(Value::Text);
            Part::ToolCall { id, name, arguments }
        }
        "reasoning" => {
            let texts = |list: Json<'_>, scribe: &mut Scribe| -> Vec<String> {
                list.items().filter_map(|part| scribe.text(part.get("text"))).collect()
            };
            let mut thoughts = texts(item.get("summary"), scribe);
            thoughts.extend(texts(item.get("content"), scribe));
            if thoughts.is_empty() {
                return None;
            }
            Part::Reasoning { content: thoughts.join("\n") }
        }
        "compaction" => Part::Compaction { id, content: None },
        call if is_run_by_client(call, item) => {
            let name = kind.trim_end_matches("_call").to_owned();
            let told = [item.get("action"), item.get("operation")];
            let arguments = told.into_iter().find(|told| told.is_some());
            Part::ToolCall { id, name, arguments: arguments.map(|told| scribe.value(told)) }
        }
        call if call.ends_with("_call") => {
            let told = scribe.name(item.get("name"));
            let name = told.unwrap_or_else(|| call.trim_end_matches("_call").to_owned());
            Part::ServerToolCall { id, name, call: scribe.value(item) }
        }
        _ => Part::Other { content: scribe.text(item.get("text")), kind },
    })
}

/// Whether a call of a built-in tool is for the client to run, though it is no function of its own. A
/// shell in a container is the provider's.
pub(super) fn is_run_by_client(kind: &str, item: Json<'_>) -> bool {
    let place = item.get("environment").get("type").text().unwrap_or_default();
    matches!(kind, "computer_call" | "local_shell_call" | "shell_call" | "apply_patch_call")
        && !place.starts_with("container")
}

/// An item of a spoken conversation, as the client says it. Of speech only words are written.
pub(super) fn write_spoken(item: Json<'_>, into: &mut Prompt) {
    if !matches!(&*item.get("type").text().unwrap_or_default(), "message" | "") {
        if let Some(message) = read_item(item, &mut into.scribe) {
            into.message(message);
        }
        return;
    }
    let Some(role) = into.scribe.name(item.get("role")) else { return };
    let mut parts = Vec::new();
    for part in into.scribe.items(item.get("content")) {
        let kind = part.get("type");
        let part = if kind.is("input_audio") || kind.is("audio") || kind.is("output_audio") {
            let words = into.scribe.said(part.get("transcript"));
            Some(words.unwrap_or_else(sound))
        } else {
            read_part(part, &mut into.scribe)
        };
        into.scribe.extend(&mut parts, part);
    }
    into.says(&role, parts);
}

/// That there was sound.
fn sound() -> Part {
    Part::Blob { modality: Modality::Audio, mime_type: None, content: String::new() }
}
