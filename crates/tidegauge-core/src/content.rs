//! What was said in an exchange, word by word: only there when its capture was asked for.
//!
//! The shape is that of the GenAI conventions' message schemas; `fields` tells how each thing is
//! written, once for all writers. This file must not know a provider's format.

/// How much of what is said may be kept. A later word permits more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Capture {
    /// Nothing.
    #[default]
    Off,
    /// What is left once secrets and personal data are taken out.
    Redacted,
    /// All of it.
    Full,
}

impl Capture {
    /// The word of the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Redacted => "redacted",
            Self::Full => "full",
        }
    }
}

/// What was said in one exchange.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Content {
    /// Instructions that the request keeps apart from its messages.
    pub system: Vec<Part>,
    /// The messages of the request, oldest first.
    pub input: Vec<Message>,
    /// One message per choice, in order.
    pub output: Vec<Message>,
    /// The tools that the request declares.
    pub tools: Vec<ToolDefinition>,
    /// Something was shortened or left out because there was too much of it.
    pub truncated: bool,
}

/// One message.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool` or a word of the provider.
    pub role: String,
    /// What it holds, in order.
    pub parts: Vec<Part>,
    /// Who speaks, where the message tells.
    pub name: Option<String>,
    /// Why it ended, in the convention's words where there is one; on output messages only.
    pub finish_reason: Option<String>,
}

/// The kind of thing that is not text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Modality {
    /// A picture.
    Image,
    /// Moving pictures.
    Video,
    /// Sound.
    Audio,
    /// A document.
    Document,
}

impl Modality {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Image, Self::Video, Self::Audio, Self::Document];

    /// The word of the convention.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Document => "document",
        }
    }
}

/// A piece of a message.
#[derive(Clone, PartialEq, Debug)]
pub enum Part {
    /// Text.
    Text {
        /// It.
        content: String,
    },
    /// What a model thought.
    Reasoning {
        /// It.
        content: String,
    },
    /// The model wants a tool run.
    ToolCall {
        /// Its id, to which the result refers.
        id: Option<String>,
        /// The tool.
        name: String,
        /// An object, or the text as it came where that is not one.
        arguments: Option<Value>,
    },
    /// What a tool gave back.
    ToolCallResponse {
        /// The id of the call.
        id: Option<String>,
        /// The result.
        response: Value,
    },
    /// The provider ran a tool of its own.
    ServerToolCall {
        /// Its id.
        id: Option<String>,
        /// The tool.
        name: String,
        /// What it was asked: an object with a `type`.
        call: Value,
    },
    /// What a tool of the provider gave back.
    ServerToolCallResponse {
        /// The id of the call.
        id: Option<String>,
        /// The result: an object with a `type`.
        response: Value,
    },
    /// Data in the message itself.
    Blob {
        /// What it is.
        modality: Modality,
        /// Its media type, where told.
        mime_type: Option<String>,
        /// Base64; empty where it was too much to keep, or may not be kept.
        content: String,
    },
    /// Data somewhere else.
    Uri {
        /// What it is.
        modality: Modality,
        /// Its media type, where told.
        mime_type: Option<String>,
        /// Where.
        uri: String,
    },
    /// Data that was handed to the provider before.
    File {
        /// What it is.
        modality: Modality,
        /// Its media type, where told.
        mime_type: Option<String>,
        /// The provider's id of it.
        file_id: String,
    },
    /// Stands for messages before it.
    Compaction {
        /// Its id.
        id: Option<String>,
        /// What it says of them, where that can be read.
        content: Option<String>,
    },
    /// What the convention has no word for.
    Other {
        /// The provider's word for it, or ours.
        kind: String,
        /// Its text, if it has one.
        content: Option<String>,
    },
}

/// A tool that a request declares.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ToolDefinition {
    /// `function`, or the provider's word for a tool of its own.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What it does; only where definitions are captured whole.
    pub description: Option<String>,
    /// The schema of its arguments; only where definitions are captured whole.
    pub parameters: Option<Value>,
}

/// A JSON value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// Null.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number that fits.
    Whole(i64),
    /// Any other number; always finite.
    Real(f64),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Value>),
    /// Named values in order.
    Map(Vec<(String, Value)>),
}

/// One member of the written form of a message, part or tool.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Field<'a> {
    /// A text.
    Text(&'a str),
    /// Any value.
    Value(&'a Value),
    /// A list of parts.
    Parts(&'a [Part]),
}

/// Names and values of a written form, in order; what is absent is left out.
pub type Fields<'a> = Vec<(&'static str, Field<'a>)>;

impl Content {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        self.system.is_empty()
            && self.input.is_empty()
            && self.output.is_empty()
            && self.tools.is_empty()
    }

    /// Shows every text in it to `change`, names and keys included: there is none that is not shown.
    /// What stands in a value under a name comes with that name. Stops at the first error.
    ///
    /// # Errors
    /// What `change` gives back.
    pub fn each_text<E>(
        &mut self,
        change: &mut impl FnMut(Option<&str>, &mut String) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self { system, input, output, tools, truncated: _ } = self;
        system.iter_mut().try_for_each(|part| part.each_text(change))?;
        for message in input.iter_mut().chain(output) {
            let Message { role, parts, name, finish_reason } = message;
            change(None, role)?;
            parts.iter_mut().try_for_each(|part| part.each_text(change))?;
            name.iter_mut().chain(finish_reason).try_for_each(|text| change(None, text))?;
        }
        for tool in tools {
            let ToolDefinition { kind, name, description, parameters } = tool;
            let mut words = [kind, name].into_iter().chain(description);
            words.try_for_each(|text| change(None, text))?;
            parameters.iter_mut().try_for_each(|value| value.each_text(None, change))?;
        }
        Ok(())
    }
}

impl Message {
    /// How it is written.
    pub fn fields(&self) -> Fields<'_> {
        let mut fields =
            vec![("role", Field::Text(&self.role)), ("parts", Field::Parts(&self.parts))];
        fields.extend(text("name", &self.name));
        fields.extend(text("finish_reason", &self.finish_reason));
        fields
    }
}

