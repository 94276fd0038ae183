//! What was said, in the two forms in which it leaves: as JSON text on spans, as values on events.
//!
//! The shape is the one of the message schemas of the GenAI conventions. Pure. Must not decide what may
//! be said: what is not in a record was not to be.

use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, KeyValue, KeyValueList, any_value::Value as Any,
};
use tidegauge_core::{Content, Field, Fields, Message, Part, Record, ToolDefinition, Value};

use crate::attribute::Attributes;
use crate::semconv as name;

/// As JSON text, because not every reader of spans takes other values. It is never cut: a part of it
/// would be no JSON.
pub(crate) fn on_span(list: &mut Attributes<'_>, record: &Record) {
    let Some(content) = &record.observation.content else { return };
    for (key, things) in written(content) {
        if !things.is_empty() {
            list.text_uncut(key, &json(&things));
        }
    }
    list.flag(name::CONTENT_TRUNCATED, content.truncated);
}

/// As values, as the convention wants it for events.
pub(crate) fn on_event(list: &mut Attributes<'_>, record: &Record) {
    let Some(content) = &record.observation.content else { return };
    for (key, things) in written(content) {
        if !things.is_empty() {
            list.any(key, &any_list(things.into_iter().map(any_fields)));
        }
    }
    list.flag(name::CONTENT_TRUNCATED, content.truncated);
}

/// What went in and what came out, each as one value: a single text as it is, all else as JSON.
pub(crate) fn as_input_output(list: &mut Attributes<'_>, record: &Record) {
    let Some(content) = &record.observation.content else { return };
    let mut input = Vec::new();
    if !content.system.is_empty() {
        let parts = Field::Parts(&content.system);
        input.push(vec![("role", Field::Text("system")), ("parts", parts)]);
    }
    input.extend(content.input.iter().map(Message::fields));
    let output: Vec<_> = content.output.iter().map(Message::fields).collect();
    let text = single_text(&content.input).filter(|_| content.system.is_empty());
    value_and_type(list, (name::INPUT_VALUE, name::INPUT_MIME_TYPE), text, &input);
    let text = single_text(&content.output);
    value_and_type(list, (name::OUTPUT_VALUE, name::OUTPUT_MIME_TYPE), text, &output);
}

fn single_text(messages: &[Message]) -> Option<&str> {
    match messages {
        [Message { parts, .. }] => match &parts[..] {
            [Part::Text { content }] => Some(content),
            _ => None,
        },
        _ => None,
    }
}

fn value_and_type(
    list: &mut Attributes<'_>,
    (value, kind): (&str, &str),
    text: Option<&str>,
    messages: &[Fields<'_>],
) {
    match text {
        Some(text) => {
            list.text_uncut(value, text);
            list.text(kind, "text/plain");
        }
        None if messages.is_empty() => {}
        None => {
            list.text_uncut(value, &json(messages));
            list.text(kind, "application/json");
        }
    }
}

/// What is said, by the name of its attribute.
fn written(content: &Content) -> [(&'static str, Vec<Fields<'_>>); 4] {
    [
        (name::SYSTEM_INSTRUCTIONS, content.system.iter().map(Part::fields).collect()),
        (name::INPUT_MESSAGES, content.input.iter().map(Message::fields).collect()),
        (name::OUTPUT_MESSAGES, content.output.iter().map(Message::fields).collect()),
        (name::TOOL_DEFINITIONS, content.tools.iter().map(ToolDefinition::fields).collect()),
    ]
}

fn json(things: &[Fields<'_>]) -> String {
    let mut out = String::new();
    list(&mut out, things, members);
    out
}

fn members(out: &mut String, fields: &Fields<'_>) {
    out.push('{');
    for (place, (name, field)) in fields.iter().enumerate() {
        separate(out, place);
        text(out, name);
        out.push(':');
        match field {
            Field::Text(told) => text(out, told),
            Field::Value(told) => value(out, told),
            Field::Parts(parts) => list(out, parts, |out, part| members(out, &part.fields())),
        }
    }
    out.push('}');
}

fn value(out: &mut String, told: &Value) {
    match told {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Whole(whole) => _ = write!(out, "{whole}"),
        // Finite, and with a dot or an exponent, so that it is read as what it was.
        Value::Real(real) => _ = write!(out, "{real:?}"),
        Value::Text(told) => text(out, told),
        Value::List(values) => list(out, values, value),
        Value::Map(all) => {
            out.push('{');
            for (place, (name, told)) in all.iter().enumerate() {
                separate(out, place);
                text(out, name);
                out.push(':');
                value(out, told);
            }
            out.push('}');
        }
    }
}

fn list<T>(out: &mut String, all: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (place, one) in all.iter().enumerate() {
        separate(out, place);
        write(out, one);
    }
    out.push(']');
}

fn separate(out: &mut String, place: usize) {
    if place > 0 {
        out.push(',');
    }
}

/// A JSON string (RFC 8259, 7).
fn text(out: &mut String, told: &str) {
    out.push('"');
    for letter in told.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if u32::from(control) < 0x20 => {
                _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn of(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn any_list(values: impl Iterator<Item = AnyValue>) -> AnyValue {
    of(Any::ArrayValue(ArrayValue { values: values.collect() }))
}

fn any_fields(fields: Fields<'_>) -> AnyValue {
    any_map(fields.into_iter().map(|(name, field)| {
        let value = match field {
            Field::Text(text) => of(Any::StringValue(text.to_owned())),
            Field::Value(value) => any_value(value),
            Field::Parts(parts) => any_list(parts.iter().map(|part| any_fields(part.fields()))),
        };
        (name, value)
    }))
}

fn any_map<'a>(members: impl Iterator<Item = (&'a str, AnyValue)>) -> AnyValue {
    let member = |(name, value): (&str, AnyValue)| KeyValue {
        key: name.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    };
    of(Any::KvlistValue(KeyValueList { values: members.map(member).collect() }))
}

/// Null is a value without one.
fn any_value(told: &Value) -> AnyValue {
    of(match told {
        Value::Null => return AnyValue::default(),
        Value::Bool(truth) => Any::BoolValue(*truth),
        Value::Whole(whole) => Any::IntValue(*whole),
        Value::Real(real) => Any::DoubleValue(*real),
        Value::Text(text) => Any::StringValue(text.clone()),
        Value::List(values) => return any_list(values.iter().map(any_value)),
        Value::Map(members) => {
            return any_map(members.iter().map(|(name, value)| (name.as_str(), any_value(value))));
        }
    })
}

#[cfg(test)]
mod tests;
