//! A text into the same text without its secrets: each becomes a word such as `[REDACTED:email]`.
//!
//! Knows the forms of secrets, not where the text came from or goes to. Every rule looks at the text
//! as it came and what they find is united, so that no rule can hide half a secret from another.
//! Time is linear in the text: the built-in rules decide after a bounded look, and custom patterns
//! run on a linear engine with a bounded number of matches. What is found is by form: a name or an
//! address has none and stays.

use std::borrow::Cow;
use std::fmt;

use memchr::memmem;
use regex::{Regex, RegexBuilder};

mod assigned;
mod email;
mod number;
#[cfg(test)]
mod tests;
mod token;

/// The most patterns of one's own.
const MAX_PATTERNS: usize = 64;
/// The longest pattern of one's own, in bytes.
const MAX_PATTERN: usize = 1024;
/// The most memory one compiled pattern may take, in bytes, and as much again for its cache.
const MAX_COMPILED: usize = 1 << 20;
/// The longest text, in bytes. A longer one is refused, not half read.
const MAX_TEXT: usize = 4 << 20;
/// How often one pattern of one's own may match in one text. A match may cost a look at all the rest
/// of the text, so without this the time would be quadratic.
const MAX_MATCHES: usize = 4096;
/// How often the result is looked at again. A replacement can give its surroundings a new edge; the
/// built-in rules settle at the second look.
const MAX_ROUNDS: usize = 6;

const OPEN: &str = "[REDACTED:";

/// Replaces secrets. Cheap to clone, made once.
#[derive(Clone)]
pub struct Redactor {
    tokens: token::Tokens,
    assigned: assigned::Assigned,
    custom: Vec<Regex>,
}

/// A pattern that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("pattern {index}: {reason}")]
pub struct BadPattern {
    /// Its place in the list, from 0.
    pub index: usize,
    /// Why.
    pub reason: BadPatternReason,
}

/// Why a pattern cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadPatternReason {
    /// It stands behind the last that is taken.
    #[error("at most {MAX_PATTERNS} patterns")]
    TooMany,
    /// It is longer than is taken.
    #[error("longer than {MAX_PATTERN} bytes")]
    TooLong,
    /// Its automaton would be too large.
    #[error("needs more than {MAX_COMPILED} bytes compiled: bound its repetitions")]
    TooBig,
    /// It would be found everywhere.
    #[error("matches the empty text")]
    Empty,
    /// It is no regular expression; look-around and back-references are not supported.
    #[error("{0}")]
    Syntax(String),
}

/// Why a text could not be redacted. It must not be shown then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failed {
    /// The text is longer than 4 MiB.
    #[error("the text is too long to redact")]
    TooLong,
    /// A custom pattern matches more than 4096 times.
    #[error("a pattern matches too often")]
    TooMany,
    /// The patterns go on finding something in what they left.
    #[error("the patterns do not settle")]
    Unsettled,
}

/// What kind of secret was found. The order is who names it when two overlap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Word {
    PrivateKey,
    ApiKey,
    Jwt,
    Token,
    Password,
    Email,
    Iban,
    Card,
    Ssn,
    Phone,
    Custom,
}

impl Word {
    fn marker(self) -> &'static str {
        match self {
            Self::PrivateKey => "[REDACTED:private_key]",
            Self::ApiKey => "[REDACTED:api_key]",
            Self::Jwt => "[REDACTED:jwt]",
            Self::Token => "[REDACTED:token]",
            Self::Password => "[REDACTED:password]",
            Self::Email => "[REDACTED:email]",
            Self::Iban => "[REDACTED:iban]",
            Self::Card => "[REDACTED:card]",
            Self::Ssn => "[REDACTED:ssn]",
            Self::Phone => "[REDACTED:phone]",
            Self::Custom => "[REDACTED:custom]",
        }
    }
}

/// A secret, by its place: bytes `start` to `end` of the text, both between characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Found {
    start: usize,
    end: usize,
    word: Word,
}

impl Redactor {
    /// With the built-in rules and these patterns of one's own, in the syntax of the crate `regex`.
    ///
    /// `^` and `$` are the edges of the text and of what was replaced in it. Fails with every pattern
    /// that cannot be used.
    pub fn new(custom: &[String]) -> Result<Self, Vec<BadPattern>> {
        let mut good = Vec::new();
        let mut bad = Vec::new();
        for (index, pattern) in custom.iter().enumerate() {
            match compile(index, pattern) {
                Ok(regex) => good.push(regex),
                Err(reason) => bad.push(BadPattern { index, reason }),
            }
        }
        if !bad.is_empty() {
            return Err(bad);
        }
        Ok(Self { tokens: token::Tokens::new(), assigned: assigned::Assigned::new(), custom: good })
    }

