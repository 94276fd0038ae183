//! Secrets without a form of their own, known by the name they are given: `api_key=...`,
//! `"password": "..."`.
//!
//! What is taken for a value holds a letter and a digit and is as long as its name asks for, so that
//! prose about passwords stays.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

use super::{Found, Word, run};

/// Names, without regard to case, that end right before the sign; what is put for the value; and how
/// long that is at least.
const NAMES: &[(&str, Word, usize)] = &[
    ("api_key", Word::ApiKey, 16),
    ("api-key", Word::ApiKey, 16),
    ("apikey", Word::ApiKey, 16),
    ("access_key", Word::ApiKey, 16),
    ("access-key", Word::ApiKey, 16),
    ("accesskey", Word::ApiKey, 16),
    ("secret_key", Word::ApiKey, 16),
    ("secret-key", Word::ApiKey, 16),
    ("secretkey", Word::ApiKey, 16),
    ("account_key", Word::ApiKey, 16),
    ("accountkey", Word::ApiKey, 16),
    ("private_key", Word::PrivateKey, 16),
    ("secret", Word::Token, 16),
    ("token", Word::Token, 16),
    ("password", Word::Password, 8),
    ("passwd", Word::Password, 8),
    ("passphrase", Word::Password, 8),
];

/// How far a value is looked at before it is decided.
const LOOK: usize = 128;

/// Looks for every name at once.
#[derive(Clone)]
pub(super) struct Assigned {
    names: Option<Arc<AhoCorasick>>,
}

impl Assigned {
    pub(super) fn new() -> Self {
        let built = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::DFA))
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(true)
            .build(NAMES.iter().map(|(name, ..)| name));
        debug_assert!(built.is_ok(), "the names are few and short");
        Self { names: built.ok().map(Arc::new) }
    }

    pub(super) fn find(&self, text: &str, found: &mut Vec<Found>) {
        let Some(names) = &self.names else { return };
        let bytes = text.as_bytes();
        let mut from = 0;
        while let Some(hit) = names.find(Input::new(text).span(from..bytes.len())) {
            let one = NAMES
                .get(hit.pattern().as_usize())
                .and_then(|(_, word, least)| value(bytes, hit.end(), *word, *least));
            from = one.map_or(hit.end(), |one| one.end);
            found.extend(one);
        }
    }
}

/// The value that is assigned right behind a name, if one is.
fn value(text: &[u8], name_end: usize, word: Word, least: usize) -> Option<Found> {
    let sign = name_end + run(text.get(..text.len().min(name_end + 4))?, name_end, quote_or_space);
    if !matches!(text.get(sign), Some(b'=' | b':')) {
        return None;
    }
    let start = sign
        + run(text.get(..text.len().min(sign + 8))?, sign, |byte| {
            quote_or_space(byte) || matches!(byte, b'=' | b':' | b'>')
        });
    let first = text.get(start..text.len().min(start + LOOK))?;
    let first = first.get(..run(first, 0, value_byte))?;
    let is = first.len() >= least
        && first.iter().any(u8::is_ascii_digit)
        && first.iter().any(u8::is_ascii_alphabetic);
    is.then(|| Found { start, end: start + run(text, start, value_byte), word })
}

fn quote_or_space(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b' ' | b'\t')
}

/// ASCII that does not end a value, so that a value ends between characters.
fn value_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'"' | b'\''
                | b'`'
                | b'\\'
                | b','
                | b';'
                | b'&'
                | b'<'
                | b'>'
                | b'('
                | b')'
                | b'['
                | b']'
                | b'{'
                | b'}'
        )
}
