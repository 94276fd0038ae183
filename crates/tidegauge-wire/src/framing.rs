//! Splits a decoded answer into what is read one by one: its events, or the whole of it.
//!
//! Which framing a body has, its content type and its first bytes tell; some hosts label streams as
//! JSON. It must not know what the pieces mean.

use http::{HeaderMap, header};

use crate::body::Body;
use crate::eventstream::{EventStream, Message};
use crate::jsonarray::JsonArray;
use crate::provider::Streams;
use crate::results::Lines;
use crate::skim::{Limits, Skimmed};
use crate::splice::quoted;
use crate::sse::{Event, Sse};

const EVENTS: &str = "text/event-stream";
const NDJSON: &str = "application/x-ndjson";
const JSONL: &str = "application/jsonl";
const JSON_STREAM: &str = "application/stream+json";
const MESSAGES: &str = "application/vnd.amazon.eventstream";
const JSON: &str = "application/json";
/// The media types that tell a framing.
const KINDS: &[&str] = &[EVENTS, NDJSON, JSONL, JSON_STREAM, MESSAGES, JSON];

/// How many bytes of a body are enough to tell a stream of events from JSON.
const TELLING: usize = 6;
/// How many bytes that tell nothing are held back.
const MAX_UNTOLD: usize = 64;

/// Splits one body.
#[derive(Debug)]
pub(crate) enum Framing {
    /// Not known yet: the first bytes.
    Untold(Vec<u8>, Streams, &'static Limits),
    /// Server-sent events.
    Sse(Box<Sse>),
    /// One value a line. Each is given out like the data of an event without name.
    Lines(Box<Sse>, LineStart),
    /// One value a line, or a single one: so many lines have begun.
    MaybeLines(Box<Sse>, LineStart, u64),
    /// Binary messages.
    Messages(Box<EventStream>),
    /// The elements of one JSON array.
    Elements(Box<JsonArray>),
    /// Results of a batch job, given out like the lines above.
    Results(Lines),
    /// The same as the elements of a list.
    Listed(Box<JsonArray>),
    /// One JSON value, or what is not known.
    Whole(Body),
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
    /// The framing of a body with these headers, of an API that streams so.
    pub(crate) fn new(headers: &HeaderMap, streams: Streams, limits: &'static Limits) -> Self {
        match streams {
            Streams::Results => return Self::Results(Lines::default()),
            Streams::Listed(name) => return Self::Listed(Box::new(JsonArray::named(name))),
            Streams::Events | Streams::Lines | Streams::Elements => {}
        }
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default();
        let is = |known: &&str| kind.trim().eq_ignore_ascii_case(known);
        match KINDS.iter().copied().find(is).unwrap_or(kind.trim()) {
            EVENTS => Self::Sse(Box::default()),
            NDJSON | JSONL | JSON_STREAM => Self::Lines(Box::default(), LineStart::Fresh),
            MESSAGES => Self::Messages(Box::default()),
            JSON if streams == Streams::Elements => Self::Elements(Box::default()),
            "" => Self::Untold(Vec::new(), streams, limits),
            _ => Self::untold(limits),
        }
    }

    /// For a body whose label is not to be trusted.
    pub(crate) fn untold(limits: &'static Limits) -> Self {
        Self::Untold(Vec::new(), Streams::Events, limits)
    }

    /// Whether this is a stream of events.
    pub(crate) fn is_stream(&self) -> bool {
        !matches!(
            self,
            Self::Untold(..)
                | Self::Whole(_)
                | Self::Results(_)
                | Self::Listed(_)
                | Self::MaybeLines(_, _, 0..2)
        )
    }

    /// How many bytes are held.
    #[cfg(feature = "testing")]
    pub(crate) fn held(&self) -> usize {
        match self {
            Self::Untold(held, ..) => held.capacity(),
            Self::Sse(sse) | Self::Lines(sse, _) | Self::MaybeLines(sse, ..) => sse.held(),
            Self::Messages(messages) => messages.held(),
            Self::Elements(array) | Self::Listed(array) => array.held(),
            Self::Results(lines) => lines.held(),
            Self::Whole(body) => body.held(),
        }
    }

    /// The next piece of the body. Each event that it completes is given to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Event<'_>)) {
        match self {
            Self::Untold(held, streams, limits) if held.is_empty() => {
                match tell(bytes, *streams, limits, bytes.len() >= MAX_UNTOLD) {
                    Some(told) => {
                        *self = told;
                        self.push(bytes, out);
                    }
                    None => held.extend_from_slice(bytes),
                }
            }
            Self::Untold(held, streams, limits) => {
                held.extend_from_slice(bytes);
                if let Some(told) = tell(held, *streams, limits, held.len() >= MAX_UNTOLD) {
                    let held = std::mem::take(held);
                    *self = told;
                    self.push(&held, out);
                }
            }
            Self::Sse(sse) => sse.push(bytes, out),
            Self::Lines(sse, start) => {
                push_lines(sse, start, bytes, out);
            }
            Self::MaybeLines(sse, start, lines) => *lines += push_lines(sse, start, bytes, out),
            Self::Messages(messages) => messages.push(bytes, |message| push_message(message, out)),
            Self::Elements(array) | Self::Listed(array) => {
                array.push(bytes, |data, lossy| out(Event { name: "", data, lossy }));
            }
            Self::Results(lines) => lines.push(bytes, &mut |line| push_result(&line, out)),
            Self::Whole(body) => body.push(bytes),
        }
    }

