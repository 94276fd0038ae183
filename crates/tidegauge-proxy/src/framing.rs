//! Reads along with the HTTP/1 parser and notices what the parser tidies away: a length beside a
//! transfer coding, a length given twice, a fragment in the request target.
//!
//! In: the bytes of a client connection, in any pieces. Out: the number of the first request head
//! that two parsers could read differently. It keeps no body byte and at most one short line, and
//! it decides nothing else: if it ever loses its place, requests are judged by the parser alone.

/// Enough of a line to recognise the two fields that matter and their values.
const LINE: usize = 64;

/// Where in the connection we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// Before a request line; blank lines are skipped.
    Between,
    /// In the request line or a header line.
    Head,
    /// In a body of known length, this much to come.
    Body(u64),
    /// In the line with the size of a chunk.
    Size,
    /// In a chunk, this much to come, its line end included.
    Chunk(u64),
    /// In the lines after the last chunk.
    Trailer,
    /// Not HTTP/1, or not understood: nothing is looked at any more.
    Lost,
}

/// The reader. One for each connection.
#[derive(Debug)]
pub(crate) struct Framing {
    place: Place,
    line: [u8; LINE],
    line_len: usize,
    head: Head,
    heads: u32,
    /// The first bad head, counted from 1.
    bad: Option<(u32, Bad)>,
}

/// What is wrong with a head.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bad {
    /// The end of its body could be read in two ways.
    Framing,
    /// Its target has a fragment, which the parser would cut off.
    Target,
}

#[derive(Clone, Copy, Default, Debug)]
struct Head {
    requested: bool,
    fragment: bool,
    lengths: u8,
    length: u64,
    codings: u8,
    odd: bool,
}

impl Framing {
    pub(crate) fn new() -> Self {
        Self {
            place: Place::Between,
            line: [0; LINE],
            line_len: 0,
            head: Head::default(),
            heads: 0,
            bad: None,
        }
    }

