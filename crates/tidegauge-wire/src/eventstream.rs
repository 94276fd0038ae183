//! Framing of `application/vnd.amazon.eventstream`: bytes in any pieces become checked messages.
//!
//! A message is `total length, headers length, CRC of these eight bytes, headers, payload, CRC of
//! everything before`, all big-endian. Must not know what an event means.

use crate::work;

/// Messages that say they are longer than this are no messages.
const MAX_DECLARED: usize = 16 << 20;
/// Messages longer than this are stepped over, never held.
const MAX_HELD: usize = 1 << 20;
/// Both lengths and their checksum.
const PRELUDE: usize = 12;
/// The checksum at the end.
const TRAILER: usize = 4;

/// One message whose checksums hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Message<'a> {
    /// `:message-type`: `event`, `exception` or `error`.
    pub(crate) kind: Option<&'a str>,
    /// `:event-type`.
    pub(crate) event: Option<&'a str>,
    /// `:exception-type`, or `:error-code` of an unmodelled error.
    pub(crate) exception: Option<&'a str>,
    /// `:error-message` of an unmodelled error.
    pub(crate) error: Option<&'a str>,
    /// `:content-type` of the payload.
    pub(crate) content_type: Option<&'a str>,
    /// What it carries.
    pub(crate) payload: &'a [u8],
}

/// The parser. Holds one unfinished message at most, never more than a MiB.
#[derive(Debug, Default)]
pub(crate) struct EventStream {
    held: Vec<u8>,
    /// Bytes of an over-long message that are still to come.
    skip: usize,
    damaged: bool,
    /// A message was too long.
    skipped: bool,
}

impl EventStream {
    /// The next piece; `each` is called for every message it completes. After damage nothing more is
    /// read: the lengths cannot be trusted any longer.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(Message<'_>)) {
        while !bytes.is_empty() && !self.damaged {
            bytes = if self.skip > 0 {
                self.step_over(bytes)
            } else if self.held.is_empty() {
                self.take_whole(bytes, &mut each)
            } else {
                self.complete(bytes, &mut each)
            };
        }
    }

    /// How many bytes are held.
    #[cfg(feature = "testing")]
    pub(crate) fn held(&self) -> usize {
        self.held.capacity()
    }

    /// Whether messages could not be read: one was damaged or too long, or lacks its end as yet.
    pub(crate) fn is_lossy(&self) -> bool {
        self.damaged || self.skipped || !self.held.is_empty()
    }

    /// Reads the message at the front of `bytes` in place if it is all there, else holds what is.
    fn take_whole<'b>(&mut self, bytes: &'b [u8], each: &mut impl FnMut(Message<'_>)) -> &'b [u8] {
        let Some(prelude) = bytes.first_chunk::<PRELUDE>() else {
            self.held.extend_from_slice(bytes);
            return &[];
        };
        match Prelude::read(prelude) {
            None => self.damage(),
            Some(prelude) if prelude.total > MAX_HELD => {
                self.begin_skip(prelude.total);
                return bytes;
            }
            Some(prelude) => match bytes.split_at_checked(prelude.total) {
                Some((message, rest)) => {
                    self.deliver(prelude, message, each);
                    return rest;
                }
                None => self.held.extend_from_slice(bytes),
            },
        }
        &[]
    }

    /// Adds to the held message what it lacks and reads it once it is whole.
    fn complete<'b>(&mut self, bytes: &'b [u8], each: &mut impl FnMut(Message<'_>)) -> &'b [u8] {
        let Some(prelude) = self.held.first_chunk::<PRELUDE>() else {
            return self.hold(bytes, PRELUDE);
        };
        let Some(prelude) = Prelude::read(prelude) else {
            self.damage();
            return &[];
        };
        if prelude.total > MAX_HELD {
            self.begin_skip(prelude.total);
            self.skip -= self.held.len();
            self.held = Vec::new();
            return bytes;
        }
        let rest = self.hold(bytes, prelude.total);
        if self.held.len() == prelude.total {
            let mut message = std::mem::take(&mut self.held);
            self.deliver(prelude, &message, each);
            message.clear();
            self.held = message;
        }
        rest
    }

    /// Holds bytes until `size` are there; gives back the rest.
    fn hold<'b>(&mut self, bytes: &'b [u8], size: usize) -> &'b [u8] {
        let lacking = size.saturating_sub(self.held.len());
        let (now, rest) = bytes.split_at(lacking.min(bytes.len()));
        self.held.extend_from_slice(now);
        work::count(now.len());
        rest
    }

    fn begin_skip(&mut self, total: usize) {
        self.skip = total;
        self.skipped = true;
    }

    fn step_over<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (now, rest) = bytes.split_at(self.skip.min(bytes.len()));
        self.skip -= now.len();
        rest
    }

    fn deliver(&mut self, prelude: Prelude, message: &[u8], each: &mut impl FnMut(Message<'_>)) {
        work::count(message.len());
        match decode(prelude, message) {
            Some(message) => each(message),
            None => self.damage(),
        }
    }

    fn damage(&mut self) {
        self.damaged = true;
        self.held = Vec::new();
    }
}

/// The lengths a message begins with, checked.
#[derive(Clone, Copy, Debug)]
struct Prelude {
    total: usize,
    headers: usize,
}

impl Prelude {
    fn read(bytes: &[u8; PRELUDE]) -> Option<Self> {
        let (lengths, crc) = bytes.split_at(PRELUDE - 4);
        if crc32fast::hash(lengths) != number(crc)? {
            return None;
        }
        let (total, headers) = lengths.split_at(4);
        let (total, headers) = (number(total)? as usize, number(headers)? as usize);
        let fits = total <= MAX_DECLARED && headers.checked_add(PRELUDE + TRAILER)? <= total;
        fits.then_some(Self { total, headers })
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.first_chunk()?))
}

fn decode(prelude: Prelude, message: &[u8]) -> Option<Message<'_>> {
    let (checked, crc) = message.split_at_checked(message.len().checked_sub(TRAILER)?)?;
    if crc32fast::hash(checked) != number(crc)? {
        return None;
    }
    let (headers, payload) = checked.get(PRELUDE..)?.split_at_checked(prelude.headers)?;
    let mut read = Message { payload, ..Message::default() };
    let mut rest = headers;
    while !rest.is_empty() {
        let (name, value, after) = header(rest)?;
        match name {
            b":message-type" => read.kind = value,
            b":event-type" => read.event = value,
            b":exception-type" | b":error-code" => read.exception = value,
            b":error-message" => read.error = value,
            b":content-type" => read.content_type = value,
            _ => {}
        }
        rest = after;
    }
    Some(read)
}

/// The first header: its name, its value if that is text, and what follows.
fn header(bytes: &[u8]) -> Option<(&[u8], Option<&str>, &[u8])> {
    let (&name_length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(name_length))?;
    let (&kind, rest) = rest.split_first()?;
    let size = match kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        6 | 7 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let text = if kind == 7 { std::str::from_utf8(value).ok() } else { None };
            return Some((name, text, rest));
        }
        9 => 16,
        _ => return None,
    };
    Some((name, None, rest.get(size..)?))
}

#[cfg(test)]
mod tests;
