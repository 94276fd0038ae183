//! Reads websocket messages (RFC 6455, RFC 7692) from a copy of one direction's bytes, in any pieces.
//!
//! Passive: it answers nothing and corrects nothing. What breaks the protocol ends the reading, never
//! the forwarding. A message is buffered up to [`MAX_EVENT`], reduced beyond that, and not read beyond
//! [`MAX_MESSAGE`]. It must not know what messages mean.

mod inflate;

use std::time::Duration;

use http::{HeaderMap, header};

use self::inflate::Inflate;
use crate::skim::{Limits, Skim};
use crate::sse::MAX_EVENT;

/// The largest message that is read, decoded.
pub(crate) const MAX_MESSAGE: u64 = 1 << 20;
/// How much is unmasked in one step.
const STEP: usize = 4096;
/// The longest head of a frame.
const MAX_HEAD: usize = 14;
/// The most that a control frame carries.
const MAX_CONTROL: usize = 125;

/// How the messages of one direction are encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Coding {
    /// As they are.
    Plain,
    /// Some are deflated, each with or without the memory of those before.
    Deflate {
        /// Messages refer to those before.
        takeover: bool,
    },
    /// By an extension that is not known: nothing can be read.
    Unknown,
}

/// What the two sides agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Agreed {
    /// For what the client sends.
    pub(crate) client: Coding,
    /// For what the server sends.
    pub(crate) server: Coding,
}

impl Agreed {
    /// What the head of the `101` says. Window sizes are not looked at: the largest window reads all.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let both = |coding| Self { client: coding, server: coding };
        let values = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS);
        let mut told = values
            .iter()
            .flat_map(|value| value.to_str().unwrap_or("?").split(','))
            .map(str::trim)
            .filter(|one| !one.is_empty());
        match (told.next(), told.next()) {
            (None, _) => both(Coding::Plain),
            (Some(one), None) => deflate(one).unwrap_or(both(Coding::Unknown)),
            _ => both(Coding::Unknown),
        }
    }
}

/// `permessage-deflate; parameter; parameter=value`
fn deflate(extension: &str) -> Option<Agreed> {
    let mut words = extension.split(';').map(|word| word.trim().to_ascii_lowercase());
    words.next().filter(|name| name == "permessage-deflate")?;
    let (mut client, mut server) = (true, true);
    for word in words {
        match word.split('=').next().unwrap_or_default().trim() {
            "client_no_context_takeover" => client = false,
            "server_no_context_takeover" => server = false,
            "client_max_window_bits" | "server_max_window_bits" => {}
            _ => return None,
        }
    }
    let of = |takeover| Coding::Deflate { takeover };
    Some(Agreed { client: of(client), server: of(server) })
}

/// What one direction says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Told<'a> {
    /// A whole message, text or binary.
    Message {
        /// Its payload; reduced JSON if it was too large to be buffered.
        data: &'a [u8],
        /// Parts were left out that may matter.
        lossy: bool,
    },
    /// A message that was not read, or the rest of the direction if it makes no sense any more.
    Skipped,
    /// The side closes, with a code if it gives one, and a reason.
    Close(Option<u16>, &'a [u8]),
}

/// Reads one direction.
#[derive(Debug)]
pub(crate) struct Frames {
    limits: Limits,
    inflate: Option<Box<Inflate>>,
    state: State,
    head: [u8; MAX_HEAD],
    have: usize,
    frame: Frame,
    message: Message,
    control: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The head of a frame must come.
    Head,
    /// More of a frame's payload must come.
    Payload,
    /// Nothing is read any more: the side has closed, or makes no sense.
    Stopped,
}

/// The present frame.
#[derive(Clone, Copy, Debug)]
struct Frame {
    control: bool,
    close: bool,
    last: bool,
    mask: Option<[u8; 4]>,
    /// How much of the payload has come, and how much must still come.
    at: u64,
    left: u64,
}

/// The unfinished message.
#[derive(Debug, Default)]
struct Message {
    /// A first frame has come and the last has not.
    open: bool,
    deflated: bool,
    bytes: u64,
    held: Vec<u8>,
    skim: Option<Box<Skim>>,
}

/// Why a direction is not read any more.
#[derive(Debug)]
struct Nonsense;

