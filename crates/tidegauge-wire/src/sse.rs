//! Frames server-sent events by the rules of the HTML standard, from any pieces.
//!
//! Two differences, both on purpose: an event that the end of the stream cuts short is given out all
//! the same, and one larger than [`MAX_EVENT`] is given out reduced. It must not know what events
//! mean. An event that lies whole in one piece is not copied.

use memchr::memchr2;

use crate::skim::{Limits, Skim};
use crate::work;

/// The most that is buffered of one event.
pub(crate) const MAX_EVENT: usize = 64 * 1024;
/// The longest event name that is kept.
const MAX_NAME: usize = 128;

/// One event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Event<'a> {
    /// The event type; empty if it has none.
    pub(crate) name: &'a str,
    /// The data lines, joined by LF.
    pub(crate) data: &'a [u8],
    /// Parts were left out because it is too large.
    pub(crate) lossy: bool,
}

/// Turns pieces of a stream into events.
#[derive(Debug, Default)]
pub(crate) struct Sse {
    line: Line,
    event: Draft,
    /// The last byte was a CR: a LF now belongs to the same line end.
    after_cr: bool,
    /// A line has ended: a byte order mark can come no more.
    begun: bool,
}

/// The unfinished line.
#[derive(Debug, Default)]
enum Line {
    #[default]
    Empty,
    /// Its first bytes, at most [`MAX_EVENT`] and a field name.
    Held(Vec<u8>),
    /// A data line too long to hold: what comes goes to the event's skim.
    Long,
    /// A line too long to hold and of no interest.
    Ignored,
}

/// The unfinished event.
#[derive(Debug, Default)]
struct Draft {
    name: String,
    /// Where its only data line stands in the present piece.
    borrowed: Option<(usize, usize)>,
    /// Its data so far, if it is not borrowed.
    owned: Vec<u8>,
    /// Its data so far, if there is too much of it.
    skim: Option<Box<Skim>>,
    has_data: bool,
}

