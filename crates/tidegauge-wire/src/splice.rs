//! Asks for usage on a stream whose client did not, and hides the answer from the client.
//!
//! A request body gets one insertion and keeps every other byte; a response stream loses exactly what
//! the insertion caused: the chunk with the usage, and the `"usage":null` of every other chunk.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use tidegauge_core::{Filter, Splice};

use crate::field::{Doc, Json};

/// The largest unfinished event that is held back. Past it the event is passed on unseen: what we
/// asked for is far smaller.
const MAX_HELD: usize = 64 * 1024;

/// Where to ask for usage: see [`tidegauge_core::Dialect::splice`].
pub(crate) fn ask_for_usage(body: &[u8]) -> Option<Splice> {
    // Most requests that ask for no stream do not speak of one, and need not be read for it.
    memchr::memmem::find(body, br#""stream""#)?;
    let mut doc = Doc::default();
    if !doc.parse(body) {
        return None;
    }
    let root = doc.root(body);
    if once(root, "stream")?.bool() != Some(true) || !is_true(body, once(root, "stream")?) {
        return None;
    }
    match count(root, "stream_options") {
        0 => before_end(root),
        1 => into_options(root, root.get("stream_options")),
        _ => None,
    }
}

/// The member of that name, if it stands exactly once.
fn once<'a>(object: Json<'a>, name: &str) -> Option<Json<'a>> {
    (count(object, name) == 1).then(|| object.get(name))
}

fn count(object: Json<'_>, name: &str) -> usize {
    object.members().filter(|(key, _)| key.is(name)).count()
}

/// `true` itself, not a string that says so.
fn is_true(body: &[u8], value: Json<'_>) -> bool {
    value.span().and_then(|(start, end)| body.get(start..end)) == Some(b"true")
}