impl Frames {
    /// A reader for a direction whose messages are so encoded; `limits` are for large ones.
    pub(crate) fn new(coding: Coding, limits: Limits) -> Self {
        let inflate = match coding {
            Coding::Deflate { takeover } => Some(Box::new(Inflate::new(takeover))),
            Coding::Plain | Coding::Unknown => None,
        };
        let state = if coding == Coding::Unknown { State::Stopped } else { State::Head };
        Self {
            limits,
            inflate,
            state,
            head: [0; MAX_HEAD],
            have: 0,
            frame: Frame { control: false, close: false, last: true, mask: None, at: 0, left: 0 },
            message: Message::default(),
            control: Vec::new(),
        }
    }

    /// The next piece of the direction. What it completes is given to `out`.
    pub(crate) fn push(&mut self, at: Duration, bytes: &[u8], out: &mut dyn FnMut(Told<'_>)) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let read = match self.state {
                State::Stopped => return,
                State::Head => self.head(rest, out),
                State::Payload => self.payload(at, rest),
            };
            let Ok(used) = read.and_then(|used| self.end_frame(at, out).map(|()| used)) else {
                self.stop();
                return out(Told::Skipped);
            };
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    fn stop(&mut self) {
        self.state = State::Stopped;
        self.inflate = None;
        self.message = Message::default();
    }

    /// Bytes of a frame's head. A whole small message that lies behind it is read where it is.
    fn head(&mut self, rest: &[u8], out: &mut dyn FnMut(Told<'_>)) -> Result<usize, Nonsense> {
        let mut used = 0;
        for byte in rest {
            if let Some(slot) = self.head.get_mut(self.have) {
                *slot = *byte;
            }
            (self.have, used) = (self.have + 1, used + 1);
            if self.have >= 2 && self.have == head_length(&self.head) {
                self.have = 0;
                let opcode = self.begin_frame()?;
                self.state = State::Payload;
                return Ok(used + self.in_place(opcode, rest.get(used..).unwrap_or_default(), out));
            }
        }
        Ok(used)
    }

    /// A message in one plain frame that is all there needs no copy. Gives back how long it is.
    fn in_place(&mut self, opcode: u8, rest: &[u8], out: &mut dyn FnMut(Told<'_>)) -> usize {
        let Frame { last, mask, left, .. } = self.frame;
        let whole = usize::try_from(left).ok().filter(|length| *length <= MAX_EVENT);
        let plain = matches!(opcode, 1 | 2) && last && mask.is_none() && !self.message.deflated;
        match whole.and_then(|length| rest.get(..length)).filter(|_| plain) {
            Some(data) => {
                self.frame.left = 0;
                self.message.open = false;
                self.state = State::Head;
                out(Told::Message { data, lossy: false });
                data.len()
            }
            None => 0,
        }
    }

    /// A head is whole. Gives back the kind of frame it begins.
    fn begin_frame(&mut self) -> Result<u8, Nonsense> {
        let [first, second, ..] = self.head;
        let (opcode, compressed) = (first & 0x0f, first & 0x40 != 0);
        let (last, control) = (first & 0x80 != 0, opcode & 0x08 != 0);
        let length = payload_length(&self.head);
        let known = matches!(opcode, 0..=2 | 8..=10);
        if !known || first & 0x30 != 0 || length > i64::MAX as u64 {
            return Err(Nonsense);
        }
        if control && (!last || compressed || length > MAX_CONTROL as u64) {
            return Err(Nonsense);
        }
        if !control {
            self.begin_part(opcode == 0, compressed)?;
        }
        let mask = (second & 0x80 != 0).then(|| mask(&self.head));
        self.frame = Frame { control, close: opcode == 8, last, mask, at: 0, left: length };
        self.control.clear();
        Ok(opcode)
    }

    /// A frame of a message begins: its first one, or a further one.
    fn begin_part(&mut self, further: bool, compressed: bool) -> Result<(), Nonsense> {
        if further != self.message.open || compressed && (further || self.inflate.is_none()) {
            return Err(Nonsense);
        }
        if !further {
            self.message.open = true;
            self.message.deflated = compressed;
            self.message.bytes = 0;
            if let Some(inflate) = self.inflate.as_mut().filter(|_| compressed) {
                inflate.begin();
            }
        }
        Ok(())
    }

    fn payload(&mut self, at: Duration, rest: &[u8]) -> Result<usize, Nonsense> {
        let left = usize::try_from(self.frame.left).unwrap_or(usize::MAX);
        let piece = rest.get(..left).unwrap_or(rest);
        match self.frame.mask {
            None => self.take(at, piece)?,
            Some(mask) => {
                let mut clear = [0; STEP];
                for masked in piece.chunks(STEP) {
                    let clear = clear.get_mut(..masked.len()).unwrap_or_default();
                    unmask(mask, self.frame.at, masked, clear);
                    self.frame.at += masked.len() as u64;
                    self.take(at, clear)?;
                }
            }
        }
        self.frame.left -= piece.len() as u64;
        Ok(piece.len())
    }

    /// Payload in the clear.
    fn take(&mut self, at: Duration, piece: &[u8]) -> Result<(), Nonsense> {
        let Self { message, inflate, limits, frame, control, .. } = self;
        if frame.control {
            control.extend_from_slice(piece);
            return Ok(());
        }
        match inflate.as_mut().filter(|_| message.deflated) {
            None => message.push(piece, *limits),
            // Nothing of it is read, and nothing refers to it.
            Some(inflate) if message.is_over() && !inflate.takeover() => {}
            Some(inflate) => inflate
                .push(at, piece, &mut |decoded| message.push(decoded, *limits))
                .map_err(|_| Nonsense)?,
        }
        Ok(())
    }

    /// Does nothing unless the frame is whole.
    fn end_frame(&mut self, at: Duration, out: &mut dyn FnMut(Told<'_>)) -> Result<(), Nonsense> {
        if self.state != State::Payload || self.frame.left > 0 {
            return Ok(());
        }
        self.state = State::Head;
        if self.frame.close {
            let code = self.control.first_chunk().map(|code| u16::from_be_bytes(*code));
            let reason = self.control.get(2..).unwrap_or_default();
            self.state = State::Stopped;
            out(Told::Close(code, reason));
        } else if !self.frame.control && self.frame.last {
            self.end_message(at, out)?;
        }
        Ok(())
    }

    fn end_message(&mut self, at: Duration, out: &mut dyn FnMut(Told<'_>)) -> Result<(), Nonsense> {
        if self.message.deflated {
            // Each message ends with an empty block that is not sent.
            self.take(at, &[0x00, 0x00, 0xff, 0xff])?;
        }
        self.message.open = false;
        self.message.finish(out);
        Ok(())
    }
}

impl Message {
    fn is_over(&self) -> bool {
        self.bytes > MAX_MESSAGE
    }

    fn push(&mut self, piece: &[u8], limits: Limits) {
        self.bytes += piece.len() as u64;
        if self.is_over() {
            (self.held, self.skim) = (Vec::new(), None);
        } else if let Some(skim) = &mut self.skim {
            skim.push(piece);
        } else if self.held.len() + piece.len() > MAX_EVENT {
            let mut skim = Box::new(Skim::new(limits));
            skim.push(&self.held);
            skim.push(piece);
            self.skim = Some(skim);
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(piece);
        }
    }

    fn finish(&mut self, out: &mut dyn FnMut(Told<'_>)) {
        if self.is_over() {
            out(Told::Skipped);
        } else if let Some(skim) = self.skim.take() {
            let skimmed = skim.finish();
            out(Told::Message { data: &skimmed.json, lossy: skimmed.lossy });
        } else {
            out(Told::Message { data: &self.held, lossy: false });
        }
        self.held.clear();
    }
}

/// How long a frame's head is, by its first two bytes.
fn head_length(head: &[u8; MAX_HEAD]) -> usize {
    let [_, second, ..] = head;
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    2 + length + if second & 0x80 != 0 { 4 } else { 0 }
}

fn payload_length(head: &[u8; MAX_HEAD]) -> u64 {
    let [_, second, a, b, c, d, e, f, g, h, ..] = *head;
    match second & 0x7f {
        126 => u64::from(u16::from_be_bytes([a, b])),
        127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
        small => u64::from(small),
    }
}

/// The last four bytes of a masked frame's head.
fn mask(head: &[u8; MAX_HEAD]) -> [u8; 4] {
    let head = head.get(..head_length(head)).unwrap_or_default();
    head.last_chunk().copied().unwrap_or_default()
}

/// `at`: how much of the payload came before.
fn unmask(mask: [u8; 4], at: u64, masked: &[u8], clear: &mut [u8]) {
    let mut key = mask;
    key.rotate_left((at % 4) as usize);
    for (clear, masked) in clear.chunks_mut(4).zip(masked.chunks(4)) {
        for ((clear, masked), key) in clear.iter_mut().zip(masked).zip(key) {
            *clear = masked ^ key;
        }
    }
}

#[cfg(test)]
mod tests;
