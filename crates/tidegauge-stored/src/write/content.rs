//! What was said into messages of the stored form. Total: what nests too deep is written as null, and
//! the content as truncated.

use tidegauge_core::{Content, Message, Modality, Part, ToolDefinition, Value};

use crate::{DEEPEST, proto};

pub(crate) fn content(content: &Content) -> proto::Content {
    let Content { system, input, output, tools, truncated } = content;
    let mut scribe = Scribe { truncated: *truncated };
    proto::Content {
        system: scribe.parts(system),
        input: scribe.messages(input),
        output: scribe.messages(output),
        tools: scribe.tools(tools),
        truncated: scribe.truncated,
    }
}

/// Remembers whether something was left out.
struct Scribe {
    truncated: bool,
}

impl Scribe {
    fn messages(&mut self, messages: &[Message]) -> Vec<proto::Message> {
        messages.iter().map(|message| self.message(message)).collect()
    }

    fn message(&mut self, message: &Message) -> proto::Message {
        let Message { role, parts, name, finish_reason } = message;
        proto::Message {
            role: role.clone(),
            parts: self.parts(parts),
            name: name.clone(),
            finish_reason: finish_reason.clone(),
        }
    }

    fn tools(&mut self, tools: &[ToolDefinition]) -> Vec<proto::ToolDefinition> {
        tools.iter().map(|tool| self.tool(tool)).collect()
    }

    fn tool(&mut self, tool: &ToolDefinition) -> proto::ToolDefinition {
        let ToolDefinition { kind, name, description, parameters } = tool;
        proto::ToolDefinition {
            kind: kind.clone(),
            name: name.clone(),
            description: description.clone(),
            parameters: parameters.as_ref().map(|value| self.value(value, 0)),
        }
    }

    fn parts(&mut self, parts: &[Part]) -> Vec<proto::Part> {
        parts.iter().map(|part| proto::Part { part: Some(self.part(part)) }).collect()
    }

    fn part(&mut self, part: &Part) -> proto::part::Part {
        use proto::part::Part as Stored;
        match part {
            Part::Text { content } => Stored::Text(content.clone()),
            Part::Reasoning { content } => Stored::Reasoning(content.clone()),
            Part::ToolCall { id, name, arguments } => {
                let input = arguments.as_ref().map(|value| self.value(value, 0));
                Stored::ToolCall(tool_call(id, name, input))
            }
            Part::ToolCallResponse { id, response } => {
                Stored::ToolCallResponse(self.response(id, response))
            }
            Part::ServerToolCall { id, name, call } => {
                let input = Some(self.value(call, 0));
                Stored::ServerToolCall(tool_call(id, name, input))
            }
            Part::ServerToolCallResponse { id, response } => {
                Stored::ServerToolCallResponse(self.response(id, response))
            }
            Part::Blob { modality, mime_type, content } => {
                Stored::Blob(data(*modality, mime_type, content))
            }
            Part::Uri { modality, mime_type, uri } => Stored::Uri(data(*modality, mime_type, uri)),
            Part::File { modality, mime_type, file_id } => {
                Stored::File(data(*modality, mime_type, file_id))
            }
            Part::Compaction { id, content } => {
                Stored::Compaction(proto::Compaction { id: id.clone(), content: content.clone() })
            }
            Part::Other { kind, content } => {
                Stored::Other(proto::OtherPart { kind: kind.clone(), content: content.clone() })
            }
        }
    }

    fn response(&mut self, id: &Option<String>, response: &Value) -> proto::ToolResponse {
        proto::ToolResponse { id: id.clone(), response: Some(self.value(response, 0)) }
    }

    fn value(&mut self, value: &Value, depth: usize) -> proto::Value {
        use proto::value::Value as Stored;
        let stored = match value {
            Value::Null => None,
            Value::Bool(bool) => Some(Stored::Bool(*bool)),
            Value::Whole(number) => Some(Stored::Whole(*number)),
            Value::Real(number) => Some(Stored::Real(*number)),
            Value::Text(text) => Some(Stored::Text(text.clone())),
            Value::List(_) | Value::Map(_) if depth >= DEEPEST => {
                self.truncated = true;
                None
            }
            Value::List(values) => {
                let values = values.iter().map(|value| self.value(value, depth + 1)).collect();
                Some(Stored::List(proto::List { values }))
            }
            Value::Map(members) => {
                let members = members.iter().map(|(name, value)| proto::Member {
                    name: name.clone(),
                    value: Some(self.value(value, depth + 1)),
                });
                Some(Stored::Map(proto::Map { members: members.collect() }))
            }
        };
        proto::Value { value: stored }
    }
}

fn tool_call(id: &Option<String>, name: &str, input: Option<proto::Value>) -> proto::ToolCall {
    proto::ToolCall { id: id.clone(), name: name.to_owned(), input }
}

fn data(modality: Modality, mime_type: &Option<String>, data: &str) -> proto::Data {
    proto::Data {
        modality: modality.name().to_owned(),
        mime_type: mime_type.clone(),
        data: data.to_owned(),
    }
}