impl Sse {
    /// The next piece of the stream. Each event that it completes is given to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], mut out: impl FnMut(Event<'_>)) {
        work::count(bytes.len());
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if std::mem::take(&mut self.after_cr) && rest.first() == Some(&b'\n') {
                at += 1;
                continue;
            }
            let Some(hit) = memchr2(b'\n', b'\r', rest) else {
                self.unfinished(rest);
                break;
            };
            self.after_cr = rest.get(hit) == Some(&b'\r');
            self.line(bytes, at, at + hit, &mut out);
            at += hit + 1;
        }
        self.event.own(bytes);
    }

    /// The end of the stream, clean or not.
    pub(crate) fn finish(mut self, mut out: impl FnMut(Event<'_>)) {
        self.line(&[], 0, 0, &mut out);
        self.event.dispatch(&[], &mut out);
    }

    /// How many bytes are held.
    #[cfg(feature = "testing")]
    pub(crate) fn held(&self) -> usize {
        let line = if let Line::Held(held) = &self.line { held.capacity() } else { 0 };
        let Draft { name, owned, skim, .. } = &self.event;
        line + name.capacity() + owned.capacity() + skim.as_ref().map_or(0, |skim| skim.held())
    }

    /// A line ends; its last bytes are `from..to` of the piece.
    fn line(&mut self, bytes: &[u8], from: usize, to: usize, out: &mut impl FnMut(Event<'_>)) {
        let tail = bytes.get(from..to).unwrap_or_default();
        match std::mem::take(&mut self.line) {
            Line::Empty => {
                let mark = if self.begun { 0 } else { mark_length(tail) };
                self.event.line(bytes, from + mark, to, out);
            }
            Line::Held(mut held) => {
                held.extend_from_slice(tail);
                work::count(held.len());
                let mark = if self.begun { 0 } else { mark_length(&held) };
                self.event.own(bytes);
                self.event.line(&held, mark, held.len(), out);
                self.event.own(&held);
            }
            Line::Long => self.event.more(tail),
            Line::Ignored => {}
        }
        self.begun = true;
    }

    /// The piece ends inside a line.
    fn unfinished(&mut self, tail: &[u8]) {
        match &mut self.line {
            Line::Empty => self.line = Line::Held(tail.to_vec()),
            Line::Held(held) => held.extend_from_slice(tail),
            Line::Long => self.event.more(tail),
            Line::Ignored => {}
        }
        if let Line::Held(held) = &self.line
            && held.len() > MAX_EVENT
        {
            self.too_long();
        }
    }

    /// A line is too long to be held: if it is data, the event is reduced as it comes.
    fn too_long(&mut self) {
        let Line::Held(held) = std::mem::take(&mut self.line) else { return };
        let mark = if self.begun { 0 } else { mark_length(&held) };
        let line = held.get(mark..).unwrap_or_default();
        self.line = match line.strip_prefix(b"data:") {
            // Whether it is too long without its name decides, as it does for a line in one piece.
            Some(data) if unspaced(data).len() <= MAX_EVENT => Line::Held(held),
            Some(data) => {
                self.event.begin_long(unspaced(data));
                Line::Long
            }
            None => Line::Ignored,
        };
    }
}

impl Draft {
    /// A whole line, `from..to` of `bytes`.
    fn line(&mut self, bytes: &[u8], from: usize, to: usize, out: &mut impl FnMut(Event<'_>)) {
        let line = bytes.get(from..to).unwrap_or_default();
        if line.is_empty() {
            return self.dispatch(bytes, out);
        }
        if let Some(data) = line.strip_prefix(b"data:") {
            let data = unspaced(data);
            self.data(bytes, to - data.len(), to);
        } else if line == b"data" {
            self.data(bytes, to, to);
        } else if line.len() > MAX_EVENT {
            // As when it comes in pieces: it was not held.
        } else if let Some(name) = line.strip_prefix(b"event:") {
            let name = unspaced(name);
            let name = name.get(..MAX_NAME).unwrap_or(name);
            self.name.clear();
            self.name.push_str(&String::from_utf8_lossy(name));
        } else if line == b"event" {
            self.name.clear();
        }
    }

    /// A whole data line.
    fn data(&mut self, bytes: &[u8], from: usize, to: usize) {
        if !self.has_data {
            self.has_data = true;
            self.borrowed = Some((from, to));
            return;
        }
        self.own(bytes);
        self.push(b"\n");
        self.push(bytes.get(from..to).unwrap_or_default());
    }

    /// The beginning of a data line that is too long to be held.
    fn begin_long(&mut self, data: &[u8]) {
        if self.has_data {
            self.push(b"\n");
        }
        self.has_data = true;
        self.push(data);
    }

    /// More of such a line.
    fn more(&mut self, data: &[u8]) {
        self.push(data);
    }

    /// The piece goes away: what is borrowed from it is copied.
    fn own(&mut self, bytes: &[u8]) {
        if let Some((from, to)) = self.borrowed.take() {
            self.push(bytes.get(from..to).unwrap_or_default());
        }
    }

    fn push(&mut self, data: &[u8]) {
        work::count(data.len());
        if let Some(skim) = &mut self.skim {
            skim.push(data);
        } else if self.owned.len() + data.len() > MAX_EVENT {
            let mut skim = Box::new(Skim::new(Limits::ANSWER));
            skim.push(&self.owned);
            skim.push(data);
            self.skim = Some(skim);
            self.owned.clear();
        } else {
            self.owned.extend_from_slice(data);
        }
    }

    /// A blank line: the event is whole. Without data it is none.
    fn dispatch(&mut self, bytes: &[u8], out: &mut impl FnMut(Event<'_>)) {
        if self.borrowed.is_some_and(|(from, to)| to - from > MAX_EVENT) {
            self.own(bytes);
        }
        if let Some(skim) = self.skim.take() {
            let skimmed = skim.finish();
            out(Event { name: &self.name, data: &skimmed.json, lossy: skimmed.lossy });
        } else if let Some((from, to)) = self.borrowed {
            let data = bytes.get(from..to).unwrap_or_default();
            out(Event { name: &self.name, data, lossy: false });
        } else if self.has_data {
            out(Event { name: &self.name, data: &self.owned, lossy: false });
        }
        self.name.clear();
        self.borrowed = None;
        self.owned.clear();
        self.has_data = false;
    }
}

/// A field's value without the one space that may stand before it.
fn unspaced(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

/// The length of a byte order mark, if the stream begins with one.
fn mark_length(line: &[u8]) -> usize {
    if line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }
}

#[cfg(test)]
mod tests;
