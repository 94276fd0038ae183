//! What is said in Messages: content blocks, whole in requests and answers, in pieces in a stream.

use tidegauge_core::{Message, Modality, Part, Value};

use crate::field::Json;
use crate::transcript::{Prompt, Scribe};

/// System, messages and tools.
pub(super) fn write_prompt(body: Json<'_>, into: &mut Prompt) {
    if into.is_wanted() {
        let system = read_content(body.get("system"), &mut into.scribe);
        into.system(system);
        for message in into.scribe.items(body.get("messages")) {
            let role = into.scribe.name(message.get("role")).unwrap_or_default();
            let parts = read_content(message.get("content"), &mut into.scribe);
            into.message(Message { role, parts, ..Message::default() });
        }
    }
    for tool in into.scribe.items(body.get("tools")) {
        match tool.get("type").text().filter(|kind| *kind != "custom") {
            Some(kind) => {
                let name = tool.get("name").text();
                into.tool(&kind, name.as_deref().unwrap_or(&kind));
            }
            None => {
                let schema = tool.get("input_schema");
                into.function(tool.get("name"), tool.get("description"), schema);
            }
        }
    }
}

/// Content is a text, or blocks.
fn read_content(content: Json<'_>, scribe: &mut Scribe) -> Vec<Part> {
    if let Some(content) = scribe.said(content) {
        return vec![content];
    }
    let mut parts = Vec::new();
    for block in scribe.items(content) {
        let part = read_block(block, scribe);
        scribe.extend(&mut parts, part);
    }
    parts
}

pub(super) fn read_block(block: Json<'_>, scribe: &mut Scribe) -> Option<Part> {
    let kind = scribe.name(block.get("type"))?;
    let id = scribe.name(block.get("id"));
    Some(match kind.as_str() {
        "text" => return scribe.said(block.get("text")),
        "thinking" => {
            return scribe.text(block.get("thinking")).map(|content| Part::Reasoning { content });
        }
        "tool_use" => {
            let name = scribe.name(block.get("name")).unwrap_or_default();
            Part::ToolCall { id, name, arguments: scribe.object(block.get("input")) }
        }
        "server_tool_use" | "mcp_tool_use" => {
            let name = scribe.name(block.get("name")).unwrap_or_default();
            let mut call = vec![("type".to_owned(), Value::Text(name.clone()))];
            let input = scribe.object(block.get("input"));
            call.extend(input.map(|input| ("input".to_owned(), input)));
            Part::ServerToolCall { id, name, call: Value::Map(call) }
        }
        "tool_result" => {
            let id = scribe.name(block.get("tool_use_id"));
            Part::ToolCallResponse { id, response: read_result(block.get("content"), scribe) }
        }
        "image" => return read_source(Modality::Image, block.get("source"), scribe),
        "document" => return read_source(Modality::Document, block.get("source"), scribe),
        "compaction" => Part::Compaction { id, content: scribe.text(block.get("content")) },
        result if result.ends_with("_tool_result") => {
            let id = scribe.name(block.get("tool_use_id"));
            Part::ServerToolCallResponse { id, response: scribe.value(block) }
        }
        // Among them thoughts that nobody can read.
        _ => Part::Other { content: scribe.text(block.get("text")), kind },
    })
}

/// The result of a tool: a text, or blocks.
fn read_result(content: Json<'_>, scribe: &mut Scribe) -> Value {
    let plain = |block: Json<'_>| block.get("type").is("text");
    if content.is_array() && content.items().all(plain) {
        let blocks = scribe.items(content);
        let texts: Vec<String> =
            blocks.filter_map(|block| scribe.text(block.get("text"))).collect();
        return Value::Text(texts.concat());
    }
    scribe.value(content)
}

/// A picture or document: in the message, behind a URL, or handed over before.
fn read_source(modality: Modality, source: Json<'_>, scribe: &mut Scribe) -> Option<Part> {
    let mime_type = scribe.name(source.get("media_type"));
    let kind = source.get("type").text().unwrap_or_default();
    match &*kind {
        "base64" => Some(scribe.data(modality, mime_type, source.get("data"))),
        "url" => scribe.link(modality, mime_type, source.get("url")),
        "file" => {
            let file_id = scribe.name(source.get("file_id"))?;
            Some(Part::File { modality, mime_type, file_id })
        }
        "text" => scribe.said(source.get("data")),
        "content" => read_content(source.get("content"), scribe).into_iter().next(),
        _ => None,
    }
}
