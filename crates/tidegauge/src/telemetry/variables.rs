//! The `OTEL_*` variables: looked up, understood, and ignored aloud where they mean nothing.
//!
//! These variables are set for whole machines and clusters, and one that another SDK understands must
//! not keep the proxy from starting: a value that is not understood counts as unset and is noted
//! (OpenTelemetry, "environment variable specification"). Knows no meaning; a value that may be secret
//! is never repeated.

use std::fmt;
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// One value that was typed and means nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misread {
    /// The variable, or the setting as `telemetry.<name>`.
    pub what: String,
    /// What would have been understood.
    pub expected: String,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}", self.what, self.expected)
    }
}

/// Reads variables and notes those that mean nothing.
pub(super) struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    ignored: Vec<Misread>,
}

impl<'a> Variables<'a> {
    /// `lookup` gives the value of a variable; an empty one counts as unset.
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, ignored: Vec::new() }
    }

    /// What was ignored so far, each variable once.
    pub(super) fn into_ignored(self) -> Vec<Misread> {
        self.ignored
    }

    /// The value as it is typed, without space around it.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = (self.lookup)(name)?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// What `read` makes of the value; `None` when it is not set or means nothing, which is noted.
    pub(super) fn read<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = read(&self.text(name)?);
        if value.is_none() {
            self.ignore(name, expected);
        }
        value
    }

    /// Notes that a variable, or a part of it, is ignored.
    pub(super) fn ignore(&mut self, name: &str, expected: &str) {
        let misread = Misread { what: name.to_owned(), expected: expected.to_owned() };
        if !self.ignored.contains(&misread) {
            self.ignored.push(misread);
        }
    }

    pub(super) fn boolean(&mut self, name: &str) -> Option<bool> {
        self.read(name, "true or false", boolean)
    }

    pub(super) fn number(&mut self, name: &str) -> Option<usize> {
        self.read(name, "a whole number", |text| text.parse().ok())
    }

    pub(super) fn positive(&mut self, name: &str) -> Option<usize> {
        let above_zero = |text: &str| text.parse().ok().filter(|number| *number > 0);
        self.read(name, "a whole number above 0", above_zero)
    }

    pub(super) fn millis(&mut self, name: &str) -> Option<Duration> {
        self.read(name, MILLIS, millis)
    }
}

/// What [`millis`] reads.
pub(super) const MILLIS: &str = "milliseconds, a whole number above 0";

/// A time in milliseconds; zero means nothing.
pub(super) fn millis(text: &str) -> Option<Duration> {
    text.parse().ok().filter(|millis| *millis > 0).map(Duration::from_millis)
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Percent-encoding undone; what is not text then stays as it is.
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Into::into)
}
