//! Reads along with HTTP/2 frames (RFC 9113 4.1): where they begin and end, of what kind they are, and
//! what stands in those few whose content matters here. Keeps nine bytes and judges nothing.

/// Kinds of frames that are told apart.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// Bytes of a frame's head.
const HEAD: usize = 9;

/// The head of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Frame {
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Frame {
    fn read(head: [u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, s, t, u, v] = head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let stream = u32::from_be_bytes([s, t, u, v]) & 0x7fff_ffff;
        Self { length, kind, flags, stream }
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Piece<'a> {
    /// A frame begins: its head is complete.
    Begin(Frame),
    /// A part of what is in it.
    Content(Frame, &'a [u8]),
    /// All of it was there.
    End(Frame),
}

/// The reader, one for each direction of a connection.
#[derive(Debug)]
pub(crate) struct Frames {
    /// Bytes before the first frame that are still to come.
    preface: usize,
    head: [u8; HEAD],
    filled: usize,
    /// The frame whose content is coming, and how much of it.
    open: Option<Frame>,
    left: usize,
}

impl Frames {
    /// Frames begin after so many bytes.
    pub(crate) fn after(preface: usize) -> Self {
        Self { preface, head: [0; HEAD], filled: 0, open: None, left: 0 }
    }

    /// The next bytes, in any pieces.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut on: impl FnMut(Piece<'_>)) {
        let skipped = self.preface.min(bytes.len());
        self.preface -= skipped;
        bytes = bytes.get(skipped..).unwrap_or_default();
        while !bytes.is_empty() {
            bytes = match self.open {
                None => self.read_head(bytes, &mut on),
                Some(frame) => self.read_content(frame, bytes, &mut on),
            };
        }
    }

    /// A frame has begun whose end is not there, other than one that carries a body.
    pub(crate) fn in_frame(&self) -> bool {
        self.filled > 0 || self.open.is_some_and(|frame| frame.kind != DATA)
    }

    fn read_head<'a>(&mut self, bytes: &'a [u8], on: &mut impl FnMut(Piece<'_>)) -> &'a [u8] {
        let count = (HEAD - self.filled).min(bytes.len());
        let (head, rest) = bytes.split_at(count);
        if let Some(room) = self.head.get_mut(self.filled..self.filled + count) {
            room.copy_from_slice(head);
        }
        self.filled += count;
        if self.filled == HEAD {
            self.filled = 0;
            let frame = Frame::read(self.head);
            on(Piece::Begin(frame));
            self.left = frame.length;
            if frame.length == 0 {
                on(Piece::End(frame));
            } else {
                self.open = Some(frame);
            }
        }
        rest
    }

    fn read_content<'a>(
        &mut self,
        frame: Frame,
        bytes: &'a [u8],
        on: &mut impl FnMut(Piece<'_>),
    ) -> &'a [u8] {
        let (content, rest) = bytes.split_at(self.left.min(bytes.len()));
        self.left -= content.len();
        on(Piece::Content(frame, content));
        if self.left == 0 {
            self.open = None;
            on(Piece::End(frame));
        }
        rest
    }
}

/// What a client does on its HTTP/2 connection beside sending bodies.
#[derive(Debug)]
pub(crate) struct Inflow {
    frames: Frames,
    /// A header block has begun and goes on in further frames.
    in_block: bool,
    /// Frames and header blocks that are complete.
    complete: u64,
    /// The newest stream.
    newest: u32,
    streams: u64,
    /// Frames beside requests and bodies since they were last asked for.
    idle_frames: u32,
}

impl Inflow {
    /// Frames begin after so many bytes.
    pub(crate) fn after(preface: usize) -> Self {
        let frames = Frames::after(preface);
        Self { frames, in_block: false, complete: 0, newest: 0, streams: 0, idle_frames: 0 }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let Self { frames, in_block, complete, newest, streams, idle_frames } = self;
        frames.push(bytes, |piece| match piece {
            Piece::Begin(frame) => match frame.kind {
                HEADERS => {
                    *in_block = true;
                    if frame.stream > *newest {
                        *newest = frame.stream;
                        *streams += 1;
                    }
                }
                // Of these there are as many as the answers make necessary, and resets have a limit
                // of their own.
                WINDOW_UPDATE | RST_STREAM | CONTINUATION => {}
                DATA if frame.length > 0 || frame.has(END_STREAM) => {}
                _ => *idle_frames = idle_frames.saturating_add(1),
            },
            Piece::Content(..) => {}
            Piece::End(frame) => {
                if matches!(frame.kind, HEADERS | CONTINUATION) && frame.has(END_HEADERS) {
                    *in_block = false;
                }
                if !*in_block {
                    *complete += 1;
                }
            }
        });
    }

    /// Something has begun whose end is not there: a header block, a frame without a body, or the
    /// connection itself, which begins with a frame.
    pub(crate) fn in_head(&self) -> bool {
        self.complete == 0 || self.in_block || self.frames.in_frame()
    }

    /// How many of such have ended.
    pub(crate) fn complete(&self) -> u64 {
        self.complete
    }

    /// Streams that were opened.
    pub(crate) fn streams(&self) -> u64 {
        self.streams
    }

    /// Frames that asked for nothing and carried nothing, since this was last called.
    pub(crate) fn idle_frames(&mut self) -> u32 {
        std::mem::take(&mut self.idle_frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        [&head, content].concat()
    }

    fn connection() -> Vec<u8> {
        [
            b"pre".to_vec(),
            frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 4]),
            frame(HEADERS, 0, 1, b"ab"),
            frame(CONTINUATION, END_HEADERS, 1, b"c"),
            frame(DATA, 0, 1, b"hello"),
            frame(DATA, 0, 1, b""),
            frame(6, 0, 0, b"pingping"),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, b"trailers"),
            frame(HEADERS, END_HEADERS | END_STREAM, 3, b""),
            frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
            frame(SETTINGS, ACK, 0, b""),
        ]
        .concat()
    }

    /// However the bytes are cut.
    #[test]
    fn any_pieces_say_the_same() {
        let bytes = connection();
        for size in 1..=bytes.len() {
            let mut inflow = Inflow::after(3);
            assert!(inflow.in_head());
            for piece in bytes.chunks(size) {
                inflow.push(piece);
            }
            assert_eq!((inflow.streams(), inflow.complete()), (2, 9), "{size}");
            assert_eq!((inflow.idle_frames(), inflow.idle_frames()), (4, 0), "{size}");
            assert!(!inflow.in_head());
        }
    }

    #[test]
    fn what_is_not_complete_is_noticed() {
        let bytes = connection();
        // The end of each frame but of that which goes on, and where a body is coming.
        let mut inflow = Inflow::after(3);
        let mut rest: Vec<usize> = Vec::new();
        for (at, byte) in bytes.iter().enumerate() {
            inflow.push(&[*byte]);
            if !inflow.in_head() {
                rest.push(at + 1);
            }
        }
        let data = 3 + 15 + 11 + 10;
        let body = data + 9..=data + 14;
        let ends = [18, data, data + 23, data + 40, data + 57, data + 66, data + 79, data + 88];
        let expected: Vec<usize> =
            ends[..2].iter().copied().chain(body).chain(ends[2..].iter().copied()).collect();
        assert_eq!(rest, expected);
    }
}
