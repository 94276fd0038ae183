//! What counting and checking need of what was said: samples of text, tool schemas, tool arguments.
//!
//! Made when an exchange is over, used and dropped before its record is shown to anybody: nothing in
//! here may get into a record.

use std::fmt;

/// What of one exchange is needed beside its observation.
#[derive(Clone, PartialEq, Default)]
pub struct Texts {
    /// The prompt, if its tokens were not told.
    pub asked: Option<Asked>,
    /// The answer, if its tokens were not told, or only up to a break.
    pub answered: Option<Sample>,
    /// The tools that the request declares, if the answer calls any.
    pub tools: Vec<Tool>,
    /// The calls of the answer, as far as they are whole.
    pub calls: Vec<Call>,
}

/// A prompt, as far as a count needs it.
#[derive(Clone, PartialEq, Default)]
pub struct Asked {
    /// What the messages and instructions say.
    pub text: Sample,
    /// Names, descriptions and parameters of the tools.
    pub tools: Sample,
    /// Messages in a conversation; 0 where there is none.
    pub messages: u64,
    /// Tokens that the provider is known to add because there are tools.
    pub frame: u64,
}

/// The beginning of a text, and how long all of it is.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Sample {
    /// The beginning; where texts were shortened one by one, their beginnings in a row.
    pub text: String,
    /// Bytes of the whole, at least those of `text`.
    pub bytes: u64,
}

/// A tool that a request declares.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// The JSON schema of its arguments, as JSON text; empty where it was too large to be kept whole.
    pub schema: String,
}

/// A tool call of an answer.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Call {
    /// The name of the tool.
    pub name: String,
    /// Its arguments, valid JSON.
    pub arguments: String,
}

impl fmt::Debug for Texts {
    /// Without what was said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Texts({} tools, {} calls)", self.tools.len(), self.calls.len())
    }
}

macro_rules! silent {
    ($($name:ident),+) => {
        $(impl fmt::Debug for $name {
            /// Without what was said.
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        })+
    };
}

silent!(Asked, Sample, Tool, Call);
