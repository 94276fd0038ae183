//! Turns what is wrong with a configuration into lines for people.
//!
//! Must not hold a value that came from the environment: messages show what was written.

use std::fmt;

/// A place in a text, both from 1; zero when it is not known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct At {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

/// Where a setting was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// In the file; a line of zero means the file as a whole.
    File {
        /// The file as it was named.
        file: String,
        /// Line and column.
        at: At,
    },
    /// In an environment variable.
    Env(String),
    /// In a command line flag.
    Flag(&'static str),
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// The setting, keys joined by dots; empty for the file as a whole.
    pub path: String,
    /// What is wrong and what was expected.
    pub message: String,
    /// The nearest known name, if there is a near one.
    pub hint: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, at } if at.line == 0 => f.write_str(file),
            Self::File { file, at } => write!(f, "{file}:{}:{}", at.line, at.column),
            Self::Env(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Mistake {
    /// `tidegauge.yaml:3:5: upstreams.local.usage: expected ...; did you mean ...?` on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; did you mean `{hint}`?"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong, in the order of the file; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// Orders by place: the file from top to bottom, then the environment, then flags.
    pub(crate) fn new(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| match &mistake.place {
            Place::File { at, .. } => (0, at.line, at.column),
            Place::Env(_) => (1, 0, 0),
            Place::Flag(_) => (2, 0, 0),
        });
        mistakes.dedup();
        Self(mistakes)
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, mistake) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// The known name nearest to what was written, if one is near: at most a third of it differs.
pub(crate) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let lower = written.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, name), name))
        .filter(|(distance, name)| *distance <= (name.len().max(3) / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.to_owned())
}

/// What was written, short enough to show and on one line.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String =
        text.chars().take(60).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(60).is_some() {
        short.push_str("...");
    }
    short
}
