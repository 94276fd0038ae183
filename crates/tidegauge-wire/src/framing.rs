//! Splits a decoded answer into what is read one by one: its events, or the whole of it.
//!
//! Which framing a body has, its content type and its first bytes tell; some hosts label streams as
//! JSON. It must not know what the pieces mean.

use http::{HeaderMap, header};

use crate::skim::{Limits, Skim, Skimmed};
use crate::sse::{Event, Sse};

/// How many bytes of a body are enough to tell a stream of events from JSON.
const TELLING: usize = 6;
/// How many bytes that tell nothing are held back.
const MAX_UNTOLD: usize = 64;

/// Splits one body.
#[derive(Debug)]
pub(crate) enum Framing {
    /// Not known yet: the first bytes.
    Untold(Vec<u8>),
    /// Server-sent events.
    Sse(Box<Sse>),
    /// One value a line. Each is given out like the data of an event without name.
    Lines(Box<Sse>, LineStart),
    /// One JSON value, or what is not known.
    Whole(Box<Skim>),
}

/// Turns lines into events: each line that holds something is the data of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LineStart {
    /// The next byte begins a line.
    Fresh,
    /// The next byte is inside a line.
    Inside,
}

impl Framing {
    /// The framing of a body with these headers.
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default();
        match kind.trim().to_ascii_lowercase().as_str() {
            "text/event-stream" => Self::Sse(Box::default()),
            "application/x-ndjson" | "application/jsonl" | "application/stream+json" => {
                Self::Lines(Box::default(), LineStart::Fresh)
            }
            _ => Self::Untold(Vec::new()),
        }
    }

    /// Whether this is a stream of events.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self, Self::Sse(_) | Self::Lines(..))
    }

    /// The next piece of the body. Each event that it completes is given to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Event<'_>)) {
        match self {
            Self::Untold(held) => {
                held.extend_from_slice(bytes);
                if let Some(told) = tell(held, held.len() >= MAX_UNTOLD) {
                    let held = std::mem::take(held);
                    *self = told;
                    self.push(&held, out);
                }
            }
            Self::Sse(sse) => sse.push(bytes, out),
            Self::Lines(sse, start) => push_lines(sse, start, bytes, out),
            Self::Whole(skim) => skim.push(bytes),
        }
    }

    /// The end of the body. Gives back what is left of it if it was not a stream of events.
    pub(crate) fn finish(self, out: &mut dyn FnMut(Event<'_>)) -> Option<Skimmed> {
        match self {
            Self::Untold(held) => {
                let mut told = tell(&held, true).unwrap_or_else(whole);
                told.push(&held, out);
                told.finish(out)
            }
            Self::Sse(sse) | Self::Lines(sse, _) => {
                sse.finish(out);
                None
            }
            Self::Whole(skim) => Some(skim.finish()),
        }
    }
}

fn whole() -> Framing {
    Framing::Whole(Box::new(Skim::new(Limits::ANSWER)))
}

/// What the first bytes tell; `None` if more are needed.
fn tell(held: &[u8], last: bool) -> Option<Framing> {
    // No more than that is looked at, however much came at once.
    let held = held.get(..MAX_UNTOLD).unwrap_or(held);
    let text = held.strip_prefix(b"\xef\xbb\xbf").unwrap_or(held).trim_ascii_start();
    let fields: [&[u8]; 4] = [b"data:", b"event:", b"id:", b":"];
    if fields.iter().any(|field| text.starts_with(field)) {
        return Some(Framing::Sse(Box::default()));
    }
    let open = fields.iter().any(|field| field.starts_with(text)) && text.len() < TELLING;
    (last || !open).then(whole)
}

/// Each line becomes an event: `data:` before it and a blank line behind it.
fn push_lines(sse: &mut Sse, start: &mut LineStart, bytes: &[u8], out: &mut dyn FnMut(Event<'_>)) {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let blank = line.trim_ascii().is_empty();
        if *start == LineStart::Fresh && blank {
            continue;
        }
        if *start == LineStart::Fresh {
            sse.push(b"data:", &mut *out);
        }
        sse.push(line, &mut *out);
        *start = LineStart::Inside;
        if line.ends_with(b"\n") {
            sse.push(b"\n", &mut *out);
            *start = LineStart::Fresh;
        }
    }
}