    /// The next bytes of the connection.
    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.place {
                Place::Lost => return,
                Place::Body(left) => self.skip(bytes, left, Place::Body, Place::Between),
                Place::Chunk(left) => self.skip(bytes, left, Place::Chunk, Place::Size),
                Place::Between | Place::Head | Place::Size | Place::Trailer => self.read(bytes),
            };
        }
    }

    /// A request head has begun and is not complete.
    pub(crate) fn in_head(&self) -> bool {
        self.place == Place::Head || (self.place == Place::Between && self.line_len > 0)
    }

    /// Between two requests: nothing unread belongs to one.
    pub(crate) fn at_rest(&self) -> bool {
        self.place == Place::Between && self.line_len == 0
    }

    /// The first bad head so far, counted from 1.
    pub(crate) fn bad(&self) -> Option<(u32, Bad)> {
        self.bad
    }

    /// What follows is not HTTP/1.
    pub(crate) fn lose(&mut self) {
        self.place = Place::Lost;
    }

    fn skip<'a>(
        &mut self,
        bytes: &'a [u8],
        left: u64,
        stay: fn(u64) -> Place,
        next: Place,
    ) -> &'a [u8] {
        let here = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let left = left - here as u64;
        self.place = if left == 0 { next } else { stay(left) };
        bytes.get(here..).unwrap_or_default()
    }

    /// Reads up to the end of a line.
    fn read<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (part, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        self.keep(part);
        if end.is_none() {
            return rest;
        }
        self.line_ended();
        self.line_len = 0;
        rest.get(1..).unwrap_or_default()
    }

    fn keep(&mut self, part: &[u8]) {
        if !self.head.requested && self.place == Place::Between {
            self.head.fragment |= part.contains(&b'#');
        }
        let room = self.line.get_mut(self.line_len.min(LINE)..).unwrap_or_default();
        let kept = room.len().min(part.len());
        if let (Some(room), Some(part)) = (room.get_mut(..kept), part.get(..kept)) {
            room.copy_from_slice(part);
        }
        self.line_len = self.line_len.saturating_add(part.len());
    }

    fn line_ended(&mut self) {
        let whole = self.line_len <= LINE;
        let line = self.line;
        let line = line.get(..self.line_len.min(LINE)).unwrap_or_default();
        let line = if whole { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
        match self.place {
            Place::Between if line.is_empty() => {}
            Place::Between => self.request_line(line),
            Place::Head if line.is_empty() => self.head_ended(),
            Place::Head => self.header(line, whole),
            Place::Size => self.size(line),
            Place::Trailer if line.is_empty() => self.place = Place::Between,
            Place::Trailer | Place::Body(_) | Place::Chunk(_) | Place::Lost => {}
        }
    }

    fn request_line(&mut self, line: &[u8]) {
        self.head.requested = true;
        self.place = if line.starts_with(b"PRI * HTTP/2") { Place::Lost } else { Place::Head };
    }

    fn header(&mut self, line: &[u8], whole: bool) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.head.codings = self.head.codings.saturating_add(1);
        } else if name.eq_ignore_ascii_case(b"content-length") {
            self.head.lengths = self.head.lengths.saturating_add(1);
            let digits = value.get(1..).unwrap_or_default().trim_ascii();
            match decimal(digits) {
                Some(length) if whole => self.head.length = length,
                _ => self.head.odd = true,
            }
        }
    }

    fn head_ended(&mut self) {
        let head = std::mem::take(&mut self.head);
        self.heads = self.heads.saturating_add(1);
        let two_ways = head.lengths > 1 || (head.lengths == 1 && head.codings > 0) || head.odd;
        let bad = if two_ways { Some(Bad::Framing) } else { head.fragment.then_some(Bad::Target) };
        if let Some(bad) = bad {
            self.bad.get_or_insert((self.heads, bad));
        }
        self.place = match () {
            () if head.codings > 0 => Place::Size,
            () if head.length > 0 => Place::Body(head.length),
            () => Place::Between,
        };
    }

    fn size(&mut self, line: &[u8]) {
        let digits = line.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next();
        self.place = match digits.and_then(hexadecimal) {
            Some(0) => Place::Trailer,
            Some(size) => Place::Chunk(size.saturating_add(2)),
            None => Place::Lost,
        };
    }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    plain.then(|| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::{Bad, Framing};

    type Row = (&'static str, Option<(u32, Bad)>, bool);

    /// What is read, the first bad head, and whether the end is between two requests.
    const TABLE: &[Row] = &[
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", None, true),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", None, true),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", None, true),
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", None, false),
        ("POST / HTTP/1.1\nContent-Length: 3\n\nabcGET / HTTP/1.1\n\n", None, true),
        (
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Some((1, Bad::Framing)),
            true,
        ),
        (
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n0\r\n\r\n",
            Some((1, Bad::Framing)),
            true,
        ),
        (
            "GET /a HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            Some((2, Bad::Framing)),
            true,
        ),
        ("POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\nx", Some((1, Bad::Framing)), false),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            None,
            true,
        ),
        // A body that looks like a bad head is still a body.
        (
            "POST / HTTP/1.1\r\nContent-Length: 57\r\n\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n01234567",
            None,
            true,
        ),
        ("GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", Some((1, Bad::Target)), true),
        ("GET /a HTTP/1.1\r\nReferer: http://a/#b\r\n\r\n", None, true),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0anything", None, false),
    ];

    #[test]
    fn every_split_gives_the_same_judgement() {
        for (text, bad, at_rest) in TABLE {
            let bytes = text.as_bytes();
            for cut in 0..=bytes.len() {
                let mut framing = Framing::new();
                framing.push(&bytes[..cut]);
                framing.push(&bytes[cut..]);
                assert_eq!(framing.bad(), *bad, "{text:?} cut at {cut}");
                assert_eq!(framing.at_rest(), *at_rest, "{text:?} cut at {cut}");
            }
            let mut framing = Framing::new();
            bytes.iter().for_each(|byte| framing.push(&[*byte]));
            assert_eq!((framing.bad(), framing.at_rest()), (*bad, *at_rest), "{text:?} by bytes");
        }
    }
}
