//! What is said in Converse, and in the bodies that vendors have of their own.

use tidegauge_core::{Message, Modality, Part, Value};

use crate::field::Json;
use crate::transcript::{Prompt, Scribe};

/// System, messages and tools of Converse.
pub(super) fn write_converse(body: Json<'_>, into: &mut Prompt) {
    if into.is_wanted() {
        let system = read_blocks(body.get("system"), &mut into.scribe);
        into.system(system);
        for message in into.scribe.items(body.get("messages")) {
            let role = into.scribe.name(message.get("role")).unwrap_or_default();
            let parts = read_blocks(message.get("content"), &mut into.scribe);
            into.message(Message { role, parts, ..Message::default() });
        }
    }
    for tool in into.scribe.items(body.get("toolConfig").get("tools")) {
        let function = tool.get("toolSpec");
        if function.is_object() {
            let parameters = function.get("inputSchema").get("json");
            into.function(function.get("name"), function.get("description"), parameters);
        } else {
            let name = tool.get("systemTool").get("name").text();
            name.into_iter().for_each(|name| into.tool("system_tool", &name));
        }
    }
}

fn read_blocks(blocks: Json<'_>, scribe: &mut Scribe) -> Vec<Part> {
    let mut parts = Vec::new();
    for block in scribe.items(blocks) {
        let part = read_block(block, scribe);
        scribe.extend(&mut parts, part);
    }
    parts
}

/// A block is named by its only member.
pub(super) fn read_block(block: Json<'_>, scribe: &mut Scribe) -> Option<Part> {
    let (name, inner) = block.members().next()?;
    let name = scribe.name(name)?;
    match name.as_str() {
        "text" => scribe.said(inner),
        "guardContent" => scribe.said(inner.get("text").get("text")),
        "reasoningContent" => {
            let text = scribe.text(inner.get("reasoningText").get("text"));
            text.map(|content| Part::Reasoning { content })
        }
        "toolUse" => Some(Part::ToolCall {
            id: scribe.name(inner.get("toolUseId")),
            name: scribe.name(inner.get("name")).unwrap_or_default(),
            arguments: scribe.object(inner.get("input")),
        }),
        "toolResult" => {
            let id = scribe.name(inner.get("toolUseId"));
            Some(Part::ToolCallResponse { id, response: read_result(inner.get("content"), scribe) })
        }
        "image" => read_source(Modality::Image, inner, scribe),
        "video" => read_source(Modality::Video, inner, scribe),
        "audio" => read_source(Modality::Audio, inner, scribe),
        "document" => read_source(Modality::Document, inner, scribe),
        "cachePoint" => None,
        _ => Some(Part::Other { kind: name, content: scribe.text(inner.get("text")) }),
    }
}

/// One text or value stands for itself.
fn read_result(content: Json<'_>, scribe: &mut Scribe) -> Value {
    let mut all = content.items();
    match (all.next(), all.next()) {
        (Some(only), None) if only.get("text").has_text() => scribe.value(only.get("text")),
        (Some(only), None) if only.get("json").is_some() => scribe.value(only.get("json")),
        _ => scribe.value(content),
    }
}

fn read_source(modality: Modality, block: Json<'_>, scribe: &mut Scribe) -> Option<Part> {
    let format = scribe.name(block.get("format"));
    let kind = match modality {
        Modality::Document => "application",
        Modality::Image | Modality::Video | Modality::Audio => modality.name(),
    };
    let mime_type = format.map(|format| format!("{kind}/{format}"));
    let source = block.get("source");
    if source.get("bytes").has_text() {
        return Some(scribe.data(modality, mime_type, source.get("bytes")));
    }
    if source.get("text").has_text() {
        return scribe.said(source.get("text"));
    }
    scribe.link(modality, mime_type, source.get("s3Location").get("uri"))
}
