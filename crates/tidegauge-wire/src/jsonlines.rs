//! Newline-delimited JSON: bytes in any pieces become lines, one event each.
//!
//! Must not know what a line holds.

/// A line longer than this is stepped over, never held.
const MAX_LINE: usize = 1 << 20;

/// The splitter. Holds one unfinished line at most, never more than a MiB.
#[derive(Debug, Default)]
pub(crate) struct JsonLines {
    held: Vec<u8>,
    /// The line under way is too long to be held.
    too_long: bool,
    skipped: u64,
}

impl JsonLines {
    /// The next piece; `each` gets every line it completes, without its end. Blank lines are
    /// nothing.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&[u8])) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.held.is_empty() && !self.too_long && line.len() <= MAX_LINE {
                deliver(line, &mut each);
            } else {
                self.hold(line);
                self.finish(&mut each);
            }
        }
        self.hold(bytes);
    }

    /// The end: a last line needs no newline.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(&[u8])) {
        if !self.too_long {
            deliver(&self.held, &mut each);
        }
        self.too_long = false;
        self.held.clear();
    }

    /// Lines that were too long to be read.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }

    fn hold(&mut self, piece: &[u8]) {
        if self.too_long {
            return;
        }
        if self.held.len() + piece.len() > MAX_LINE {
            self.too_long = true;
            self.skipped += 1;
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(piece);
        }
    }
}

fn deliver(line: &[u8], each: &mut impl FnMut(&[u8])) {
    let line = line.trim_ascii();
    if !line.is_empty() {
        each(line);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, JsonLines) {
        let (mut seen, mut lines) = (Vec::new(), JsonLines::default());
        for piece in pieces {
            lines.push(piece, |line| seen.push(line.to_vec()));
        }
        lines.finish(|line| seen.push(line.to_vec()));
        (seen, lines)
    }

    #[test]
    fn lines_of_documents() {
        for (document, want) in [
            ("{}\n[]\n", vec!["{}", "[]"]),
            ("{}\r\n\r\n \n[]", vec!["{}", "[]"]),
            ("\n\n", vec![]),
            ("", vec![]),
        ] {
            let seen = split(&[document.as_bytes()]).0;
            assert_eq!(seen, want.iter().map(|line| line.as_bytes()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_long_line_is_stepped_over() {
        let document = format!("{}\n{{}}\n", "x".repeat(MAX_LINE + 1));
        for pieces in [vec![document.as_bytes()], document.as_bytes().chunks(1000).collect()] {
            let (seen, lines) = split(&pieces);
            assert_eq!(seen, [b"{}".to_vec()]);
            assert_eq!(lines.skipped(), 1);
        }
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same(document in "[a{} \r\n]{0,64}", cut in 0usize..64) {
            let bytes = document.as_bytes();
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            let whole = split(&[bytes]).0;
            prop_assert_eq!(&split(&[left, right]).0, &whole);
            prop_assert_eq!(&split(&bytes.chunks(1).collect::<Vec<_>>()).0, &whole);
        }
    }
}
