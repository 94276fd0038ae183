//! Shortens what was written down until it fits: the longest texts first, so that every message is
//! still there and short ones are whole.

use tidegauge_core::{Content, Part, Value};

use crate::field::clip;

/// What the frame of a message, part or tool takes, in bytes.
const FRAME: usize = 48;
/// What is left of a value at least, so that it still says what it is.
const LEAST: usize = 64;

/// Makes `content` fit into `room` bytes of JSON, as far as its texts allow. Gives back whether
/// something was cut.
pub(super) fn to(content: &mut Content, room: usize) -> bool {
    let mut sizes = Vec::new();
    let mut frames = 0;
    each(content, &mut |unit| {
        frames += FRAME;
        sizes.push(unit.size());
    });
    let room = room.saturating_sub(frames);
    if sizes.iter().sum::<usize>() <= room {
        return false;
    }
    let most = cap(sizes, room);
    let mut cut = false;
    each(content, &mut |unit| cut |= unit.cut(most));
    cut
}

/// About how many bytes of JSON `content` takes.
pub(super) fn size(content: &mut Content) -> usize {
    let messages = content.input.iter().chain(&content.output);
    let things = messages.map(|message| 1 + message.parts.len()).sum::<usize>();
    let mut all = FRAME * (things + content.system.len() + content.tools.len());
    each(content, &mut |unit| all += unit.size());
    all
}

/// The largest size so that, with nothing larger, all of them fit.
fn cap(mut sizes: Vec<usize>, room: usize) -> usize {
    sizes.sort_unstable();
    let (mut left, mut more) = (room, sizes.len());
    for size in sizes {
        if size > left / more {
            return left / more;
        }
        left -= size;
        more -= 1;
    }
    left
}

/// Something that can be shortened.
enum Unit<'a> {
    Text(&'a mut String),
    /// Base64: whole or not at all.
    Data(&'a mut String),
    Value(&'a mut Value),
}

impl Unit<'_> {
    fn size(&self) -> usize {
        match self {
            Self::Text(text) | Self::Data(text) => written(text),
            Self::Value(value) => value_size(value),
        }
    }

    fn cut(self, most: usize) -> bool {
        if self.size() <= most {
            return false;
        }
        match self {
            Self::Text(text) => cut_text(text, most),
            Self::Data(text) => text.clear(),
            Self::Value(value) => _ = cut_value(value, most.max(LEAST)),
        }
        true
    }
}

fn each(content: &mut Content, show: &mut impl FnMut(Unit<'_>)) {
    let messages = content.input.iter_mut().chain(&mut content.output);
    let parts = messages.flat_map(|message| &mut message.parts);
    for part in content.system.iter_mut().chain(parts) {
        match part {
            Part::Text { content } | Part::Reasoning { content } => show(Unit::Text(content)),
            Part::ToolCall { arguments, .. } => {
                arguments.iter_mut().for_each(|value| show(Unit::Value(value)));
            }
            Part::ToolCallResponse { response: value, .. }
            | Part::ServerToolCall { call: value, .. }
            | Part::ServerToolCallResponse { response: value, .. } => show(Unit::Value(value)),
            Part::Blob { content, .. } => show(Unit::Data(content)),
            Part::Uri { uri, .. } => show(Unit::Text(uri)),
            Part::Compaction { content, .. } | Part::Other { content, .. } => {
                content.iter_mut().for_each(|text| show(Unit::Text(text)));
            }
            Part::File { .. } => {}
        }
    }
    for tool in &mut content.tools {
        tool.description.iter_mut().for_each(|text| show(Unit::Text(text)));
        tool.parameters.iter_mut().for_each(|value| show(Unit::Value(value)));
    }
}

/// Bytes of a text as it stands in JSON, without its quotes.
fn written(text: &str) -> usize {
    text.bytes().map(|byte| usize::from(written_byte(byte))).sum()
}

fn written_byte(byte: u8) -> u8 {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    }
}

fn cut_text(text: &mut String, most: usize) {
    let mut left = most;
    let fits = text.bytes().take_while(|byte| {
        let size = usize::from(written_byte(*byte));
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    });
    let end = fits.count();
    let end = clip(text, end).len();
    text.truncate(end);
}

fn value_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Whole(_) | Value::Real(_) => 12,
        Value::Text(text) => written(text) + 3,
        Value::List(values) => 2 + values.iter().map(value_size).sum::<usize>(),
        Value::Map(members) => {
            let member = |(name, value): &(String, Value)| written(name) + 4 + value_size(value);
            2 + members.iter().map(member).sum::<usize>()
        }
    }
}

/// Cuts texts, and ends lists and maps, once `room` is used up. Gives back what is left of it. What
/// had a `type` keeps it if it came first.
fn cut_value(value: &mut Value, room: usize) -> usize {
    match value {
        Value::Null | Value::Bool(_) => room.saturating_sub(5),
        Value::Whole(_) | Value::Real(_) => room.saturating_sub(12),
        Value::Text(text) => {
            cut_text(text, room.saturating_sub(3));
            room.saturating_sub(written(text) + 3)
        }
        Value::List(values) => {
            let mut left = room.saturating_sub(2);
            values.retain_mut(|value| {
                let stays = left > 0;
                if stays {
                    left = cut_value(value, left);
                }
                stays
            });
            left
        }
        Value::Map(members) => {
            let mut left = room.saturating_sub(2);
            members.retain_mut(|(name, value)| {
                let size = written(name) + 4;
                let stays = size < left;
                if stays {
                    left = cut_value(value, left - size);
                }
                stays
            });
            left
        }
    }
}

#[cfg(test)]
mod tests;
