//! Messages of the stored form into what was said. Total: what cannot be understood is left out, and
//! the content then says that it is truncated.

use tidegauge_core::{Content, Message, Modality, Part, ToolDefinition, Value};

use super::named;
use crate::{DEEPEST, proto};

pub(crate) fn content(stored: proto::Content) -> Content {
    let proto::Content { system, input, output, tools, truncated } = stored;
    let mut reader = Reader { truncated };
    Content {
        system: reader.parts(system),
        input: reader.messages(input),
        output: reader.messages(output),
        tools: reader.tools(tools),
        truncated: reader.truncated,
    }
}

/// Remembers whether something was left out.
struct Reader {
    truncated: bool,
}

impl Reader {
    fn messages(&mut self, stored: Vec<proto::Message>) -> Vec<Message> {
        stored.into_iter().map(|message| self.message(message)).collect()
    }

    fn message(&mut self, stored: proto::Message) -> Message {
        let proto::Message { role, parts, name, finish_reason } = stored;
        Message { role, parts: self.parts(parts), name, finish_reason }
    }

    fn tools(&mut self, stored: Vec<proto::ToolDefinition>) -> Vec<ToolDefinition> {
        stored.into_iter().map(|tool| self.tool(tool)).collect()
    }

    fn tool(&mut self, stored: proto::ToolDefinition) -> ToolDefinition {
        let proto::ToolDefinition { kind, name, description, parameters } = stored;
        let parameters = parameters.map(|value| self.value(value, 0));
        ToolDefinition { kind, name, description, parameters }
    }

    fn parts(&mut self, stored: Vec<proto::Part>) -> Vec<Part> {
        let parts = stored.into_iter().filter_map(|part| {
            let part = part.part.and_then(|part| self.part(part));
            self.truncated |= part.is_none();
            part
        });
        parts.collect()
    }

    /// `None` for what a later version may know.
    fn part(&mut self, stored: proto::part::Part) -> Option<Part> {
        use proto::part::Part as Stored;
        Some(match stored {
            Stored::Text(content) => Part::Text { content },
            Stored::Reasoning(content) => Part::Reasoning { content },
            Stored::ToolCall(proto::ToolCall { id, name, input }) => {
                Part::ToolCall { id, name, arguments: input.map(|value| self.value(value, 0)) }
            }
            Stored::ToolCallResponse(proto::ToolResponse { id, response }) => {
                Part::ToolCallResponse { id, response: self.value(response?, 0) }
            }
            Stored::ServerToolCall(proto::ToolCall { id, name, input }) => {
                Part::ServerToolCall { id, name, call: self.value(input?, 0) }
            }
            Stored::ServerToolCallResponse(proto::ToolResponse { id, response }) => {
                Part::ServerToolCallResponse { id, response: self.value(response?, 0) }
            }
            Stored::Blob(proto::Data { modality: kind, mime_type, data: content }) => {
                Part::Blob { modality: modality(&kind)?, mime_type, content }
            }
            Stored::Uri(proto::Data { modality: kind, mime_type, data: uri }) => {
                Part::Uri { modality: modality(&kind)?, mime_type, uri }
            }
            Stored::File(proto::Data { modality: kind, mime_type, data: file_id }) => {
                Part::File { modality: modality(&kind)?, mime_type, file_id }
            }
            Stored::Compaction(proto::Compaction { id, content }) => {
                Part::Compaction { id, content }
            }
            Stored::Other(proto::OtherPart { kind, content }) => Part::Other { kind, content },
        })
    }

    fn value(&mut self, stored: proto::Value, depth: usize) -> Value {
        use proto::value::Value as Stored;
        match stored.value {
            None => Value::Null,
            Some(Stored::Bool(bool)) => Value::Bool(bool),
            Some(Stored::Whole(number)) => Value::Whole(number),
            Some(Stored::Real(number)) if number.is_finite() => Value::Real(number),
            Some(Stored::Text(text)) => Value::Text(text),
            Some(Stored::List(proto::List { values })) if depth < DEEPEST => {
                Value::List(values.into_iter().map(|value| self.value(value, depth + 1)).collect())
            }
            Some(Stored::Map(proto::Map { members })) if depth < DEEPEST => {
                let members = members.into_iter().map(|proto::Member { name, value }| {
                    (name, self.value(value.unwrap_or_default(), depth + 1))
                });
                Value::Map(members.collect())
            }
            Some(Stored::Real(_) | Stored::List(_) | Stored::Map(_)) => {
                self.truncated = true;
                Value::Null
            }
        }
    }
}

fn modality(word: &str) -> Option<Modality> {
    named(&Modality::ALL, Modality::name, word)
}
