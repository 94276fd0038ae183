//! Splits a body of binary frames (`application/vnd.amazon.eventstream`): lengths, a checksum, named
//! headers, a payload, a checksum; all numbers big-endian.
//!
//! A frame that is damaged or too large ends the reading: where the next one begins is not known.

use flate2::Crc;

use crate::sse::Event;

/// The largest frame; the protocol's own limit is 16 MiB, what models stream is far smaller.
const MAX_FRAME: usize = 1 << 20;
/// Two lengths and their checksum.
const PRELUDE: usize = 12;
/// The checksum behind the payload.
const CHECKSUM: usize = 4;

/// Turns pieces of a body into frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    held: Vec<u8>,
    broken: bool,
}

impl Frames {
    /// The next piece of the body. Each frame that it completes is given to `out`: its event type
    /// is the name, its payload the data.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut dyn FnMut(Event<'_>)) {
        if self.broken {
            return;
        }
        self.held.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(rest) = self.held.get(at..) {
            match frame(rest) {
                Frame::Whole { length, name, payload } => {
                    out(Event { name, data: payload, lossy: false });
                    at += length;
                }
                Frame::Unfinished => break,
                Frame::Broken => {
                    self.broken = true;
                    out(Event { name: "", data: b"", lossy: true });
                    break;
                }
            }
        }
        self.held.drain(..at);
        if self.broken {
            self.held = Vec::new();
        }
    }
}

enum Frame<'a> {
    Whole { length: usize, name: &'a str, payload: &'a [u8] },
    Unfinished,
    Broken,
}

fn frame(bytes: &[u8]) -> Frame<'_> {
    let (Some(length), Some(headers), Some(sum)) = (word(bytes, 0), word(bytes, 4), word(bytes, 8))
    else {
        return Frame::Unfinished;
    };
    let (length, headers) = (length as usize, headers as usize);
    let fits = length <= MAX_FRAME && PRELUDE + headers + CHECKSUM <= length;
    if !fits || checksum(bytes, PRELUDE - CHECKSUM) != Some(sum) {
        return Frame::Broken;
    }
    let Some(frame) = bytes.get(..length) else { return Frame::Unfinished };
    let body = length - CHECKSUM;
    if checksum(frame, body) != word(frame, body) {
        return Frame::Broken;
    }
    let payload = frame.get(PRELUDE + headers..body).unwrap_or_default();
    let headers = frame.get(PRELUDE..PRELUDE + headers).unwrap_or_default();
    Frame::Whole { length, name: event_type(headers), payload }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    word.try_into().ok().map(u32::from_be_bytes)
}

fn checksum(bytes: &[u8], length: usize) -> Option<u32> {
    let mut crc = Crc::new();
    crc.update(bytes.get(..length)?);
    Some(crc.sum())
}

/// The value of `:event-type` or `:exception-type`; empty if there is neither.
fn event_type(mut headers: &[u8]) -> &str {
    while let Some((name, value, rest)) = header(headers) {
        if name == b":event-type" || name == b":exception-type" {
            return std::str::from_utf8(value).unwrap_or_default();
        }
        headers = rest;
    }
    ""
}

/// One header: its name, its value, and what follows it.
fn header(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, rest) = rest.split_first()?;
    let (length, rest) = match kind {
        0 | 1 => (0, rest),
        2 => (1, rest),
        3 => (2, rest),
        4 => (4, rest),
        5 | 8 => (8, rest),
        6 | 7 => {
            let (length, rest) = rest.split_at_checked(2)?;
            (usize::from(u16::from_be_bytes(length.try_into().ok()?)), rest)
        }
        9 => (16, rest),
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((name, value, rest))
}

#[cfg(test)]
mod tests;