/// A new last member. The object has members: `stream` is one.
fn before_end(root: Json<'_>) -> Option<Splice> {
    let (_, end) = root.span()?;
    splice(end.checked_sub(1)?, r#","stream_options":{"include_usage":true}"#.to_owned())
}

fn into_options(root: Json<'_>, options: Json<'_>) -> Option<Splice> {
    let (start, _) = options.span()?;
    if options.is_null() {
        // Nothing can be taken away, so the null is given to a member that may be null and is not
        // there yet.
        let spare = ["stop", "seed"].into_iter().find(|name| count(root, name) == 0)?;
        return splice(start, format!(r#"{{"include_usage":true}},"{spare}":"#));
    }
    if !options.is_object() || count(options, "include_usage") > 0 {
        return None;
    }
    let comma = if options.members().next().is_some() { "," } else { "" };
    splice(start + 1, format!(r#""include_usage":true{comma}"#))
}

fn splice(at: usize, insert: String) -> Option<Splice> {
    Some(Splice { at, insert: Bytes::from(insert) })
}

/// Whether a body is JSON that is not compressed, as far as the head tells.
pub(crate) fn is_plain_json(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let json = text(header::CONTENT_TYPE).is_none_or(|kind| kind.contains("json"));
    let plain = text(header::CONTENT_ENCODING).is_none_or(|coding| coding.trim() == "identity");
    json && plain
}

/// Whether an error answer names the field that was inserted.
pub(crate) fn is_refusal(status: StatusCode, body: &[u8]) -> bool {
    let refused = status == StatusCode::BAD_REQUEST || status == StatusCode::UNPROCESSABLE_ENTITY;
    let names = |word: &str| memchr::memmem::find(body, word.as_bytes()).is_some();
    refused && (names("stream_options") || names("include_usage"))
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| r#""""#.to_owned())
}

/// What of an event is the client's.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    All,
    None,
    Without(Range<usize>),
}

/// Removes the chunk that has usage and no choices, and the announcements of it.
#[derive(Debug, Default)]
pub(crate) struct UsageFilter {
    ends: EventEnds,
    /// What has come of the unfinished event.
    held: Vec<u8>,
    /// The unfinished event is too large to be ours: what comes of it is passed on.
    passing: bool,
    /// The last event was removed.
    removed: bool,
    doc: Doc,
}

impl Filter for UsageFilter {
    fn push(&mut self, bytes: &Bytes, out: &mut Vec<Bytes>) {
        // Events that pass leave in one piece: `run` is where it begins, `event` where the present
        // event does.
        let mut run = 0;
        let mut event = self.late_line_feed(bytes);
        if self.removed {
            run = event;
        }
        while let Some(end) = self.ends.next(bytes, event) {
            let part = self.clients(bytes.get(event..end).unwrap_or_default());
            self.removed = part == Part::None;
            if part == Part::All {
                self.release(out);
            } else {
                pass(bytes, run, event, out);
                self.hold(bytes.get(event..end).unwrap_or_default());
                self.give(part, out);
                run = end;
            }
            self.passing = false;
            event = end;
        }
        pass(bytes, run, event, out);
        self.hold_or_pass(bytes, event, out);
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) {
        let part = self.clients(&[]);
        self.give(part, out);
    }
}

impl UsageFilter {
    /// The LF of a CRLF that ended an event and was cut in two goes where the event went. Gives back
    /// where the next event begins.
    fn late_line_feed(&mut self, bytes: &Bytes) -> usize {
        let between = self.held.is_empty() && !self.passing;
        usize::from(between && self.ends.take_line_feed(bytes))
    }

    /// What the client gets of the event that is held and ends with `tail`.
    fn clients(&mut self, tail: &[u8]) -> Part {
        if self.passing || self.held.len() + tail.len() > MAX_HELD {
            return Part::All;
        }
        if self.held.is_empty() {
            return clients(tail, &mut self.doc);
        }
        let whole = [&self.held, tail].concat();
        clients(&whole, &mut self.doc)
    }

    /// Passes on that part of the event that is held.
    fn give(&mut self, part: Part, out: &mut Vec<Bytes>) {
        match part {
            Part::All => {}
            Part::None => self.held.clear(),
            Part::Without(range) => drop(self.held.drain(range)),
        }
        self.release(out);
    }

    fn hold(&mut self, tail: &[u8]) {
        self.held.extend_from_slice(tail);
    }

    fn hold_or_pass(&mut self, bytes: &Bytes, from: usize, out: &mut Vec<Bytes>) {
        let tail = bytes.get(from..).unwrap_or_default();
        self.passing |= self.held.len() + tail.len() > MAX_HELD;
        if self.passing {
            self.release(out);
            pass(bytes, from, bytes.len(), out);
        } else {
            self.hold(tail);
        }
    }

    fn release(&mut self, out: &mut Vec<Bytes>) {
        if !self.held.is_empty() {
            out.push(Bytes::from(std::mem::take(&mut self.held)));
        }
    }
}

fn pass(bytes: &Bytes, from: usize, to: usize, out: &mut Vec<Bytes>) {
    if from < to {
        out.push(bytes.slice(from..to));
    }
}

/// Finds the blank lines that end events.
#[derive(Debug)]
struct EventEnds {
    /// Nothing of the present line has come yet.
    line_empty: bool,
    /// The last byte was a CR: a LF now belongs to the same line end.
    after_cr: bool,
}

impl Default for EventEnds {
    fn default() -> Self {
        Self { line_empty: true, after_cr: false }
    }
}

impl EventEnds {
    /// Behind the next blank line at or after `at`. Each byte must be shown exactly once.
    fn next(&mut self, bytes: &[u8], mut at: usize) -> Option<usize> {
        loop {
            let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
            let Some(hit) = memchr::memchr2(b'\n', b'\r', rest) else {
                *self = Self { line_empty: false, after_cr: false };
                return None;
            };
            if hit > 0 {
                *self = Self { line_empty: false, after_cr: false };
            }
            let carriage_return = rest.get(hit) == Some(&b'\r');
            at += hit + 1;
            if self.after_cr && !carriage_return {
                self.after_cr = false;
                continue;
            }
            let blank = self.line_empty;
            *self = Self { line_empty: true, after_cr: carriage_return };
            if blank {
                return Some(at + usize::from(self.take_line_feed(bytes.get(at..)?)));
            }
        }
    }

    /// Whether `bytes` begin with the LF of a CRLF of which the CR came before.
    fn take_line_feed(&mut self, bytes: &[u8]) -> bool {
        let taken = self.after_cr && bytes.first() == Some(&b'\n');
        self.after_cr &= !taken;
        taken
    }
}

/// What of an event is the client's: nothing where it is a chunk with usage and without
/// choices, and all but an announced `null` where it is another chunk.
fn clients(event: &[u8], doc: &mut Doc) -> Part {
    let mentions = |word: &[u8]| memchr::memmem::find(event, word).is_some();
    if !mentions(b"\"usage\"") || !mentions(b"\"choices\"") {
        return Part::All;
    }
    let data = Data::of(event);
    if !doc.parse(&data.text) {
        return Part::All;
    }
    let chunk = doc.root(&data.text);
    let usage = chunk.get("usage");
    let empty = chunk.get("choices").len() == Some(0);
    if empty && usage.is_object() && !chunk.get("error").is_some() {
        return Part::None;
    }
    let null = null_member(chunk, &data.text);
    let place =
        null.and_then(|range| Some(data.place(range.start)?..data.place(range.end - 1)? + 1));
    place.map_or(Part::All, Part::Without)
}

/// The data of an event, which may stand on several lines.
struct Data<'a> {
    /// The lines, joined by line feeds.
    text: Cow<'a, [u8]>,
    /// Where the first line begins in the event, if there is one.
    first: Option<usize>,
    /// Where each further line begins: in the text, and in the event. Most data is one line.
    more: Vec<(usize, usize)>,
}

impl<'a> Data<'a> {
    fn of(event: &'a [u8]) -> Self {
        let mut at = 0;
        let lines = event.split(|byte| matches!(byte, b'\n' | b'\r')).filter_map(|line| {
            let start = at;
            at += line.len() + 1;
            Some((start + DATA.len(), line.strip_prefix(DATA)?))
        });
        let mut data = Self { text: Cow::Borrowed(&[]), first: None, more: Vec::new() };
        for (start, line) in lines {
            if data.first.is_none() {
                data.text = Cow::Borrowed(line);
                data.first = Some(start);
            } else {
                let text = data.text.to_mut();
                text.push(b'\n');
                data.more.push((text.len(), start));
                text.extend_from_slice(line);
            }
        }
        data
    }

    /// Where in the event a byte of the text stands.
    fn place(&self, at: usize) -> Option<usize> {
        let line = self.more.iter().rev().find(|(begins, _)| *begins <= at);
        let (begins, start) = line.copied().or(self.first.map(|start| (0, start)))?;
        Some(start + at - begins)
    }
}

/// How a line of data begins.
const DATA: &[u8] = b"data:";

/// The one member `"usage":null` with the comma before it.
fn null_member(chunk: Json<'_>, text: &[u8]) -> Option<Range<usize>> {
    let mut named = chunk.members().filter(|(key, _)| key.is("usage"));
    let (Some((key, value)), None) = (named.next(), named.next()) else { return None };
    let (start, (_, end)) = (key.span()?.0, value.span().filter(|_| value.is_null())?);
    let before = text.get(..start)?.trim_ascii_end();
    before.ends_with(b",").then(|| before.len() - 1..end)
}

#[cfg(test)]
mod tests;