impl ToolDefinition {
    /// How it is written.
    pub fn fields(&self) -> Fields<'_> {
        let mut fields = vec![("type", Field::Text(&self.kind)), ("name", Field::Text(&self.name))];
        fields.extend(text("description", &self.description));
        fields.extend(self.parameters.as_ref().map(|value| ("parameters", Field::Value(value))));
        fields
    }
}

impl Part {
    /// How it is written.
    pub fn fields(&self) -> Fields<'_> {
        let mut fields = vec![("type", Field::Text(self.kind()))];
        match self {
            Self::Text { content } | Self::Reasoning { content } => {
                fields.push(("content", Field::Text(content)));
            }
            Self::ToolCall { id, name, arguments } => {
                fields.extend(text("id", id));
                fields.push(("name", Field::Text(name)));
                fields.extend(arguments.as_ref().map(|value| ("arguments", Field::Value(value))));
            }
            Self::ToolCallResponse { id, response } => {
                fields.extend(text("id", id));
                fields.push(("response", Field::Value(response)));
            }
            Self::ServerToolCall { id, name, call } => {
                fields.extend(text("id", id));
                fields.push(("name", Field::Text(name)));
                fields.push(("server_tool_call", Field::Value(call)));
            }
            Self::ServerToolCallResponse { id, response } => {
                fields.extend(text("id", id));
                fields.push(("server_tool_call_response", Field::Value(response)));
            }
            Self::Blob { modality, mime_type, content } => {
                fields.extend(data(*modality, mime_type));
                fields.push(("content", Field::Text(content)));
            }
            Self::Uri { modality, mime_type, uri } => {
                fields.extend(data(*modality, mime_type));
                fields.push(("uri", Field::Text(uri)));
            }
            Self::File { modality, mime_type, file_id } => {
                fields.extend(data(*modality, mime_type));
                fields.push(("file_id", Field::Text(file_id)));
            }
            Self::Compaction { id, content } => {
                fields.extend(text("id", id));
                fields.extend(text("content", content));
            }
            Self::Other { content, .. } => fields.extend(text("content", content)),
        }
        fields
    }

    fn kind(&self) -> &str {
        match self {
            Self::Text { .. } => "text",
            Self::Reasoning { .. } => "reasoning",
            Self::ToolCall { .. } => "tool_call",
            Self::ToolCallResponse { .. } => "tool_call_response",
            Self::ServerToolCall { .. } => "server_tool_call",
            Self::ServerToolCallResponse { .. } => "server_tool_call_response",
            Self::Blob { .. } => "blob",
            Self::Uri { .. } => "uri",
            Self::File { .. } => "file",
            Self::Compaction { .. } => "compaction",
            Self::Other { kind, .. } => kind,
        }
    }

    fn each_text<E>(
        &mut self,
        change: &mut impl FnMut(Option<&str>, &mut String) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut word = |text: &mut String| change(None, text);
        match self {
            Self::Text { content } | Self::Reasoning { content } => word(content),
            Self::ToolCall { id, name, arguments } => {
                id.iter_mut().chain([name]).try_for_each(word)?;
                arguments.iter_mut().try_for_each(|value| value.each_text(None, change))
            }
            Self::ToolCallResponse { id, response }
            | Self::ServerToolCallResponse { id, response } => {
                id.iter_mut().try_for_each(word)?;
                response.each_text(None, change)
            }
            Self::ServerToolCall { id, name, call } => {
                id.iter_mut().chain([name]).try_for_each(word)?;
                call.each_text(None, change)
            }
            Self::Blob { modality: _, mime_type, content: one }
            | Self::Uri { modality: _, mime_type, uri: one }
            | Self::File { modality: _, mime_type, file_id: one } => {
                mime_type.iter_mut().chain([one]).try_for_each(word)
            }
            Self::Compaction { id, content } => id.iter_mut().chain(content).try_for_each(word),
            Self::Other { kind, content } => [kind].into_iter().chain(content).try_for_each(word),
        }
    }
}

impl Value {
    fn each_text<E>(
        &mut self,
        of: Option<&str>,
        change: &mut impl FnMut(Option<&str>, &mut String) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Self::Null | Self::Bool(_) | Self::Whole(_) | Self::Real(_) => Ok(()),
            Self::Text(text) => change(of, text),
            Self::List(values) => {
                values.iter_mut().try_for_each(|value| value.each_text(of, change))
            }
            Self::Map(members) => members.iter_mut().try_for_each(|(name, value)| {
                value.each_text(Some(name), change)?;
                change(None, name)
            }),
        }
    }
}

fn text<'a>(name: &'static str, value: &'a Option<String>) -> Option<(&'static str, Field<'a>)> {
    value.as_deref().map(|value| (name, Field::Text(value)))
}

fn data(
    modality: Modality,
    mime_type: &Option<String>,
) -> impl Iterator<Item = (&'static str, Field<'_>)> {
    let mime_type = text("mime_type", mime_type);
    [("modality", Field::Text(modality.name()))].into_iter().chain(mime_type)
}

#[cfg(test)]
mod tests;
