//! A request body into what a count of its tokens needs: its texts, its tools.
//!
//! Formats differ in where texts stand, but hardly in what the places are called, so this knows the
//! names and no provider. What is not text (pictures, audio, files, ids) is left out.

use tidegauge_core::{Asked, Sample};

use crate::field::{Json, MAX_DEPTH};
use crate::said::sample;

/// Members of a body that hold what the model is shown.
const SHOWN: &[&str] = &[
    "chat_history",
    "content",
    "contents",
    "documents",
    "input",
    "inputText",
    "inputs",
    "instances",
    "instructions",
    "message",
    "messages",
    "preamble",
    "prompt",
    "requests",
    "suffix",
    "system",
    "systemInstruction",
    "system_instruction",
    "texts",
];

/// Members of a body that declare tools.
const TOOLS: &[&str] = &["functions", "toolConfig", "tools"];

/// Members below those whose strings are no text, or not shown.
const NO_TEXT: &[&str] = &[
    "audio",
    "bytes",
    "cachePoint",
    "cache_control",
    "callId",
    "call_id",
    "data",
    "detail",
    "encrypted_content",
    "fileData",
    "fileId",
    "file_data",
    "file_id",
    "format",
    "id",
    "image",
    "image_url",
    "images",
    "inlineData",
    "inline_data",
    "input_audio",
    "media_type",
    "mimeType",
    "mime_type",
    "model",
    "redacted_thinking",
    "role",
    "signature",
    "source",
    "status",
    "thinking",
    "thoughtSignature",
    "thought_signature",
    "toolUseId",
    "tool_call_id",
    "tool_choice",
    "tool_use_id",
    "type",
    "uri",
    "url",
    "video",
];

/// Members that hold JSON, shown as such.
const JSON: &[&str] = &["args", "arguments", "input", "parameters", "response", "json"];

/// What a request body asks, in so many messages. `frame` is what tools add beside themselves.
pub(crate) fn asked(body: Json<'_>, messages: u64, frame: u64) -> Asked {
    let (mut text, mut tools) = (Raw::default(), Raw::default());
    for (name, value) in body.members() {
        if SHOWN.iter().any(|shown| name.is(shown)) {
            text.walk(value, 0);
        } else if TOOLS.iter().any(|holder| name.is(holder)) {
            tools.json(value);
        }
    }
    let (text, tools) = (text.settle(), tools.settle());
    let frame = if tools.bytes > 0 { frame } else { 0 };
    Asked { text, tools, messages, frame }
}

/// Texts in a row, escaped as they came, and how long they were.
#[derive(Default)]
struct Raw {
    text: Vec<u8>,
    left_out: u64,
}

impl Raw {
    fn walk(&mut self, value: Json<'_>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        self.string(value);
        value.items().for_each(|item| self.walk(item, depth + 1));
        for (name, member) in value.members() {
            if NO_TEXT.iter().any(|word| name.is(word)) {
                continue;
            }
            if depth > 0 && member.is_object() && JSON.iter().any(|word| name.is(word)) {
                self.json(member);
            } else {
                self.walk(member, depth + 1);
            }
        }
    }

    fn string(&mut self, value: Json<'_>) {
        let Some((raw, left_out)) = value.raw() else { return };
        self.text.extend_from_slice(raw);
        self.text.push(b'\n');
        self.left_out += left_out;
    }

    /// JSON as it stands there. Its quotes are no escapes.
    fn json(&mut self, value: Json<'_>) {
        let from = self.text.len();
        self.text.extend_from_slice(value.source());
        self.text.push(b'\n');
        // A backslash in here would be read as the beginning of an escape, which it is.
        self.left_out += left_out(self.text.get(from..).unwrap_or_default());
    }

    fn settle(self) -> Sample {
        let bytes = self.text.len() as u64 + self.left_out;
        sample(&self.text, bytes)
    }
}

/// How many bytes the marks of shortened strings say are missing.
fn left_out(json: &[u8]) -> u64 {
    let mark = crate::field::CUT.as_bytes();
    let marks: Vec<usize> = memchr::memmem::find_iter(json, mark).collect();
    marks
        .windows(2)
        .filter_map(|pair| {
            let [from, to] = pair else { return None };
            std::str::from_utf8(json.get(from + mark.len()..*to)?).ok()?.parse::<u64>().ok()
        })
        .fold(0, u64::saturating_add)
}
