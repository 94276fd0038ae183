//! What is said in the API of its own: messages with pictures beside their text.

use tidegauge_core::{Message, Modality, Part};

use crate::field::Json;
use crate::providers::openai;
use crate::transcript::{Prompt, Scribe};

/// Messages of a chat, or the one prompt of a completion.
pub(super) fn write_prompt(body: Json<'_>, into: &mut Prompt) {
    if into.is_wanted() {
        let system = into.scribe.said(body.get("system"));
        into.system(system);
        for message in into.scribe.items(body.get("messages")) {
            let message = read_message(message, &mut into.scribe);
            into.message(message);
        }
        let mut asked: Vec<Part> = into.scribe.said(body.get("prompt")).into_iter().collect();
        let images = read_images(body.get("images"), &mut into.scribe);
        into.scribe.extend(&mut asked, images);
        into.says("user", asked);
    }
    openai::words::write_tools(body.get("tools"), into);
}

fn read_message(message: Json<'_>, scribe: &mut Scribe) -> Message {
    let role = scribe.name(message.get("role")).unwrap_or_default();
    let content = message.get("content");
    let mut parts = Vec::new();
    if role == "tool" {
        let told = message.get("tool_name");
        let told = if told.has_text() { told } else { message.get("name") };
        let response = scribe.value(content);
        parts.push(Part::ToolCallResponse { id: scribe.name(told), response });
        return Message { role, parts, ..Message::default() };
    }
    let thought = scribe.text(message.get("thinking"));
    parts.extend(thought.map(|content| Part::Reasoning { content }));
    parts.extend(scribe.said(content));
    let images = read_images(message.get("images"), scribe);
    scribe.extend(&mut parts, images);
    for call in scribe.items(message.get("tool_calls")) {
        let function = call.get("function");
        let name = scribe.name(function.get("name")).unwrap_or_default();
        let arguments = scribe.object(function.get("arguments"));
        let id = scribe.name(call.get("id"));
        scribe.push(&mut parts, Part::ToolCall { id, name, arguments });
    }
    Message { role, parts, ..Message::default() }
}

fn read_images(images: Json<'_>, scribe: &mut Scribe) -> Vec<Part> {
    let mut parts = Vec::new();
    for image in scribe.items(images) {
        let image = scribe.data(Modality::Image, None, image);
        scribe.push(&mut parts, image);
    }
    parts
}
