//! What is said in `generateContent`: contents of parts, the same in requests, answers and streams.

use tidegauge_core::{Message, Modality, Part, Value};

use super::either;
use crate::field::{Doc, Json};
use crate::transcript::{Prompt, Scribe};

/// Instructions, contents and tools.
pub(super) fn write_prompt(body: Json<'_>, into: &mut Prompt) {
    if into.is_wanted() {
        write_contents(body, into);
    }
    for tool in into.scribe.items(body.get("tools")) {
        write_tool(tool, into);
    }
}

fn write_contents(body: Json<'_>, into: &mut Prompt) {
    let system = either(body, "systemInstruction", "system_instruction");
    let said = into.scribe.said(system);
    into.system(said);
    let parts = read_parts(system.get("parts"), &mut into.scribe);
    into.system(parts);
    write_turns(body.get("contents"), into);
}

/// What the client says over a socket: contents, or one of them.
pub(super) fn write_turns(turns: Json<'_>, into: &mut Prompt) {
    if turns.is_object() {
        write_content(turns, into);
    }
    for content in into.scribe.items(turns) {
        write_content(content, into);
    }
}

/// What functions gave back, over a socket.
pub(super) fn write_results(results: Json<'_>, into: &mut Prompt) {
    for result in into.scribe.items(results) {
        let scribe = &mut into.scribe;
        let id = scribe.name(result.get("id")).or_else(|| scribe.name(result.get("name")));
        let response = scribe.value(result.get("response"));
        into.says("tool", vec![Part::ToolCallResponse { id, response }]);
    }
}

fn write_content(content: Json<'_>, into: &mut Prompt) {
    let parts = read_parts(content.get("parts"), &mut into.scribe);
    // Without a role the user speaks.
    let role = into.scribe.name(content.get("role")).unwrap_or_else(|| "user".to_owned());
    into.message(Message { role: role_word(&role).to_owned(), parts, ..Message::default() });
}

/// A tool of the caller declares functions; one of the provider's own is named by its member.
fn write_tool(tool: Json<'_>, into: &mut Prompt) {
    for (name, value) in tool.members() {
        let name = name.text().unwrap_or_default();
        if !matches!(&*name, "functionDeclarations" | "function_declarations") {
            into.tool(&name, &name);
            continue;
        }
        for function in into.scribe.items(value) {
            let (name, description) = (function.get("name"), function.get("description"));
            let plain = either(function, "parametersJsonSchema", "parameters_json_schema");
            if plain.is_object() {
                into.function(name, description, plain);
            } else {
                // In a dialect of their own (`"type": "STRING"`), which says no less.
                into.function_as(name, description, function.get("parameters"), standard);
            }
        }
    }
}

fn read_parts(parts: Json<'_>, scribe: &mut Scribe) -> Vec<Part> {
    let mut read = Vec::new();
    for part in scribe.items(parts) {
        let part = read_part(part, scribe);
        scribe.extend(&mut read, part);
    }
    if parts.is_object() {
        read.extend(read_part(parts, scribe));
    }
    read
}

pub(super) fn read_part(part: Json<'_>, scribe: &mut Scribe) -> Option<Part> {
    if part.get("text").exists() {
        let content = scribe.text(part.get("text"))?;
        let thought = part.get("thought").bool() == Some(true);
        return Some(if thought { Part::Reasoning { content } } else { Part::Text { content } });
    }
    let inline = either(part, "inlineData", "inline_data");
    if inline.is_object() {
        let mime_type = scribe.name(either(inline, "mimeType", "mime_type"));
        let modality = modality(mime_type.as_deref());
        return Some(scribe.data(modality, mime_type, inline.get("data")));
    }
    let file = either(part, "fileData", "file_data");
    if file.is_object() {
        let mime_type = scribe.name(either(file, "mimeType", "mime_type"));
        let modality = modality(mime_type.as_deref());
        return scribe.link(modality, mime_type, either(file, "fileUri", "file_uri"));
    }
    let call = either(part, "functionCall", "function_call");
    if call.is_object() {
        let name = scribe.name(call.get("name")).unwrap_or_default();
        let arguments = scribe.object(call.get("args"));
        return Some(Part::ToolCall { id: scribe.name(call.get("id")), name, arguments });
    }
    let result = either(part, "functionResponse", "function_response");
    if result.is_object() {
        let id = scribe.name(result.get("id")).or_else(|| scribe.name(result.get("name")));
        return Some(Part::ToolCallResponse { id, response: scribe.value(result.get("response")) });
    }
    read_code(part, scribe)
}

/// Code that the provider wrote and ran, and what came of it.
fn read_code(part: Json<'_>, scribe: &mut Scribe) -> Option<Part> {
    const NAME: &str = "code_execution";
    let typed = |value: Value| match value {
        Value::Map(members) => {
            let kind = ("type".to_owned(), Value::Text(NAME.to_owned()));
            Value::Map([kind].into_iter().chain(members).collect())
        }
        other => other,
    };
    let code = either(part, "executableCode", "executable_code");
    if code.is_object() {
        let call = typed(scribe.value(code));
        return Some(Part::ServerToolCall { id: None, name: NAME.to_owned(), call });
    }
    let result = either(part, "codeExecutionResult", "code_execution_result");
    if result.is_object() {
        let response = typed(scribe.value(result));
        return Some(Part::ServerToolCallResponse { id: None, response });
    }
    let (kind, _) = part.members().next()?;
    Some(Part::Other { kind: scribe.name(kind)?, content: None })
}

fn role_word(role: &str) -> &str {
    match role {
        "model" => "assistant",
        "function" => "tool",
        other => other,
    }
}

fn modality(mime_type: Option<&str>) -> Modality {
    match mime_type.and_then(|told| told.split('/').next()) {
        Some("image") => Modality::Image,
        Some("audio") => Modality::Audio,
        Some("video") => Modality::Video,
        _ => Modality::Document,
    }
}

/// A schema of the API's own dialect as a plain one: types in capitals, and `nullable`, which a plain
/// schema says in the type. Where that is used, nothing is demanded.
fn standard(schema: &str) -> String {
    if schema.contains("\"nullable\"") {
        return "{}".to_owned();
    }
    let mut doc = Doc::default();
    doc.parse(schema.as_bytes());
    let mut types = Vec::new();
    find_types(doc.root(schema.as_bytes()), &mut types);
    let mut plain = schema.to_owned();
    for (start, end) in types {
        if let Some(word) = plain.get_mut(start..end) {
            word.make_ascii_lowercase();
        }
    }
    plain
}

/// Where types are named.
fn find_types(value: Json<'_>, into: &mut Vec<(usize, usize)>) {
    value.items().for_each(|item| find_types(item, into));
    for (name, member) in value.members() {
        match member.span().filter(|_| name.is("type") && member.has_text()) {
            Some(span) => into.push(span),
            None => find_types(member, into),
        }
    }
}