    /// The end of the body. Gives it back if it was not a stream of events.
    pub(crate) fn finish(self, out: &mut dyn FnMut(Event<'_>)) -> Option<Body> {
        match self {
            Self::Untold(held, streams, limits) => {
                let told = tell(&held, streams, limits, true);
                let mut told = told.unwrap_or_else(|| whole(limits));
                told.push(&held, out);
                told.finish(out)
            }
            Self::Sse(sse) | Self::Lines(sse, _) | Self::MaybeLines(sse, ..) => {
                sse.finish(out);
                None
            }
            Self::Messages(messages) => {
                out(Event { name: "", data: &[], lossy: messages.is_lossy() });
                None
            }
            Self::Elements(_) => None,
            Self::Listed(array) => {
                if array.is_cut() {
                    out(Event { name: "", data: &[], lossy: true });
                }
                None
            }
            Self::Results(lines) => {
                lines.finish(&mut |line| push_result(&line, out));
                None
            }
            Self::Whole(body) => Some(body),
        }
    }
}

fn whole(limits: &'static Limits) -> Framing {
    Framing::Whole(Body::new(limits))
}

/// What the first bytes tell; `None` if more are needed.
fn tell(held: &[u8], streams: Streams, limits: &'static Limits, last: bool) -> Option<Framing> {
    // No more than that is looked at, however much came at once.
    let held = held.get(..MAX_UNTOLD).unwrap_or(held);
    let text = held.strip_prefix(b"\xef\xbb\xbf").unwrap_or(held).trim_ascii_start();
    let fields: [&[u8]; 4] = [b"data:", b"event:", b"id:", b":"];
    if fields.iter().any(|field| text.starts_with(field)) {
        return Some(Framing::Sse(Box::default()));
    }
    match (text.first(), streams) {
        // The length of a message; no text begins so.
        (Some(0), _) => return Some(Framing::Messages(Box::default())),
        (Some(b'['), Streams::Elements) => return Some(Framing::Elements(Box::default())),
        (Some(b'{'), Streams::Lines) => return lines(text.get(1), limits, last),
        _ => {}
    }
    let open = fields.iter().any(|field| field.starts_with(text)) && text.len() < TELLING;
    (last || !open).then(|| whole(limits))
}

/// A value that is broken over lines is not one of several.
fn lines(second: Option<&u8>, limits: &'static Limits, last: bool) -> Option<Framing> {
    match second {
        Some(b'\n' | b'\r') => Some(whole(limits)),
        Some(_) => Some(Framing::MaybeLines(Box::default(), LineStart::Fresh, 0)),
        None => last.then(|| whole(limits)),
    }
}

fn push_result(line: &Skimmed, out: &mut dyn FnMut(Event<'_>)) {
    out(Event { name: "", data: &line.json, lossy: line.lossy });
}

/// A message is an event named by its type; an error without body becomes one with the text that its
/// headers tell.
fn push_message(message: Message<'_>, out: &mut dyn FnMut(Event<'_>)) {
    let name = message.exception.or(message.event).unwrap_or_default();
    match message.error.filter(|_| message.payload.is_empty()) {
        Some(text) => {
            let data = format!(r#"{{"message":{}}}"#, quoted(text));
            out(Event { name, data: data.as_bytes(), lossy: false });
        }
        None => out(Event { name, data: message.payload, lossy: false }),
    }
}

/// Each line becomes an event: `data:` before it and a blank line behind it. Gives back how many lines
/// begin.
fn push_lines(
    sse: &mut Sse,
    start: &mut LineStart,
    bytes: &[u8],
    out: &mut dyn FnMut(Event<'_>),
) -> u64 {
    let mut begun = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let blank = line.trim_ascii().is_empty();
        if *start == LineStart::Fresh && blank {
            continue;
        }
        let line = if *start == LineStart::Fresh {
            sse.push(b"data:", &mut *out);
            begun += 1;
            line.trim_ascii_start()
        } else {
            line
        };
        push_line(sse, line, out);
        *start = LineStart::Inside;
        if line.ends_with(b"\n") {
            sse.push(b"\n", &mut *out);
            *start = LineStart::Fresh;
        }
    }
    begun
}

/// A CR ends no line here, but is the white space that it is in JSON.
fn push_line(sse: &mut Sse, line: &[u8], out: &mut dyn FnMut(Event<'_>)) {
    let mut parts = line.split(|byte| *byte == b'\r');
    sse.push(parts.next().unwrap_or_default(), &mut *out);
    for part in parts {
        sse.push(b" ", &mut *out);
        sse.push(part, &mut *out);
    }
}