    /// `text` with its secrets replaced; borrowed when there are none. Redacting the result again
    /// changes nothing. After an error the text must not be shown.
    pub fn redact<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, Failed> {
        if text.len() > MAX_TEXT {
            return Err(Failed::TooLong);
        }
        let mut text = Cow::Borrowed(text);
        for _ in 0..MAX_ROUNDS {
            match self.round(&text)? {
                None => return Ok(text),
                Some(next) => text = Cow::Owned(next),
            }
        }
        Err(Failed::Unsettled)
    }

    /// `text` with what is found at one look replaced; `None` when nothing is.
    fn round(&self, text: &str) -> Result<Option<String>, Failed> {
        let mut found = Vec::new();
        let mut from = 0;
        for (start, end) in markers(text) {
            self.look(text, from, start, &mut found)?;
            from = end;
        }
        self.look(text, from, text.len(), &mut found)?;
        if found.is_empty() {
            return Ok(None);
        }
        Ok(Some(replace(text, united(found))))
    }

    /// Adds what is found between two places of `text`.
    fn look(
        &self,
        text: &str,
        from: usize,
        to: usize,
        found: &mut Vec<Found>,
    ) -> Result<(), Failed> {
        let Some(part) = text.get(from..to).filter(|part| !part.is_empty()) else {
            return Ok(());
        };
        let before = found.len();
        self.tokens.find(part, found);
        self.assigned.find(part, found);
        email::find(part, found);
        number::find(part.as_bytes(), found);
        for pattern in &self.custom {
            let mut left = MAX_MATCHES;
            for hit in pattern.find_iter(part).filter(|hit| !hit.is_empty()) {
                left = left.checked_sub(1).ok_or(Failed::TooMany)?;
                found.push(Found { start: hit.start(), end: hit.end(), word: Word::Custom });
            }
        }
        for one in found.iter_mut().skip(before) {
            one.start += from;
            one.end += from;
        }
        Ok(())
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redactor({} custom)", self.custom.len())
    }
}

fn compile(index: usize, pattern: &str) -> Result<Regex, BadPatternReason> {
    if index >= MAX_PATTERNS {
        return Err(BadPatternReason::TooMany);
    }
    if pattern.len() > MAX_PATTERN {
        return Err(BadPatternReason::TooLong);
    }
    let built =
        RegexBuilder::new(pattern).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build();
    let regex = built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => BadPatternReason::TooBig,
        other => BadPatternReason::Syntax(other.to_string()),
    })?;
    if regex.is_match("") { Err(BadPatternReason::Empty) } else { Ok(regex) }
}

/// Where secrets were replaced before: nothing in there is looked at.
fn markers(text: &str) -> impl Iterator<Item = (usize, usize)> + '_ {
    let bytes = text.as_bytes();
    memmem::find_iter(bytes, OPEN).filter_map(move |start| {
        let inside = start + OPEN.len();
        let length = run(bytes, inside, |byte| byte.is_ascii_lowercase() || byte == b'_');
        let closed = length > 0 && bytes.get(inside + length) == Some(&b']');
        closed.then_some((start, inside + length + 1))
    })
}

/// In order, with those that overlap made one, named by the surest rule.
fn united(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|one| one.start);
    let mut united: Vec<Found> = Vec::with_capacity(found.len());
    for one in found {
        match united.last_mut() {
            Some(last) if one.start < last.end => {
                last.end = last.end.max(one.end);
                last.word = last.word.min(one.word);
            }
            _ => united.push(one),
        }
    }
    united
}

/// `text` with these parts, in order and apart, replaced.
fn replace(text: &str, found: Vec<Found>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for one in found {
        out.push_str(text.get(from..one.start).unwrap_or_default());
        out.push_str(one.word.marker());
        from = one.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// How many bytes from `at` on are of a kind.
fn run(text: &[u8], at: usize, kind: impl Fn(u8) -> bool) -> usize {
    text.get(at..).unwrap_or_default().iter().take_while(|byte| kind(**byte)).count()
}

/// Whether a word can begin at `at`: what stands before is no letter or digit, or is one that belongs
/// to an escape of JSON or of a URL (`\n`, `\u0022`, `%3D`).
fn fresh(text: &[u8], at: usize) -> bool {
    let back = |by: usize| at.checked_sub(by).and_then(|before| text.get(before)).copied();
    if !back(1).is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return true;
    }
    back(2) == Some(b'\\')
        || back(3) == Some(b'%')
        || (back(6) == Some(b'\\') && back(5) == Some(b'u'))
}
