//! What was said, in the shape of the GenAI conventions.

use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tidegauge_core::{Content, Field, Fields, Message, Part, ToolDefinition, Value};

/// What was said; only where it was captured.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ContentJson<'a> {
    /// Parts: instructions that the request keeps apart from its messages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system_instructions: Vec<Item<'a>>,
    /// Messages of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub input_messages: Vec<Item<'a>>,
    /// One message a choice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub output_messages: Vec<Item<'a>>,
    /// Tools of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_definitions: Vec<Item<'a>>,
    /// Something was shortened or left out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl<'a> From<&'a Content> for ContentJson<'a> {
    fn from(said: &'a Content) -> Self {
        Self {
            system_instructions: items(&said.system, Part::fields),
            input_messages: items(&said.input, Message::fields),
            output_messages: items(&said.output, Message::fields),
            tool_definitions: items(&said.tools, ToolDefinition::fields),
            truncated: said.truncated,
        }
    }
}

/// A message, part or tool.
#[derive(Clone, PartialEq, Debug)]
pub enum Item<'a> {
    /// One that is to be written.
    Fields(Fields<'a>),
    /// One that was read.
    Read(Json),
}

fn items<'a, T>(all: &'a [T], fields: fn(&'a T) -> Fields<'a>) -> Vec<Item<'a>> {
    all.iter().map(|one| Item::Fields(fields(one))).collect()
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let fields = match self {
            Self::Fields(fields) => fields,
            Self::Read(value) => return value.serialize(to),
        };
        let mut map = to.serialize_map(Some(fields.len()))?;
        for (name, field) in fields {
            match field {
                Field::Text(text) => map.serialize_entry(name, text)?,
                Field::Value(value) => map.serialize_entry(name, &Shown(value))?,
                Field::Parts(parts) => map.serialize_entry(name, &items(parts, Part::fields))?,
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Item<'_> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Json::deserialize(from).map(Self::Read)
    }
}

/// Any JSON value, with the members of its objects in their order.
#[derive(Clone, PartialEq, Debug)]
pub struct Json(pub Value);

/// A value as it stood in the body.
struct Shown<'a>(&'a Value);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => to.serialize_unit(),
            Value::Bool(truth) => to.serialize_bool(*truth),
            Value::Whole(whole) => to.serialize_i64(*whole),
            Value::Real(real) => to.serialize_f64(*real),
            Value::Text(text) => to.serialize_str(text),
            Value::List(values) => to.collect_seq(values.iter().map(Shown)),
            Value::Map(members) => {
                to.collect_map(members.iter().map(|(name, value)| (name, Shown(value))))
            }
        }
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Shown(&self.0).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json(Value::Null))
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json(Value::Bool(truth)))
    }

    fn visit_i64<E>(self, whole: i64) -> Result<Json, E> {
        Ok(Json(Value::Whole(whole)))
    }

    fn visit_u64<E>(self, whole: u64) -> Result<Json, E> {
        #[expect(clippy::cast_precision_loss, reason = "a number that does not fit is a real one")]
        let real = || Value::Real(whole as f64);
        Ok(Json(i64::try_from(whole).map_or_else(|_| real(), Value::Whole)))
    }

    fn visit_f64<E>(self, real: f64) -> Result<Json, E> {
        Ok(Json(Value::Real(real)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json(Value::Text(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json(Value::Text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(Json(value)) = seq.next_element()? {
            values.push(value);
        }
        Ok(Json(Value::List(values)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some((name, Json(value))) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(Json(Value::Map(members)))
    }
}
