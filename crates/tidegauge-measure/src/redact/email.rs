//! E-mail addresses: looks for the rare `@` and decides by what stands on both sides.

use super::{Found, Word};

/// The longest local part and the longest domain (RFC 5321, section 4.5.3.1), in characters.
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 255;

pub(super) fn find(text: &str, found: &mut Vec<Found>) {
    let mut free = 0;
    for at in memchr::memchr_iter(b'@', text.as_bytes()) {
        if at < free {
            continue;
        }
        let (Some(before), Some(after)) = (text.get(free..at), text.get(at + 1..)) else {
            continue;
        };
        let (local, domain) = (local(before), domain(after));
        if local > 0 && domain > 0 {
            free = at + 1 + domain;
            found.push(Found { start: at - local, end: free, word: Word::Email });
        }
    }
}

/// How many bytes at the end of `text` are a local part.
fn local(text: &str) -> usize {
    let taken = text.chars().rev().take(MAX_LOCAL).take_while(|c| {
        letter(*c)
            || c.is_ascii_digit()
            || matches!(
                c,
                '.' | '_' | '%' | '+' | '-' | '\'' | '!' | '#' | '$' | '&' | '*' | '=' | '~'
            )
    });
    let length: usize = taken.map(char::len_utf8).sum();
    let start = text.len() - length;
    // What stands before as an escape (`\n`, `\u003c`) is not part of the address.
    let escape = if text.get(..start).is_some_and(|before| before.ends_with('\\')) {
        let part = text.get(start..).unwrap_or_default();
        if part.starts_with('u') { 5 } else { 1 }
    } else {
        0
    };
    let part = text.get(start + escape..).unwrap_or_default();
    part.trim_start_matches(|c: char| !letter(c) && !c.is_ascii_digit() && c != '_').len()
}

/// How many bytes at the beginning of `text` are a domain: at least two labels, the last of letters.
fn domain(text: &str) -> usize {
    let taken = text
        .chars()
        .take(MAX_DOMAIN)
        .take_while(|c| letter(*c) || c.is_ascii_digit() || matches!(c, '.' | '-'));
    let length: usize = taken.map(char::len_utf8).sum();
    let mut name = text.get(..length).unwrap_or_default();
    loop {
        name = name.trim_end_matches(['.', '-']);
        let Some((rest, last)) = name.rsplit_once('.') else { return 0 };
        let top = last.chars().count() >= 2 && last.starts_with(letter);
        if top && !rest.starts_with('.') && !rest.is_empty() {
            return name.len();
        }
        name = rest;
    }
}

/// Letters of the Latin scripts. Others are written without spaces, where a word has no edge.
fn letter(c: char) -> bool {
    c.is_alphabetic() && u32::from(c) < 0x250
}
